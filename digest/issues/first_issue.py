"""Confirming a subscription, which queues the newest issue in the same transaction, and the papers in that issue."""

from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.issues.reasons import rank_of
from digest.issues.selection import CachedIssue, Pool, histories, papers_for
from digest.issues.store import issue_by_id, newest_issue_id
from digest.language import Languages, Message
from digest.ledger import events
from digest.ledger.deliveries import find
from digest.ledger.kinds import IssueKind, Kind, SkipReason, Status, SuppressionReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.papers.paper import RankedPaper
from digest.subscribers import store
from digest.subscribers.address_change.store import was_sent_before_change
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
    newest, kind = _newest(connection, subscriber, now)
    if newest is not None and was_sent_before_change(connection, subscriber.key, kind, newest[1]):
        newest = None
    if newest is not None:
        issue_id, day = newest
        queue_delivery(connection, NewDelivery(kind, day, subscriber.key, subscriber.id, now, issue_id), now)
    detail = {"first issue": newest[1].isoformat() if newest else ""}
    events.record(connection, now, event_subject(subscriber.key), "confirmed", detail)


def _newest(connection: Connection, subscriber: Subscriber, now: datetime) -> tuple[tuple[int, date] | None, Kind]:
    """The newest issue that they would get, and the kind of its delivery."""
    if subscriber.preferences.frequency is Frequency.WEEKLY:
        weekly = newest_issue_id(connection, now, NEWEST_WEEKLY_WITHIN, IssueKind.WEEKLY)
        if weekly:
            return weekly, Kind.WEEKLY
    return newest_issue_id(connection, now, NEWEST_ISSUE_WITHIN), Kind.DIGEST


def first_papers(
    engine: Engine, subscriber: Subscriber, now: datetime, languages: Languages
) -> list[tuple[RankedPaper, str, Message]]:
    """The papers of their first issue as their preferences are now, each with its own reason and its rank.

    They are those of the message unless preferences have changed since; none if no such issue was queued for them.
    """
    with read_only(engine) as connection:
        newest, kind = _newest(connection, subscriber, now)
        delivery = find(connection, kind, newest[1], subscriber.key) if newest else None
        if delivery is None or delivery.issue_id is None:
            return []
        issue = issue_by_id(connection, delivery.issue_id, whole=True)
        cached = CachedIssue(issue, Pool(issue, languages=languages))
        history = histories(connection, "", [delivery], lambda _id: cached)[delivery.id]
        selection = papers_for(cached, subscriber.preferences, history)
    if isinstance(selection, SkipReason):
        return []
    ranked = {each.paper.id: each for each in issue.pool}
    return [(ranked[pick.paper_id], pick.why, rank_of(ranked[pick.paper_id], issue.kind)) for pick in selection.picks]
