"""The final sums of issues, so that nobody counts millions of old deliveries again.

An issue has totals only while each of its deliveries is in a final state. A transition that makes one of them wait
again, or adds one, calls forget_totals(). Both sides lock the issue's row, so that neither overlooks the other.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, func, insert, select

from digest.database.tables import deliveries, issue_totals, issues
from digest.ledger.deliveries import HELD, is_waiting
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind, State


@dataclass(frozen=True, slots=True)
class Total:
    """The deliveries of an issue with one final state and reason."""

    state: State
    reason: str
    deliveries: int
    last_at: datetime | None  # when the last of them got this state


def totals_of(connection: Connection, issue_id: int) -> list[Total]:
    """The totals of an issue; empty unless it is finished and has been counted."""
    columns = (issue_totals.c.state, issue_totals.c.reason, issue_totals.c.deliveries, issue_totals.c.last_at)
    rows = connection.execute(select(*columns).where(issue_totals.c.issue_id == issue_id))
    return [Total(State(state), reason, count, last_at) for state, reason, count, last_at in rows]


def issues_without_totals(connection: Connection) -> list[int]:
    """Those that are not finished, or not counted yet."""
    has_totals = exists().where(issue_totals.c.issue_id == issues.c.id)
    return list(connection.scalars(select(issues.c.id).where(~has_totals).order_by(issues.c.id)))


def store_totals(connection: Connection, issue_id: int) -> bool:
    """Count an issue for good if it is finished. Returns False if it is not."""
    _lock(connection, [issue_id])
    mine = deliveries.c.issue_id == issue_id
    is_unfinished = select(deliveries.c.id).where(mine, is_waiting() | deliveries.c.state.in_(HELD)).limit(1)
    if connection.execute(is_unfinished).first() is not None:
        return False
    columns = (deliveries.c.issue_id, deliveries.c.state, deliveries.c.reason)
    sums = select(*columns, func.count(), func.max(deliveries.c.finished_at)).where(mine).group_by(*columns)
    connection.execute(delete(issue_totals).where(issue_totals.c.issue_id == issue_id))
    connection.execute(insert(issue_totals).from_select([column.name for column in issue_totals.columns], sums))
    return True


def forget_totals(connection: Connection, issue_ids: Collection[int]) -> None:
    """To be called when deliveries of these issues are added, or no longer final."""
    _lock(connection, issue_ids)
    connection.execute(delete(issue_totals).where(issue_totals.c.issue_id.in_(issue_ids)))


def message_counts(connection: Connection) -> dict[tuple[Kind, State], int]:
    """The deliveries of all time by kind and state. Counts only those of unfinished issues and of no issue.

    Needs one view of the database for its three statements: on PostgreSQL at least REPEATABLE READ.
    """
    counts: dict[tuple[Kind, State], int] = {}
    finished = (
        select(issues.c.kind, issue_totals.c.state, func.sum(issue_totals.c.deliveries))
        .join_from(issue_totals, issues)
        .group_by(issues.c.kind, issue_totals.c.state)
    )
    for issue_kind, state, count in connection.execute(finished):
        counts[OF_ISSUE[IssueKind(issue_kind)], State(state)] = count
    # A list of ids rather than a subquery: PostgreSQL would read all deliveries for that.
    open_ids = issues_without_totals(connection)
    for which in (deliveries.c.issue_id.in_(open_ids), deliveries.c.issue_id.is_(None)):
        columns = (deliveries.c.kind, deliveries.c.state)
        for kind, state, count in connection.execute(select(*columns, func.count()).where(which).group_by(*columns)):
            key = Kind(kind), State(state)
            counts[key] = counts.get(key, 0) + count
    return counts


def sending_times(connection: Connection) -> dict[IssueKind, timedelta]:
    """From its cut to its last final reply, of the newest issue of each kind that is finished."""
    last = func.max(issue_totals.c.last_at).label("last")
    query = select(issues.c.kind, issues.c.cut_at, last).join_from(issue_totals, issues).group_by(issues.c.id)
    times: dict[IssueKind, timedelta] = {}
    for kind, cut_at, last_at in connection.execute(query.having(last.is_not(None)).order_by(issues.c.date.desc())):
        times.setdefault(IssueKind(kind), last_at - cut_at)
    return times


def _lock(connection: Connection, issue_ids: Collection[int]) -> None:
    connection.execute(select(issues.c.id).where(issues.c.id.in_(issue_ids)).order_by(issues.c.id).with_for_update())
