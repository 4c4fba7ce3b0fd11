"""SQL for libraries: their entries, the papers behind them, and what waits to be looked up."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, update

from digest.database.dialect import in_list, insert_new, insert_rows
from digest.database.tables import library_entries as entries
from digest.database.tables import library_papers, paper_vectors, papers, subscribers, zotero_libraries
from digest.papers.paper import Paper
from digest.papers.store import papers_with
from digest.subscribers.library.entry import EntryProblem, LibraryEntry
from digest.subscribers.paper_feedback import mark_profile_stale


class EntryState(StrEnum):
    """Stored."""

    WAITING = "waiting"
    MATCHED = "matched"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry of a library, with what is known of it by now."""

    id: int
    subscriber_id: int
    title: str
    abstract: str
    doi: str
    paper_id: str | None
    state: EntryState
    problem: EntryProblem | None
    at: datetime
    tried_at: datetime | None = None  # when a service last did not answer a request for it


def add_entries(connection: Connection, subscriber_id: int, added: Sequence[LibraryEntry], now: datetime) -> int:
    """Store the entries that the library does not have, and return how many these are."""
    before = _count(connection, subscriber_id)
    rows = [
        {
            "subscriber_id": subscriber_id,
            "name": entry.name,
            "title": entry.title,
            "abstract": entry.abstract,
            "doi": entry.doi,
            "paper_id": entry.paper_id,
            "state": str(EntryState.MISSING if entry.problem else EntryState.WAITING),
            "problem": str(entry.problem or ""),
            "at": now,
        }
        for entry in added
    ]
    if rows:
        connection.execute(insert_new(connection, entries), rows)
    return _count(connection, subscriber_id) - before


def _count(connection: Connection, subscriber_id: int) -> int:
    query = select(func.count()).select_from(entries).where(entries.c.subscriber_id == subscriber_id)
    return connection.execute(query).scalar_one()


def counts(connection: Connection, subscriber_id: int) -> dict[EntryState, int]:
    """Return how many entries are in each state."""
    query = select(entries.c.state, func.count()).where(entries.c.subscriber_id == subscriber_id)
    counted = {EntryState(state): count for state, count in connection.execute(query.group_by(entries.c.state))}
    return {state: counted.get(state, 0) for state in EntryState}


def entries_of(connection: Connection, subscriber_id: int, page: tuple[int, int] | None = None) -> list[StoredEntry]:
    """Return a library, first the entries without a paper; of `page` (start, number) only those."""
    query = select(*COLUMNS).where(entries.c.subscriber_id == subscriber_id)
    query = query.order_by(entries.c.state != EntryState.MISSING, entries.c.id)
    if page is not None:
        query = query.offset(page[0]).limit(page[1])
    return [entry_from(row) for row in connection.execute(query)]


def matched_papers(connection: Connection, subscriber_id: int) -> set[str]:
    """Return the ids of the papers in a library."""
    theirs = (entries.c.subscriber_id == subscriber_id) & (entries.c.state == EntryState.MATCHED)
    return set(connection.scalars(select(entries.c.paper_id).where(theirs)))


COLUMNS = tuple(entries.c[name] for name in StoredEntry.__dataclass_fields__)


def entry_from(row: Any) -> StoredEntry:
    values = row._asdict()
    return StoredEntry(
        **values | {"state": EntryState(row.state), "problem": EntryProblem(row.problem) if row.problem else None}
    )


def lock_owners(connection: Connection, some: Sequence[StoredEntry]) -> None:
    """Keep the owners of these entries from changing what their profile is computed from."""
    ids = {entry.subscriber_id for entry in some}
    query = select(subscribers.c.id).where(in_list(connection, subscribers.c.id, ids))
    connection.execute(query.order_by(subscribers.c.id).with_for_update())


def set_matched(connection: Connection, found: Mapping[int, str], now: datetime) -> None:
    """Note which paper (by id) each waiting entry (by id) is, and let the profiles of their owners be computed."""
    for entry_id, paper_id in found.items():
        values = {"state": str(EntryState.MATCHED), "paper_id": paper_id, "abstract": "", "problem": "", "at": now}
        connection.execute(update(entries).where(_waits(entry_id)).values(values))
    owners = select(entries.c.subscriber_id).where(in_list(connection, entries.c.id, found.keys())).distinct()
    for subscriber_id in connection.scalars(owners).all():
        mark_profile_stale(connection, subscriber_id)


def set_missing(connection: Connection, entry_ids: Collection[int], problem: EntryProblem, now: datetime) -> None:
    for entry_id in entry_ids:
        values = {
            "state": str(EntryState.MISSING),
            "paper_id": None,
            "abstract": "",
            "problem": str(problem),
            "at": now,
        }
        connection.execute(update(entries).where(_waits(entry_id)).values(values))


