"""Looks up the entries of libraries in the background: in the archive, then at arXiv, by number or by title.

The table of entries is the queue. Each step stores its results in one transaction, so a run that is killed costs no
more than its last request; two at once find the same. Papers that no source has listed are kept apart from the archive.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.papers.paper import Paper
from digest.papers.search import papers_named
from digest.papers.sources.arxiv import ApiError, ask_api
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.source import SourceUnavailable
from digest.subscribers.library import store
from digest.subscribers.library.entry import EntryProblem, is_on_arxiv, own_paper_id, title_key
from digest.subscribers.library.store import StoredEntry
from digest.subscribers.library.zotero import read_page

log = structlog.get_logger()

_NUMBERS, _TITLES = 100, 10  # in one query
_WAITS_FOR = timedelta(days=3)  # for arXiv to answer
_REQUESTS = 20  # in one run, after which others have their turn
_WORDS = 12  # of a title, in a query
_RESULTS = 50  # of a query for titles


@dataclass(frozen=True, slots=True)
class Libraries:
    """Addresses and clients of the services that know papers and libraries."""

    arxiv_url: str
    arxiv: Fetcher
    zotero_url: str
    zotero: Fetcher


def look_up(engine: Engine, where: Libraries, now: datetime) -> bool:
    """Look up what waits, up to some number of requests. Returns whether any entry was looked up."""
    changed = _read_zotero(engine, where, now)
    for _ in range(_REQUESTS):
        try:
            if not (_by_number(engine, where, now) or _by_title(engine, where, now)):
                break
        except SourceUnavailable as problem:
            log.warning("libraries wait for arXiv", problem=str(problem), every=600)
            _give_up(engine, now)
            break
        changed = True
    return changed


def _read_zotero(engine: Engine, where: Libraries, now: datetime) -> bool:
    """Read a page of each library at Zotero that waits."""
    with read_only(engine) as connection:
        waiting = store.zotero_waiting(connection, _REQUESTS)
    for library in waiting:
        try:
            read_page(engine, where.zotero_url, where.zotero, library, now)
        except SourceUnavailable as problem:
            log.warning("a library waits for Zotero", problem=str(problem), every=600)
            if library.at < now - _WAITS_FOR:
                with transaction(engine) as connection:
                    store.move_zotero(connection, library, library.next_item, store.ZoteroState.FAILED, now)
    return bool(waiting)


# --- by number ---


def _by_number(engine: Engine, where: Libraries, now: datetime) -> bool:
    with read_only(engine) as connection:
        waiting = store.waiting(connection, by_title=False, limit=_NUMBERS)
        stored = store.stored_among(connection, {entry.paper_id for entry in waiting if entry.paper_id})
    if not waiting:
        return False
    wanted = sorted({entry.paper_id for entry in waiting if entry.paper_id} - stored)
    wanted = [paper_id for paper_id in wanted if is_on_arxiv(paper_id)]
    papers = _ask_for_numbers(where, wanted) if wanted else []
    known = stored | {paper.id for paper in papers}
    with transaction(engine) as connection:
        store.lock_owners(connection, waiting)
        store.keep_library_papers(connection, papers)
        store.set_matched(connection, {each.id: each.paper_id for each in waiting if each.paper_id in known}, now)
        _settle_numbers(connection, [each for each in waiting if each.paper_id not in known], now)
        store.delete_unused_papers(connection)  # of entries that were removed meanwhile
    return True


def _ask_for_numbers(where: Libraries, paper_ids: Sequence[str]) -> list[Paper]:
    """Return those of the papers that arXiv has. One unreadable number makes it reject all of them."""
    query = {"id_list": ",".join(paper_ids), "max_results": len(paper_ids)}
    try:
        page = ask_api(where.arxiv, where.arxiv_url, query)
    except ApiError:
        if len(paper_ids) == 1:
            return []
        half = len(paper_ids) // 2
        return _ask_for_numbers(where, paper_ids[:half]) + _ask_for_numbers(where, paper_ids[half:])
    if page.cut:
        raise SourceUnavailable(page.cut)
    return [entry.paper for entry in page.entries if entry.paper and entry.paper.id in paper_ids]


def _settle_numbers(connection: Connection, unknown: Sequence[StoredEntry], now: datetime) -> None:
    """Look for entries by their title where they have one; an address by itself has none."""
    titled = [entry for entry in unknown if title_key(entry.title) and not _is_address(entry)]
    store.forget_guesses(connection, [entry.id for entry in titled])
    for entry in unknown:
        if entry not in titled:
            on_arxiv = is_on_arxiv(entry.paper_id or "")
            store.set_missing(connection, [entry.id], EntryProblem.UNKNOWN if on_arxiv else EntryProblem.NO_TITLE, now)


def _is_address(entry: StoredEntry) -> bool:
    return " " not in entry.title and ("/" in entry.title or "." in entry.title)


# --- by title ---


def _by_title(engine: Engine, where: Libraries, now: datetime) -> bool:
    with read_only(engine) as connection:
        waiting = store.waiting(connection, by_title=True, limit=_TITLES)
        found = {entry.id: paper for entry in waiting if (paper := _in_archive(connection, entry))}
    if not waiting:
        return False
    rest = [entry for entry in waiting if entry.id not in found]
    papers = _ask_for_titles(where, rest) if rest else []
    by_title = {title_key(paper.title): paper.id for paper in reversed(papers)}
    found |= {entry.id: by_title[key] for entry in rest if (key := title_key(entry.title)) in by_title}
    own = {entry.id: described for entry in rest if entry.id not in found and (described := _of_its_own(entry))}
    found |= {entry_id: paper.id for entry_id, paper in own.items()}
    fetched = [paper for paper in papers if paper.id in set(found.values())]
    with transaction(engine) as connection:
        store.lock_owners(connection, waiting)
        in_archive = store.stored_among(connection, [paper.id for paper in fetched])
        store.keep_library_papers(connection, [p for p in (*fetched, *own.values()) if p.id not in in_archive])
        store.set_matched(connection, found, now)
        store.set_missing(
            connection, [each.id for each in waiting if each.id not in found], EntryProblem.NOT_FOUND, now
        )
        store.delete_unused_papers(connection)
    return True


def _in_archive(connection: Connection, entry: StoredEntry) -> str | None:
    key = title_key(entry.title)
    named = papers_named(connection, entry.title, limit=5)
    return next((paper.id for paper in named if title_key(paper.title) == key), None)


def _ask_for_titles(where: Libraries, some: Sequence[StoredEntry]) -> list[Paper]:
    phrases = [" ".join(re.findall(r"\w+", entry.title)[:_WORDS]) for entry in some]
    query = " OR ".join(f'ti:"{phrase}"' for phrase in phrases)
    try:
        page = ask_api(where.arxiv, where.arxiv_url, {"search_query": query, "max_results": _RESULTS})
    except ApiError:
        if len(some) == 1:
            return []
        half = len(some) // 2
        return _ask_for_titles(where, some[:half]) + _ask_for_titles(where, some[half:])
    if page.cut:
        raise SourceUnavailable(page.cut)
    return [entry.paper for entry in page.entries if entry.paper]


def _of_its_own(entry: StoredEntry) -> Paper | None:
    """Return the paper that an entry of a file describes by itself, if it has enough words."""
    paper_id = own_paper_id(entry.title, entry.abstract)
    return Paper(paper_id, entry.title, entry.abstract) if paper_id else None


def _give_up(engine: Engine, now: datetime) -> None:
    """End the waiting of entries for which arXiv did not answer in days."""
    with read_only(engine) as connection:
        waiting = [*store.waiting(connection, False, 1_000), *store.waiting(connection, True, 1_000)]
    late = [entry.id for entry in waiting if entry.at < now - _WAITS_FOR]
    if late:
        with transaction(engine) as connection:
            store.set_missing(connection, late, EntryProblem.SILENT, now)
