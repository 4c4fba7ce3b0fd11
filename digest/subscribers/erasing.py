"""Deletes subscribers, and what names them elsewhere: in the ledger, and in the files of the database."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, delete, select, update

from digest.database import traces
from digest.database.engine import note, read_only, transaction
from digest.database.tables import address_changes as changes_table
from digest.database.tables import (
    bounces,
    consents,
    deliveries,
    form_requests,
    library_entries,
    library_papers,
    messages,
    opinions,
    profiles,
    saved_papers,
    stale_profiles,
    subscribers,
    suggestions,
    suppressions,
    tastes,
    webhook_events,
    zotero_libraries,
)
from digest.database.tables import events as events_table
from digest.ledger import events
from digest.ledger.kinds import Status
from digest.ledger.outbox import forget_answers
from digest.ledger.replay_log import Entry
from digest.ledger.transitions import erase_names
from digest.papers.community import forget_suggester
from digest.subscribers.address_change import store as address_changes
from digest.subscribers.library.store import delete_unused_papers
from digest.subscribers.store import IMPORT, set_unsubscribed
from digest.subscribers.subscriber import Subscriber, event_subject


def purge_pending(connection: Connection, before: datetime) -> int:
    """Delete those who never confirmed and first asked before `before`, and requests as old; return how many people.

    People who left the list that an import came from stay, so that a later import does not sign them up.
    """
    connection.execute(delete(consents).where(consents.c.confirmed_at.is_(None), consents.c.requested_at < before))
    has_left = (subscribers.c.status == str(Status.UNSUBSCRIBED)) & subscribers.c.form.startswith(IMPORT)
    expired = subscribers.c.confirmed_at.is_(None) & (subscribers.c.requested_at < before) & ~has_left
    erase_names(connection, deliveries.c.subscriber_id.in_(select(subscribers.c.id).where(expired)))
    _erase_reports(connection, bounces.c.recipient.in_(select(subscribers.c.key).where(expired)))
    forget_answers(connection, select(subscribers.c.id).where(expired))
    count = connection.execute(delete(subscribers).where(expired)).rowcount
    delete_unused_papers(connection)
    return count


def erase_subscriber(connection: Connection, subscriber: Subscriber, now: datetime) -> bool:
    """Delete a subscriber with what they suggested and said, and record it. False when already deleted."""
    set_unsubscribed(connection, subscriber.id, now)  # so that other programs are told
    if not erase(connection, subscriber.id, subscriber.key):
        return False
    forget_suggester(connection, subscriber.key)
    events.forget_details(connection, event_subject(subscriber.key))
    events.record(connection, now, event_subject(subscriber.key), "erased", {})
    events.record(connection, now, TRACES, TRACES_LEFT, {})
    return True


def erase(connection: Connection, subscriber_id: int, key: str) -> bool:
    """Delete a subscriber. The ledger keeps its rows under the key, which names nobody."""
    forget_answers(connection, select(subscribers.c.id).where(subscribers.c.id == subscriber_id))
    others = address_changes.keys_of_changes(connection, subscriber_id)  # also of addresses that never became theirs
    for table, erase_rows in ((deliveries, erase_names), (bounces, _erase_reports)):
        by_change = table.c.recipient.in_(others) & (table.c.subscriber_id == subscriber_id)
        erase_rows(connection, (table.c.recipient == key) | by_change)
    address_changes.forget_addresses(connection, subscriber_id)
    connection.execute(update(suppressions).where(suppressions.c.key == key).values(detail=""))
    email = select(subscribers.c.email).where(subscribers.c.id == subscriber_id).scalar_subquery()
    connection.execute(delete(form_requests).where(form_requests.c.email == email))
    if connection.execute(delete(subscribers).where(subscribers.c.id == subscriber_id)).rowcount != 1:
        return False
    delete_unused_papers(connection)
    note(connection, {"what": Entry.DELETED, "key": key})
    return True


def _erase_reports(connection: Connection, which: ColumnElement[bool]) -> None:
    """Keep the failures of messages without the servers' text, which may name the recipient."""
    connection.execute(update(bounces).where(which).values(subscriber_id=None, text="", reporter=""))


# The tables that have rows of a subscriber, or in which deleting one changes rows.
_LIBRARIES = (library_entries, library_papers, saved_papers, zotero_libraries)
_OF_SUBSCRIBERS = (subscribers, consents, form_requests, opinions, profiles, stale_profiles, tastes, suggestions)
_TOUCHED = (
    *_OF_SUBSCRIBERS,
    *_LIBRARIES,
    changes_table,
    bounces,
    deliveries,
    messages,
    events_table,
    suppressions,
    webhook_events,
)
TRACES, TRACES_LEFT = "traces of the deleted", "left"  # subject and name of the event after which they are removed


def remove_traces(engine: Engine, now: datetime, at_once: bool = False) -> None:
    """Remove what deleted subscribers left behind in the files of the database.

    With `at_once`, someone waits: a large database is left to the scheduler.
    """
    with read_only(engine) as connection:
        last = events.latest(connection, 1, TRACES)
    if last and last[0].what == TRACES_LEFT and traces.remove(engine, _TOUCHED, at_once):
        with transaction(engine) as connection:
            events.record(connection, now, TRACES, "removed", {})
