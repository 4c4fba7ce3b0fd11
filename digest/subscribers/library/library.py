"""A subscriber's actions on their library, each in one transaction, and the library as its page shows it."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete

from digest.database.engine import read_only
from digest.database.tables import library_entries, zotero_libraries
from digest.language import UserError, _
from digest.ledger import events
from digest.papers.paper import Paper
from digest.papers.topics import Topic, topics_of
from digest.subscribers import store as subscriber_store
from digest.subscribers.library import store
from digest.subscribers.library.pauses import silent_services
from digest.subscribers.library.queue import services_waited_for
from digest.subscribers.library.reading import MAX_ENTRIES, read_library
from digest.subscribers.library.store import EntryState, StoredEntry, ZoteroLibrary
from digest.subscribers.paper_feedback import delete_profile, mark_profile_stale
from digest.subscribers.subscriber import Subscriber, event_subject

PER_PAGE = 100
REMOVED = "removed from library"
_ZOTERO_USER = re.compile(r"(?:https?://)?(?:www\.)?(?:api\.)?(?:zotero\.org)?/?(?:users/|groups/)?(\d{1,12})\b.*")


class LibraryRejected(UserError):
    """The library cannot take these papers; nothing was stored."""


@dataclass(frozen=True, slots=True)
class LibraryView:
    """A library as its page shows it."""

    counts: dict[EntryState, int]
    zotero: ZoteroLibrary | None
    entries: tuple[StoredEntry, ...]  # one page of them; those without a paper first
    papers: dict[str, Paper]  # behind these entries, by id
    page: int
    pages: int
    silent: bool = False  # a service that they wait for does not answer

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """Number of entries that have been looked up."""
        return self.total - self.counts[EntryState.WAITING]

    @property
    def is_waiting(self) -> bool:
        reading = self.zotero is not None and self.zotero.state is store.ZoteroState.WAITING
        return reading or self.counts[EntryState.WAITING] > 0


def add(engine: Engine, subscriber_id: int, content: bytes, now: datetime) -> int:
    """Add the entries of a file or of pasted text, and return how many are new. Raises UserError."""
    added = read_library(content)
    with subscriber_store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None:
            return 0
        count = store.add_entries(connection, subscriber_id, added, now)
        # After the insert, so that what is there already does not count twice; raising undoes it.
        if sum(store.counts(connection, subscriber_id).values()) > MAX_ENTRIES:
            raise LibraryRejected(
                _("Your library would have more than %(most)s entries, so nothing was added.", most=MAX_ENTRIES)
            )
        if count:
            _record(connection, subscriber, "added to library", count, now)
    return count


def add_zotero(engine: Engine, subscriber_id: int, typed: str, now: datetime) -> None:
    """Let a public library at Zotero be read. Raises LibraryRejected."""
    user = _ZOTERO_USER.fullmatch(typed.strip()[:200])
    if user is None:
        raise LibraryRejected(_("Enter the number that Zotero shows as your user ID, such as 475425."))
    with subscriber_store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is not None:
            store.ask_zotero(connection, subscriber_id, user[1], now)


def remove(engine: Engine, subscriber_id: int, entry_id: int, now: datetime) -> bool:
    """Remove one entry and what was learned from it; False when it was not there."""
    return _remove(engine, subscriber_id, entry_id, now) > 0


def remove_all(engine: Engine, subscriber_id: int, now: datetime) -> int:
    """Remove a library and what was learned from it, and return how many entries it had."""
    return _remove(engine, subscriber_id, None, now)


def _remove(engine: Engine, subscriber_id: int, entry_id: int | None, now: datetime) -> int:
    with subscriber_store.editing(engine, subscriber_id) as (connection, subscriber):
        theirs = delete(library_entries).where(library_entries.c.subscriber_id == subscriber_id)
        if entry_id is not None:
            theirs = theirs.where(library_entries.c.id == entry_id)
        else:
            connection.execute(delete(zotero_libraries).where(zotero_libraries.c.subscriber_id == subscriber_id))
        removed = connection.execute(theirs).rowcount
        if removed and subscriber is not None:
            delete_profile(connection, subscriber_id)
            mark_profile_stale(connection, subscriber_id)
            store.delete_unused_papers(connection)
            _record(connection, subscriber, REMOVED, removed, now)
    return removed


def _record(connection: Connection, subscriber: Subscriber, what: str, count: int, now: datetime) -> None:
    # The count alone: no log names what somebody reads.
    events.record(connection, now, event_subject(subscriber.key), what, {"count": count})


def view(engine: Engine, subscriber_id: int, page: int, now: datetime) -> LibraryView:
    """Return a library with one page of its entries, the last if there are fewer."""
    with read_only(engine) as connection:
        counts = store.counts(connection, subscriber_id)
        pages = max(1, -(-sum(counts.values()) // PER_PAGE))
        page = min(page, pages)
        entries = store.entries_of(connection, subscriber_id, (PER_PAGE * (page - 1), PER_PAGE))
        ids = {entry.paper_id for entry in entries if entry.paper_id and entry.state is EntryState.MATCHED}
        papers = store.library_papers_with(connection, ids)
        zotero = store.zotero_of(connection, subscriber_id)
        silent = services_waited_for(connection, subscriber_id) & silent_services(connection, now)
    return LibraryView(counts, zotero, tuple(entries), papers, page, pages, bool(silent))


def library_topics(connection: Connection, subscriber_id: int) -> list[tuple[Topic, int]]:
    """Return the topics of the papers in a library with their number, most first."""
    matched = store.matched_papers(connection, subscriber_id)
    papers = store.library_papers_with(connection, matched).values()
    return Counter(topic for paper in papers for topic in topics_of(paper)).most_common()
