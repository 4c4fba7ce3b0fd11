"""Looks up the entries of libraries in the background: in the archive, then at arXiv and Crossref.

The table of entries is the queue. Each step stores its results in one transaction, so a run that is killed costs no
more than its last request; two at once find the same. Papers that no source has listed are kept apart from the archive.
A service that does not answer is asked later, and the entries of that request are then asked for one by one, last.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.papers.paper import Paper
from digest.papers.search import papers_named
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.source import SourceUnavailable
from digest.subscribers.library import pauses, queue, store
from digest.subscribers.library.arxiv import ArxivPapers
from digest.subscribers.library.crossref import MOST, Crossref
from digest.subscribers.library.entry import EntryProblem, is_on_arxiv, own_paper_id, title_key
from digest.subscribers.library.pauses import Service
from digest.subscribers.library.queue import Queue
from digest.subscribers.library.store import StoredEntry
from digest.subscribers.library.zotero import read_page

log = structlog.get_logger()

_AT_ONCE = {Queue.NUMBER: 100, Queue.DOI: MOST, Queue.TITLE: 10}
_WAITS_FOR = timedelta(days=3)  # for a service to answer
_REQUESTS = 20  # in one run, after which others have their turn
_PAGES = 1  # of each library at Zotero, in one run
_LATE = 1_000  # entries that are given up together
_SET_APART = 3  # failures in a row whose entries come last; more mean that the service is down


@dataclass(frozen=True, slots=True)
class Libraries:
    """The services that know papers and libraries."""

    arxiv: ArxivPapers
    crossref: Crossref
    zotero_url: str
    zotero: Fetcher


def look_up(engine: Engine, where: Libraries, now: datetime) -> bool:
    """Look up what waits, up to some number of requests. Returns whether any entry was looked up."""
    changed = _match_stored(engine, now)
    for service, step in _STEPS:
        changed |= _ask(engine, where, now, service, step)
    _give_up(engine, now)
    return changed


def _match_stored(engine: Engine, now: datetime) -> bool:
    """Match the entries whose paper is stored, for which nobody needs to be asked."""
    changed = False
    while True:
        with read_only(engine) as connection:
            known = queue.waiting_but_stored(connection, _LATE)
        if not known:
            return changed
        _settle(engine, known, {each.id: each.paper_id for each in known if each.paper_id}, now)
        changed = True


Step = Callable[[Engine, Libraries, datetime], bool]


def _ask(engine: Engine, where: Libraries, now: datetime, service: Service, step: Step) -> bool:
    """Take a step again and again while there is something to look up, unless the service does not answer."""
    with read_only(engine) as connection:
        if service in pauses.silent_services(connection, now):
            return False
    changed = False
    for _ in range(_PAGES if service is Service.ZOTERO else _REQUESTS):
        try:
            if not step(engine, where, now):
                break
        except SourceUnavailable as problem:
            log.warning("libraries wait for a service", service=str(service), problem=str(problem), every=600)
            break
        changed = True
        with transaction(engine) as connection:
            pauses.note_answer(connection, service)
    return changed


@contextmanager
def _asking(engine: Engine, service: Service, waiting: Sequence[StoredEntry], now: datetime) -> Iterator[None]:
    """Let the entries wait if the service does not answer."""
    try:
        yield
    except SourceUnavailable:
        with transaction(engine) as connection:
            if pauses.note_failure(connection, service, now) <= _SET_APART:
                queue.set_tried(connection, [entry.id for entry in waiting], now)
        raise


# --- at Zotero ---


def _read_zotero(engine: Engine, where: Libraries, now: datetime) -> bool:
    """Read a page of each library at Zotero that waits."""
    with read_only(engine) as connection:
        waiting = store.zotero_waiting(connection, _REQUESTS)
    failed: list[SourceUnavailable] = []
    for library in waiting:
        try:
            read_page(engine, where.zotero_url, where.zotero, library, now)
        except SourceUnavailable as problem:
            failed.append(problem)
            if library.at < now - _WAITS_FOR:
                with transaction(engine) as connection:
                    store.move_zotero(connection, library, library.next_item, store.ZoteroState.FAILED, now)
            if len(failed) == _SET_APART:
                break
    if failed:
        with _asking(engine, Service.ZOTERO, (), now):
            raise failed[-1]
    return bool(waiting)


# --- by number, by DOI, by title ---


def _by_number(engine: Engine, where: Libraries, now: datetime) -> bool:
    waiting = _next(engine, Queue.NUMBER)
    if not waiting:
        return False
    wanted = sorted({each.paper_id for each in waiting if each.paper_id and is_on_arxiv(each.paper_id)})
    with _asking(engine, Service.ARXIV, waiting, now):
        papers = where.arxiv.with_numbers(wanted) if wanted else []
    known = {paper.id for paper in papers}
    found = {each.id: each.paper_id for each in waiting if each.paper_id in known}
    _settle(engine, waiting, found, now, papers, titles={each.id: each.title for each in waiting})
    return True


def _by_doi(engine: Engine, where: Libraries, now: datetime) -> bool:
    waiting = _next(engine, Queue.DOI)
    if not waiting:
        return False
    found = _in_archive(engine, waiting)
    rest = [entry for entry in waiting if entry.id not in found]
    with _asking(engine, Service.CROSSREF, rest, now):
        published = {paper.doi: paper for paper in where.crossref.papers_with([entry.doi for entry in rest])}
    papers, titles = [], {entry.id: entry.title for entry in rest}
    for entry in rest:
        paper = published.get(entry.doi.lower())
        if paper and entry.paper_id and own_paper_id(paper.title, paper.abstract):
            papers.append(Paper(entry.paper_id, paper.title or entry.title, paper.abstract))
            found[entry.id] = entry.paper_id
        elif paper and paper.title:
            titles[entry.id] = paper.title
    _settle(engine, waiting, found, now, papers, titles)
    return True


def _by_title(engine: Engine, where: Libraries, now: datetime) -> bool:
    waiting = _next(engine, Queue.TITLE)
    if not waiting:
        return False
    found = _in_archive(engine, waiting)
    rest = [entry for entry in waiting if entry.id not in found]
    with _asking(engine, Service.ARXIV, rest, now):
        papers = where.arxiv.with_titles([entry.title for entry in rest]) if rest else []
    by_title = {title_key(paper.title): paper.id for paper in reversed(papers)}
    found |= {entry.id: by_title[key] for entry in rest if (key := title_key(entry.title)) in by_title}
    own = _of_their_own([entry for entry in rest if entry.id not in found])
    fetched = [paper for paper in papers if paper.id in set(found.values())]
    found |= {entry_id: paper.id for entry_id, paper in own.items()}
    _settle(engine, waiting, found, now, [*fetched, *own.values()])
    return True


_STEPS: tuple[tuple[Service, Step], ...] = (
    (Service.ZOTERO, _read_zotero),
    (Service.CROSSREF, _by_doi),
    (Service.ARXIV, _by_number),
    (Service.ARXIV, _by_title),
)


def _next(engine: Engine, which: Queue) -> list[StoredEntry]:
    with read_only(engine) as connection:
        return queue.waiting(connection, which, _AT_ONCE[which])


def _in_archive(engine: Engine, some: Sequence[StoredEntry]) -> dict[int, str]:
    """Return the papers of the archive with these entries' titles."""
    with read_only(engine) as connection:
        return {entry.id: paper_id for entry in some if (paper_id := _named(connection, entry.title))}


