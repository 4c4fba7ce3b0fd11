"""The final sums of issues, so that nobody counts millions of old deliveries again.

An issue has totals only while each of its deliveries is in a final state. A transition that makes one of them wait
again, or adds one, calls forget_totals(). Both sides lock the issue's row, so that neither overlooks the other.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, exists, func, insert, or_, select, update

from digest.database.dialect import use_indexes
from digest.database.tables import deliveries, issue_totals, issues
from digest.ledger.deliveries import HELD, is_waiting
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind, State
from digest.ledger.outbox import EventType, NewEvent, publish

WAITING = (State.QUEUED, State.UNCERTAIN)
ENDED = (State.REFUSED, State.EXPIRED, State.SKIPPED, State.QUARANTINED)  # without a message


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


def is_unfinished(connection: Connection, issue_id: int) -> bool:
    """True if a delivery of the issue may still change. Finds the first by an index, without counting."""
    use_indexes(connection)
    mine = and_(deliveries.c.issue_id == issue_id, deliveries.c.issue_id.is_not(None))  # as the index says
    conditions = (is_waiting(), deliveries.c.state.in_(HELD))  # each has an index
    queries = (select(deliveries.c.id).where(mine, condition).limit(1) for condition in conditions)
    return any(connection.execute(query).first() for query in queries)


def store_totals(connection: Connection, issue_id: int) -> bool:
    """Count an issue for good if it is finished. Returns False if it is not. Reads all of its deliveries."""
    _lock(connection, [issue_id])
    connection.execute(delete(issue_totals).where(issue_totals.c.issue_id == issue_id))
    may_change = or_(is_waiting(), deliveries.c.state.in_(HELD))
    columns = (deliveries.c.state, deliveries.c.reason)
    sums = select(*columns, func.count(), func.max(deliveries.c.finished_at), func.count().filter(may_change))
    rows = connection.execute(sums.where(deliveries.c.issue_id == issue_id).group_by(*columns)).all()
    if any(row[-1] for row in rows):
        return False
    names = [column.name for column in issue_totals.columns]
    if rows:
        connection.execute(insert(issue_totals), [dict(zip(names, (issue_id, *row[:-1]), strict=True)) for row in rows])
    return True


def unfinished_issues(connection: Connection) -> list[int]:
    """Those of which something has waited ever since the cut, as far as anybody noticed."""
    return list(connection.scalars(select(issues.c.id).where(issues.c.finished_at.is_(None)).order_by(issues.c.id)))


def finish(connection: Connection, issue_id: int, now: datetime) -> bool:
    """Store the totals of an issue and publish that it is finished, once. Returns False if it is not, or was before."""
    if not store_totals(connection, issue_id):
        return False
    first = update(issues).where(issues.c.id == issue_id, issues.c.finished_at.is_(None)).values(finished_at=now)
    issue = connection.execute(first.returning(issues.c.date, issues.c.kind, issues.c.status)).one_or_none()
    if issue is None:
        return False
    counts: Counter[str] = Counter()
    for total in totals_of(connection, issue_id):
        counts[total.state] += total.deliveries
    about = {"date": issue.date.isoformat(), "kind": issue.kind, "status": issue.status}
    publish(connection, EventType.ISSUE_FINISHED, now, [NewEvent({"issue": about, "messages": dict(counts)})])
    return True


def forget_totals(connection: Connection, issue_ids: Collection[int]) -> None:
    """To be called when deliveries of these issues are added, or no longer final."""
    _lock(connection, issue_ids)
    connection.execute(delete(issue_totals).where(issue_totals.c.issue_id.in_(issue_ids)))


def message_counts(connection: Connection, others: Collection[int] = ()) -> Counter[tuple[Kind, State]]:
    """The deliveries of all time by kind and state, except those of the issues `others`.

    Counts only what is not accepted of unfinished issues, and what belongs to no issue. Needs one view of the database
    for its statements: on PostgreSQL at least REPEATABLE READ.
    """
    counts: Counter[tuple[Kind, State]] = Counter()
    finished = select(issues.c.kind, issue_totals.c.state, func.sum(issue_totals.c.deliveries))
    finished = finished.join_from(issue_totals, issues).where(issues.c.id.not_in(others))
    for issue_kind, state, count in connection.execute(finished.group_by(issues.c.kind, issue_totals.c.state)):
        counts[OF_ISSUE[IssueKind(issue_kind)], State(state)] += count
    if uncounted := set(issues_without_totals(connection)) - set(others):
        counts += _unfinished_counts(connection, uncounted)
    columns = (deliveries.c.kind, deliveries.c.state)
    requested = select(*columns, func.count()).where(deliveries.c.issue_id.is_(None)).group_by(*columns)
    for kind, state, count in connection.execute(requested):
        counts[Kind(kind), State(state)] += count
    return +counts


def _unfinished_counts(connection: Connection, issue_ids: Collection[int]) -> Counter[tuple[Kind, State]]:
    """Count deliveries that are not accepted by their indexes; all other candidates are accepted."""
    counts: Counter[tuple[Kind, State]] = Counter()
    candidates = select(issues.c.id, issues.c.kind, issues.c.candidates).where(issues.c.id.in_(issue_ids))
    kinds = {}
    for issue_id, issue_kind, count in connection.execute(candidates):
        kinds[issue_id] = OF_ISSUE[IssueKind(issue_kind)]
        counts[kinds[issue_id], State.ACCEPTED] += count
    use_indexes(connection)
    columns = (deliveries.c.issue_id, deliveries.c.state)
    mine = deliveries.c.issue_id.in_(issue_ids)
    for states in (WAITING, HELD, ENDED):  # each has an index
        query = select(*columns, func.count()).where(deliveries.c.state.in_(states), mine).group_by(*columns)
        for issue_id, state, count in connection.execute(query.where(deliveries.c.issue_id.is_not(None))):
            counts[kinds[issue_id], State(state)] += count
            counts[kinds[issue_id], State.ACCEPTED] -= count
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
