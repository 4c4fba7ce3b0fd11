"""SQL for the entries of libraries that wait to be looked up: the table is the queue."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, and_, case, func, select, update

from digest.database.dialect import in_list
from digest.database.tables import library_entries as entries
from digest.database.tables import library_papers, papers
from digest.subscribers.library.pauses import Service
from digest.subscribers.library.store import COLUMNS, EntryState, StoredEntry, ZoteroState, entry_from, zotero_of


class Queue(StrEnum):
    """The next step of looking an entry up."""

    NUMBER = "number"  # or an address that a source may have listed
    DOI = "doi"
    TITLE = "title"


_IN_QUEUE = {
    Queue.NUMBER: and_(entries.c.paper_id.is_not(None), entries.c.doi == ""),
    Queue.DOI: and_(entries.c.paper_id.is_not(None), entries.c.doi != ""),
    Queue.TITLE: entries.c.paper_id.is_(None),
}


def waiting(connection: Connection, queue: Queue, limit: int) -> list[StoredEntry]:
    """Return entries to look up together, one of each library in turn.

    Those that a service did not answer for come last, one by one: it may be an entry that it cannot answer.
    """
    turn = func.row_number().over(partition_by=entries.c.subscriber_id, order_by=entries.c.id).label("turn")
    was_tried = entries.c.tried_at.is_not(None).label("was_tried")
    query = select(*COLUMNS, turn, was_tried).where(entries.c.state == EntryState.WAITING, _IN_QUEUE[queue]).subquery()
    order = (query.c.was_tried, query.c.tried_at, query.c.turn, query.c.id)
    chosen = select(*(query.c[column.name] for column in COLUMNS)).order_by(*order).limit(limit)
    found = [entry_from(row) for row in connection.execute(chosen)]
    return [entry for entry in found if entry.tried_at is None] or found[:1]


def services_waited_for(connection: Connection, subscriber_id: int) -> set[Service]:
    """Return the services that entries of this subscriber wait for."""
    theirs = (entries.c.subscriber_id == subscriber_id, entries.c.state == EntryState.WAITING)
    service = case((_IN_QUEUE[Queue.DOI], str(Service.CROSSREF)), else_=str(Service.ARXIV))
    services = {Service(name) for name in connection.scalars(select(service).where(*theirs).distinct())}
    zotero = zotero_of(connection, subscriber_id)
    return services | ({Service.ZOTERO} if zotero and zotero.state is ZoteroState.WAITING else set())


def waiting_since(connection: Connection, queue: Queue, before: datetime, limit: int) -> list[StoredEntry]:
    """Return entries that have waited since before then."""
    late = (entries.c.state == EntryState.WAITING, entries.c.at < before, _IN_QUEUE[queue])
    query = select(*COLUMNS).where(*late).order_by(entries.c.id).limit(limit)
    return [entry_from(row) for row in connection.execute(query)]


def waiting_but_stored(connection: Connection, limit: int) -> list[StoredEntry]:
    """Return waiting entries whose paper is stored, in the archive or for libraries."""
    known = entries.c.paper_id.in_(select(papers.c.id)) | entries.c.paper_id.in_(select(library_papers.c.id))
    query = select(*COLUMNS).where(entries.c.state == EntryState.WAITING, known).order_by(entries.c.id).limit(limit)
    return [entry_from(row) for row in connection.execute(query)]


def set_tried(connection: Connection, entry_ids: Collection[int], now: datetime) -> None:
    """Note that a service did not answer a request for these entries."""
    these = in_list(connection, entries.c.id, entry_ids)
    connection.execute(update(entries).where(these, entries.c.state == EntryState.WAITING).values(tried_at=now))
