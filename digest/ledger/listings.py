"""The deliveries of a listing, newest first, each group of them found by an index rather than among millions."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, text

from digest.database.dialect import spelled_out, use_indexes
from digest.database.tables import deliveries, issues
from digest.database.tables.ledger import AGAIN, UNSENT
from digest.ledger.deliveries import awaits_operator, is_waiting, is_with_worker
from digest.ledger.kinds import Kind, Listing, State

STUCK_AFTER = timedelta(hours=1)  # overdue
_FEW = 5_000  # deliveries that are sorted; of more, the newest are found sooner among all
_ENDED = (Listing.REFUSED, Listing.EXPIRED, Listing.SKIPPED, Listing.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Search:
    """Deliveries to look for, in one issue or in all, the newest first."""

    listed: Listing
    issue_id: int | None = None  # None: of every issue, and those without one
    since: date | None = None
    limit: int = 1000
    offset: int = 0
    before: int | None = None  # only deliveries with a smaller number


def listed_ids(connection: Connection, wanted: Search, now: datetime) -> list[int]:
    """The numbers of the deliveries that match."""
    use_indexes(connection)
    end, number, found = wanted.limit + wanted.offset, deliveries.c.id, set[int]()
    for which, is_ordered in _groups(connection, wanted, now):
        # Without "+ 0", PostgreSQL would read all newer deliveries rather than the index of these few.
        order: ColumnElement[int] = number if is_ordered else number + 0
        query = select(number).where(which, *_limits(wanted)).order_by(order.desc()).limit(end)
        found.update(connection.scalars(query))
    return sorted(found, reverse=True)[wanted.offset : end]


def _groups(connection: Connection, wanted: Search, now: datetime) -> list[tuple[ColumnElement[bool], bool]]:
    """Conditions, each as the condition of an index says, and whether that index has them in order."""
    listed, state = wanted.listed, deliveries.c.state
    again: Any = text(AGAIN)
    held = is_with_worker()
    requested = and_(spelled_out(state, [State.QUEUED, State.UNCERTAIN]), deliveries.c.issue_id.is_(None))
    of_issues = and_(is_waiting(), deliveries.c.issue_id.is_not(None))
    ended: Any = text(UNSENT)
    if listed in _ENDED:
        return [(and_(ended, state == State(listed.value)), True)]
    if listed in (Listing.CLAIMED, Listing.SENDING):
        return [(and_(held, state == State(listed.value)), False)]
    if listed in (Listing.DEFERRED, Listing.UNCERTAIN):
        which = state == State.UNCERTAIN
        if listed is Listing.DEFERRED:
            which = and_(state == State.QUEUED, deliveries.c.attempts > 0)
        return [(and_(again, which), False), (and_(requested, which), False)]
    if listed is Listing.QUEUED:
        which = and_(state == State.QUEUED, deliveries.c.attempts == 0)
        return [_many(connection, and_(of_issues, which), wanted), (and_(requested, which), False)]
    is_overdue = deliveries.c.next_attempt_at < now - STUCK_AFTER
    return [
        (and_(ended, state == State.QUARANTINED), True),
        (and_(again, awaits_operator()), False),
        (and_(requested, or_(awaits_operator(), and_(is_waiting(), is_overdue))), False),
        (and_(held, is_overdue), False),
        _many(connection, and_(of_issues, is_overdue), wanted),
    ]


def _many(connection: Connection, which: ColumnElement[bool], wanted: Search) -> tuple[ColumnElement[bool], bool]:
    """A condition of which all deliveries of an issue may be: few of them are sorted."""
    some = select(deliveries.c.id).where(which, *_limits(wanted)).limit(_FEW + 1).subquery()
    count = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return which, count > _FEW


def _limits(wanted: Search) -> list[Any]:
    limits: list[Any] = []
    if wanted.issue_id is not None:
        limits.append(deliveries.c.issue_id == wanted.issue_id)
    if wanted.before is not None:
        limits.append(deliveries.c.id < wanted.before)
    if wanted.since is not None:
        # By the issue as well, which has an index.
        recent = select(issues.c.id).where(issues.c.date >= wanted.since)
        limits.append(deliveries.c.occasion >= wanted.since.isoformat())
        limits.append(or_(deliveries.c.issue_id.is_(None), deliveries.c.issue_id.in_(recent)))
    return limits


# --- counted ---


def count_uncertain(connection: Connection, issue_id: int | None = None) -> int:
    """Count the deliveries that wait for the operator, of all issues or of one."""
    return _count(connection, awaits_operator(), issue_id)


def count_quarantined(connection: Connection, issue_id: int | None = None) -> int:
    return _count(connection, deliveries.c.state == State.QUARANTINED, issue_id)


def count_accepted(connection: Connection, kind: Kind) -> int:
    return _count(connection, and_(deliveries.c.kind == kind, deliveries.c.state == State.ACCEPTED))


def _count(connection: Connection, which: ColumnElement[bool], issue_id: int | None = None) -> int:
    query = select(func.count()).where(which)
    return connection.execute(
        query if issue_id is None else query.where(deliveries.c.issue_id == issue_id)
    ).scalar_one()