def _named(connection: Connection, title: str) -> str | None:
    key = title_key(title)
    named = papers_named(connection, title, limit=5)
    return next((paper.id for paper in named if title_key(paper.title) == key), None)


def _of_their_own(some: Sequence[StoredEntry]) -> dict[int, Paper]:
    """Return the papers that entries of a file describe by themselves, with enough words."""
    described = {entry.id: own_paper_id(entry.title, entry.abstract) for entry in some}
    return {entry.id: Paper(id_, entry.title, entry.abstract) for entry in some if (id_ := described[entry.id])}


def _settle(
    engine: Engine,
    looked_up: Sequence[StoredEntry],
    found: dict[int, str],
    now: datetime,
    papers: Sequence[Paper] = (),
    titles: dict[int, str] | None = None,
) -> None:
    """Store what was found. Entries that were not are looked up by `titles` next, or else have no paper."""
    missing = [entry for entry in looked_up if entry.id not in found]
    next_titles = {each.id: titles[each.id] for each in missing if titles and _is_title(titles.get(each.id, ""))}
    with transaction(engine) as connection:
        store.lock_owners(connection, looked_up)
        in_archive = store.stored_among(connection, [paper.id for paper in papers])
        store.keep_library_papers(connection, [paper for paper in papers if paper.id not in in_archive])
        store.set_matched(connection, found, now)
        store.look_up_by_title(connection, next_titles)
        for entry in missing:
            if entry.id not in next_titles:
                store.set_missing(connection, [entry.id], _problem_of(entry), now)
        store.delete_unused_papers(connection)  # of entries that were removed meanwhile


def _give_up(engine: Engine, now: datetime) -> None:
    """End the waiting of entries for which a service did not answer in days."""
    since = now - _WAITS_FOR
    with read_only(engine) as connection:
        if not pauses.silent_services(connection, now):
            return
        by_doi, by_number, by_title = (
            queue.waiting_since(connection, which, since, _LATE) for which in (Queue.DOI, Queue.NUMBER, Queue.TITLE)
        )
    own = _of_their_own([*by_number, *by_title])
    with transaction(engine) as connection:
        store.look_up_by_title(connection, {each.id: each.title for each in by_doi if _is_title(each.title)})
        store.keep_library_papers(connection, list(own.values()))
        store.set_matched(connection, {entry_id: paper.id for entry_id, paper in own.items()}, now)
        late = [*by_number, *by_title, *(each for each in by_doi if not _is_title(each.title))]
        store.set_missing(connection, [each.id for each in late if each.id not in own], EntryProblem.SILENT, now)


def _is_title(text: str) -> bool:
    return bool(title_key(text)) and (" " in text or ("/" not in text and "." not in text))


def _problem_of(entry: StoredEntry) -> EntryProblem:
    if entry.paper_id is None:
        return EntryProblem.NOT_FOUND
    return EntryProblem.UNKNOWN if is_on_arxiv(entry.paper_id) else EntryProblem.NO_TITLE
