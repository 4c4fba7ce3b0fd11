"""Confirming a subscription, which queues the newest issue in the same transaction."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from digest.database.engine import transaction
from digest.issues.store import newest_issue_id
from digest.ledger import events
from digest.ledger.kinds import IssueKind, Kind, Status, SuppressionReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.subscribers import store
from digest.subscribers.subscriber import Frequency, Preferences, Subscriber, event_subject
from digest.subscribers.suppressions import lift

NEWEST_ISSUE_WITHIN = timedelta(hours=48)
NEWEST_WEEKLY_WITHIN = timedelta(days=7)


def confirm(
    engine: Engine, subscriber_id: int, confirmed_from: str, now: datetime, preferences: Preferences | None = None
) -> Subscriber | None:
    """Confirm a pending subscriber or an open request, and queue the newest issue; a second call changes nothing.

    None for a subscriber who has unsubscribed or was deleted: an old link does not subscribe them again.
    """
    with transaction(engine) as connection:
        confirmed = store.set_confirmed(connection, subscriber_id, confirmed_from, now)
        if confirmed and preferences is not None:
            store.set_preferences(connection, subscriber_id, preferences)
        subscriber = store.by_id(connection, subscriber_id)
        if confirmed and subscriber:
            lift(connection, subscriber.key, SuppressionReason.REFUSED)  # the address has just received our message
            _queue_newest_issue(connection, subscriber, now)
    return subscriber if subscriber and subscriber.status is Status.CONFIRMED else None


def _queue_newest_issue(connection: Connection, subscriber: Subscriber, now: datetime) -> None:
    newest, kind = newest_issue_id(connection, now, NEWEST_ISSUE_WITHIN), Kind.DIGEST
    if subscriber.preferences.frequency is Frequency.WEEKLY:
        weekly = newest_issue_id(connection, now, NEWEST_WEEKLY_WITHIN, IssueKind.WEEKLY)
        newest, kind = (weekly, Kind.WEEKLY) if weekly else (newest, kind)
    if newest is not None:
        issue_id, day = newest
        queue_delivery(connection, NewDelivery(kind, day, subscriber.key, subscriber.id, now, issue_id), now)
    detail = {"first issue": newest[1].isoformat() if newest else ""}
    events.record(connection, now, event_subject(subscriber.key), "confirmed", detail)