def look_up_by_title(connection: Connection, titles: Mapping[int, str]) -> None:
    """Let these entries (by id) be looked up by this title."""
    for entry_id, title in titles.items():
        values = {"paper_id": None, "title": title, "tried_at": None}
        connection.execute(update(entries).where(_waits(entry_id)).values(values))


def _waits(entry_id: int) -> Any:
    return and_(entries.c.id == entry_id, entries.c.state == EntryState.WAITING)


# --- the papers behind them ---


def stored_among(connection: Connection, paper_ids: Collection[str]) -> set[str]:
    """Return which of these papers are stored, in the archive or for libraries."""
    stored: set[str] = set()
    for rows in (papers, library_papers):
        stored |= set(connection.scalars(select(rows.c.id).where(in_list(connection, rows.c.id, paper_ids))))
    return stored


def keep_library_papers(connection: Connection, kept: Sequence[Paper]) -> None:
    rows = [
        {"id": paper.id, "title": paper.title, "abstract": paper.abstract, "categories": list(paper.categories)}
        for paper in kept
    ]
    if rows:
        connection.execute(insert_new(connection, library_papers), rows)


def library_papers_with(connection: Connection, paper_ids: Collection[str]) -> dict[str, Paper]:
    """Return stored papers by id: those of the archive, and those that are stored for libraries alone."""
    query = select(library_papers).where(in_list(connection, library_papers.c.id, paper_ids))
    own = {
        row.id: Paper(row.id, row.title, row.abstract, categories=tuple(row.categories))
        for row in connection.execute(query)
    }
    return own | papers_with(connection, paper_ids)


def delete_unused_papers(connection: Connection) -> None:
    """Delete the papers that no library has any more, and their positions in spaces."""
    used = select(entries.c.paper_id).where(entries.c.paper_id == library_papers.c.id).exists()
    unused = list(connection.scalars(select(library_papers.c.id).where(~used)))
    if not unused:
        return
    connection.execute(delete(library_papers).where(in_list(connection, library_papers.c.id, unused)))
    listed = select(papers.c.id).where(papers.c.id == paper_vectors.c.paper_id).exists()
    connection.execute(delete(paper_vectors).where(in_list(connection, paper_vectors.c.paper_id, unused), ~listed))


# --- libraries at Zotero ---


class ZoteroState(StrEnum):
    """Stored."""

    WAITING = "waiting"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ZoteroLibrary:
    """A library at Zotero, and how far it was read."""

    subscriber_id: int
    user_id: str
    next_item: int
    state: ZoteroState
    at: datetime


def ask_zotero(connection: Connection, subscriber_id: int, user_id: str, now: datetime) -> None:
    """Let a library be read from its start; of each subscriber one at a time."""
    connection.execute(delete(zotero_libraries).where(zotero_libraries.c.subscriber_id == subscriber_id))
    row = ZoteroLibrary(subscriber_id, user_id, 0, ZoteroState.WAITING, now)
    insert_rows(connection, zotero_libraries, [_zotero_row(row)])


def _zotero_row(library: ZoteroLibrary) -> dict[str, Any]:
    names = ZoteroLibrary.__dataclass_fields__
    return {name: getattr(library, name) for name in names} | {"state": str(library.state)}


def zotero_of(connection: Connection, subscriber_id: int) -> ZoteroLibrary | None:
    row = connection.execute(
        select(zotero_libraries).where(zotero_libraries.c.subscriber_id == subscriber_id)
    ).one_or_none()
    return ZoteroLibrary(**row._asdict() | {"state": ZoteroState(row.state)}) if row else None


def zotero_waiting(connection: Connection, limit: int) -> list[ZoteroLibrary]:
    query = select(zotero_libraries).where(zotero_libraries.c.state == ZoteroState.WAITING)
    rows = connection.execute(query.order_by(zotero_libraries.c.next_item, zotero_libraries.c.at).limit(limit))
    return [ZoteroLibrary(**row._asdict() | {"state": ZoteroState(row.state)}) for row in rows]


def move_zotero(
    connection: Connection, library: ZoteroLibrary, next_item: int, state: ZoteroState, now: datetime
) -> bool:
    """Note how far a library was read; False when someone else did, or it is no longer wanted."""
    same = and_(
        zotero_libraries.c.subscriber_id == library.subscriber_id,
        zotero_libraries.c.user_id == library.user_id,
        zotero_libraries.c.next_item == library.next_item,
        zotero_libraries.c.state == ZoteroState.WAITING,
    )
    change = update(zotero_libraries).where(same).values(next_item=next_item, state=str(state), at=now)
    return connection.execute(change).rowcount == 1


def stored_library(connection: Connection, subscriber_id: int) -> dict[str, Any]:
    """Return everything stored of one subscriber's library, for their export."""
    zotero = zotero_of(connection, subscriber_id)
    theirs = [asdict(entry) for entry in entries_of(connection, subscriber_id)]
    return {"entries": theirs, "zotero": asdict(zotero) if zotero else None}
