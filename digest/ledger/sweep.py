"""Looking after the ledger: what is due, what is overdue, and what the operator wants tried again."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, case, func, literal, or_, select, update

from digest.database.tables import deliveries, issues
from digest.ledger.deliveries import is_due, is_waiting
from digest.ledger.kinds import LISTED, IssueStatus, Kind, SkipReason, State
from digest.ledger.recovery import is_held_back

_OF_ISSUES = sorted(LISTED)
BY_HAND = "sent once more by hand"  # the reason of a mail that is tried again however late it is


def due_count(connection: Connection, now: datetime, at_most: int) -> int:
    """How many mails could be claimed now; counting stops at `at_most`."""
    due = select(deliveries.c.id).where(is_due(now)).limit(at_most)
    return connection.execute(select(func.count()).select_from(due.subquery())).scalar_one()


def expire(connection: Connection, now: datetime, overdue: timedelta, max_attempts: int) -> int:
    """End what waits in vain: due longer ago than `overdue`, or deferred `max_attempts` times. Returns how many.

    What may have arrived stays uncertain, and is tried no more.
    """
    too_late = and_(deliveries.c.kind.in_(_OF_ISSUES), deliveries.c.due_at < now - overdue)
    # Who asked for a link yesterday has asked again or gone by now.
    too_late_to_help = and_(deliveries.c.kind.not_in(_OF_ISSUES), deliveries.c.due_at < now - timedelta(days=1))
    in_vain = or_(too_late, too_late_to_help, deliveries.c.attempts >= max_attempts)
    ended = case((deliveries.c.state == State.UNCERTAIN, literal(str(State.UNCERTAIN))), else_=str(State.EXPIRED))
    change = update(deliveries).where(is_waiting(), in_vain, deliveries.c.reason != BY_HAND)
    return connection.execute(change.values(state=ended, reason="overdue", finished_at=now)).rowcount


def skip_cancelled(connection: Connection, now: datetime) -> int:
    """Queued mails of cancelled issues end as skipped. Returns how many."""
    cancelled = select(issues.c.id).where(issues.c.status == IssueStatus.CANCELLED)
    change = (
        update(deliveries)
        .where(deliveries.c.state == State.QUEUED, deliveries.c.issue_id.in_(cancelled))
        .values(state=State.SKIPPED, reason=str(SkipReason.CANCELLED), finished_at=now)
    )
    return connection.execute(change).rowcount


def retry(connection: Connection, now: datetime, issue_id: int | None = None) -> int:
    """Quarantined mails are queued again, all or those of one issue. Returns how many.

    They are composed anew: of one that was held because a first copy may have arrived, the reader may get two.
    """
    afresh = {
        "reason": "",
        "crashes": 0,
        "attempts": 0,
        "sha256": "",
        "in_doubt": False,
        "next_attempt_at": now,
        "due_at": now,
        "finished_at": None,
    }
    change = update(deliveries).where(deliveries.c.state == State.QUARANTINED).values(state=State.QUEUED, **afresh)
    if issue_id is not None:
        change = change.where(deliveries.c.issue_id == issue_id)
    return connection.execute(change).rowcount


def retry_uncertain(connection: Connection, now: datetime, issue_id: int | None = None) -> int:
    """What is in doubt and was held back, or given up, goes once more as the same bytes. Returns how many.

    Who had it arrive gets it twice; a mail server that knows the Message-ID may notice (Exchange does, within an hour).
    """
    again = {"reason": BY_HAND, "attempts": 0, "next_attempt_at": now, "finished_at": None}
    change = update(deliveries).where(is_held_back()).values(again)
    if issue_id is not None:
        change = change.where(deliveries.c.issue_id == issue_id)
    return connection.execute(change).rowcount


def count_uncertain(connection: Connection, issue_id: int | None = None) -> int:
    """How many mails are in doubt and wait for the operator, in all or of one issue."""
    query = select(func.count()).where(is_held_back())
    return connection.execute(
        query if issue_id is None else query.where(deliveries.c.issue_id == issue_id)
    ).scalar_one()


def count_quarantined(connection: Connection, issue_id: int | None = None) -> int:
    """How many mails are set apart, in all or of one issue."""
    query = select(func.count()).where(deliveries.c.state == State.QUARANTINED)
    return connection.execute(
        query if issue_id is None else query.where(deliveries.c.issue_id == issue_id)
    ).scalar_one()


def count_accepted(connection: Connection, kind: Kind) -> int:
    """How many mails of `kind` the mail server took, ever."""
    query = select(func.count()).where(deliveries.c.kind == kind, deliveries.c.state == State.ACCEPTED)
    return connection.execute(query).scalar_one()
