"""The sums of each issue's deliveries, so that nobody counts millions of rows.

Each transition into or out of a final state changes the totals in its own transaction, so they are at any time what
counting would give. Small indexes count the deliveries that a worker holds or tries again; the other candidates of an
issue were never tried. A finished issue is counted once, by its rows, in case a version that kept no totals changed it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    String,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import OperationalError

from digest.database.dialect import insert_into, spelled_out, use_indexes
from digest.database.engine import one_view, read_only, transaction
from digest.database.tables import deliveries, issue_totals, issues
from digest.database.tables.ledger import AGAIN
from digest.ledger.deliveries import is_waiting, is_with_worker
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind, State
from digest.ledger.outbox import EventType, NewEvent, publish

WAITING = (State.QUEUED, State.UNCERTAIN)
ENDED = (State.REFUSED, State.EXPIRED, State.SKIPPED, State.QUARANTINED)  # without a message
FINAL = (State.ACCEPTED, *ENDED)
# In place of a skip's reason: a queued delivery that was tried, and an uncertain one that the operator has to decide.
DEFERRED, UNDECIDED = "deferred", "undecided"

_COUNTED = 0  # the part that store_totals() writes; the others have the numbers of sessions, which are larger
_KEY = ("issue_id", "part", "state", "reason")
_SUMS = ("deliveries", "last_at")

Counts = Counter[tuple[State, str]]  # by state and reason, see DEFERRED


# --- kept by the transitions ---


def summing(dialect: str, change: Update, left: State | None = None, lists: bool = False) -> Any:
    """Make a change of deliveries, for change_summing(), that adds those that are final now to the totals.

    `left`: the final state that all of them leave instead. `lists`: for change_listing().
    """
    state = literal(str(left), String()) if left else deliveries.c.state
    reason = case((state == State.SKIPPED, deliveries.c.reason), else_="")
    columns = (deliveries.c.issue_id, state.label("state"), reason.label("reason"), deliveries.c.finished_at)
    step = literal(-1 if left else 1).label("step")
    changed = change.returning(*columns, step, *((deliveries.c.id, deliveries.c.subscriber_id) if lists else ()))
    if dialect == "sqlite":  # cannot do both in one statement, but no other transaction writes meanwhile
        return changed
    rows = changed.cte("changed")
    # Each session has a part of its own: no two transactions change the same row, so neither waits for the other.
    key = (rows.c.issue_id, func.pg_backend_pid(), rows.c.state, rows.c.reason)
    sums = select(*key, func.sum(rows.c.step), func.max(rows.c.finished_at)).group_by(*key)
    which = and_(rows.c.issue_id.is_not(None), spelled_out(rows.c.state, FINAL))
    new = insert_into(dialect, issue_totals).from_select([*_KEY, *_SUMS], sums.where(which))
    shown = select(rows.c.id, rows.c.subscriber_id) if lists else select(func.count()).select_from(rows)
    return shown.add_cte(_adding(new).cte("added"))


def change_summing(connection: Connection, statement: Any, values: Mapping[str, Any] | None = None) -> int:
    """Run a statement of summing(). Returns how many deliveries changed."""
    result = connection.execute(statement, values or {})
    return int(result.scalar_one()) if connection.dialect.name != "sqlite" else len(_add_up(connection, result.all()))


def change_listing(connection: Connection, statement: Any, values: Mapping[str, Any]) -> list[tuple[int, int | None]]:
    """Run a statement of summing() that lists. Returns the deliveries that changed, each with its subscriber."""
    rows: Sequence[Any] = connection.execute(statement, values).all()
    if connection.dialect.name == "sqlite":
        _add_up(connection, rows)
    return [(row.id, row.subscriber_id) for row in rows]


def _add_up(connection: Connection, changed: Sequence[Any]) -> Sequence[Any]:
    """Add deliveries that were changed on SQLite to the totals, and return them."""
    steps, last = Counter[tuple[Any, ...]](), dict[tuple[Any, ...], datetime | None]()
    for issue_id, state, reason, at, step, *_ in changed:
        if issue_id is not None and state in FINAL:
            key = (issue_id, 1, state, reason)
            steps[key] += step
            last[key] = max(filter(None, (last.get(key), at)), default=None)
    if steps:
        rows = [dict(zip((*_KEY, *_SUMS), (*key, steps[key], last[key]), strict=True)) for key in steps]
        connection.execute(_adding(insert_into("sqlite", issue_totals)), rows)
    return changed


def _adding(new: Any) -> Any:
    mine, more = issue_totals.c, new.excluded
    last_at = case((mine.last_at > more.last_at, mine.last_at), else_=func.coalesce(more.last_at, mine.last_at))
    return new.on_conflict_do_update(
        index_elements=_KEY, set_={"deliveries": mine.deliveries + more.deliveries, "last_at": last_at}
    )


# --- counted once more ---


def uncounted_issues(connection: Connection) -> list[int]:
    """Those whose totals have changed since they were counted."""
    changed = select(issue_totals.c.issue_id).where(issue_totals.c.part != _COUNTED).distinct()
    return list(connection.scalars(changed.order_by(issue_totals.c.issue_id)))


def is_unfinished(connection: Connection, issue_id: int) -> bool:
    """True if a delivery of the issue may still change. Finds the first by an index, without counting."""
    use_indexes(connection)
    return any(connection.execute(query, {"issue": issue_id}).first() for query in _UNFINISHED)


_MINE = and_(deliveries.c.issue_id == bindparam("issue"), deliveries.c.issue_id.is_not(None))  # as the index says
_UNFINISHED = [  # each condition has an index
    select(deliveries.c.id).where(_MINE, condition).limit(1) for condition in (is_waiting(), is_with_worker())
]


def store_totals(connection: Connection, issue_id: int) -> None:
    """Put what counting its rows gives in place of the totals of an issue. Reads all of its deliveries.

    On PostgreSQL it needs REPEATABLE READ. Transitions of that moment add to parts that it does not see, or make it
    fail.
    """
    reason = case((deliveries.c.state == State.SKIPPED, deliveries.c.reason), else_="")
    by = (deliveries.c.issue_id, literal(_COUNTED), deliveries.c.state, reason)
    sums = select(*by, func.count(), func.max(deliveries.c.finished_at)).group_by(deliveries.c.issue_id, by[2], reason)
    which = and_(deliveries.c.issue_id == issue_id, deliveries.c.state.in_(FINAL))
    connection.execute(delete(issue_totals).where(issue_totals.c.issue_id == issue_id))
    connection.execute(insert(issue_totals).from_select([*_KEY, *_SUMS], sums.where(which)))


def count_finished(engine: Engine) -> None:
    """Count the issues whose totals have changed, and of which nothing may change any more."""
    with read_only(engine) as connection:
        uncounted = uncounted_issues(connection)
        issue_ids = [issue_id for issue_id in uncounted if not is_unfinished(connection, issue_id)]
    for issue_id in issue_ids:
        # On a conflict with a retry or another scheduler, the issue is counted the next time.
        with suppress(OperationalError), transaction(one_view(engine)) as connection:
            store_totals(connection, issue_id)


# --- finished ---


def unannounced_issues(connection: Connection) -> list[int]:
    """Those of which something has waited ever since the cut, as far as anybody noticed."""
    return list(connection.scalars(select(issues.c.id).where(issues.c.finished_at.is_(None)).order_by(issues.c.id)))


def announce_finished(connection: Connection, issue_id: int, now: datetime) -> bool:
    """Publish once that nothing of an issue waits. Returns False if something does, or it was published before."""
    if is_unfinished(connection, issue_id):
        return False
    first = update(issues).where(issues.c.id == issue_id, issues.c.finished_at.is_(None)).values(finished_at=now)
    issue = connection.execute(first.returning(issues.c.date, issues.c.kind, issues.c.status)).one_or_none()
    if issue is None:
        return False
    counts: Counter[str] = Counter()
    for (state, _reason), number in counts_of(connection, [issue_id])[issue_id].items():
        counts[state] += number
    about = {"date": issue.date.isoformat(), "kind": issue.kind, "status": issue.status}
    publish(connection, EventType.ISSUE_FINISHED, now, [NewEvent({"issue": about, "messages": dict(counts)})])
    return True


# --- read ---


def unfinished_issues(connection: Connection) -> list[int]:
    """Those with deliveries that are not in a final state."""
    ended = func.coalesce(func.sum(issue_totals.c.deliveries), 0)
    sums = select(issues.c.id).outerjoin(issue_totals).group_by(issues.c.id, issues.c.candidates)
    return list(connection.scalars(sums.having(ended != issues.c.candidates).order_by(issues.c.id)))


def counts_of(connection: Connection, issue_ids: Collection[int]) -> dict[int, Counts]:
    """The deliveries of each issue by state and reason.

    Those that were never tried are the candidates without all others. In one view of the database (on PostgreSQL at
    least REPEATABLE READ) this is what counting gives, unless rows were lost.
    """
    counts: dict[int, Counts] = defaultdict(Counter)
    for issue_id, state, reason, number in connection.execute(_counted(connection, issue_ids)):
        counts[issue_id][State(state), reason] += number
    candidates = select(issues.c.id, issues.c.candidates).where(issues.c.id.in_(issue_ids))
    for issue_id, number in connection.execute(candidates):
        counts[issue_id][State.QUEUED, ""] = max(0, number - counts[issue_id].total())
    return {issue_id: +counts[issue_id] for issue_id in issue_ids}


def _counted(connection: Connection, issue_ids: Collection[int]) -> Any:
    use_indexes(connection)
    totals, held = issue_totals.c, (deliveries.c.issue_id, deliveries.c.state)
    final = select(totals.issue_id, totals.state, totals.reason, func.sum(totals.deliveries))
    was_tried = and_(deliveries.c.state == State.QUEUED, deliveries.c.attempts > 0)
    is_undecided = and_(deliveries.c.state == State.UNCERTAIN, deliveries.c.finished_at.is_not(None))
    why = case((was_tried, DEFERRED), (is_undecided, UNDECIDED), else_="").label("why")
    again = select(*held, why, func.count()).where(text(AGAIN), or_(deliveries.c.state == State.UNCERTAIN, was_tried))
    return union_all(
        final.where(totals.issue_id.in_(issue_ids)).group_by(totals.issue_id, totals.state, totals.reason),
        again.where(deliveries.c.issue_id.in_(issue_ids)).group_by(*held, "why"),
        select(*held, literal(""), func.count())
        .where(is_with_worker(), deliveries.c.issue_id.in_(issue_ids))
        .group_by(*held),
    )


def message_counts(connection: Connection, others: Collection[int] = ()) -> Counter[tuple[Kind, State]]:
    """The deliveries of all time by kind and state, except those of the issues `others`.

    Counts only what belongs to no issue. Needs one view of the database, as counts_of().
    """
    counts: Counter[tuple[Kind, State]] = Counter()
    rows = connection.execute(select(issues.c.id, issues.c.kind).where(issues.c.id.not_in(others)))
    kinds = {issue_id: OF_ISSUE[IssueKind(issue_kind)] for issue_id, issue_kind in rows}
    for issue_id, of_issue in counts_of(connection, kinds).items():
        for (state, _reason), number in of_issue.items():
            counts[kinds[issue_id], state] += number
    columns = (deliveries.c.kind, deliveries.c.state)
    requested = select(*columns, func.count()).where(deliveries.c.issue_id.is_(None)).group_by(*columns)
    for kind, state, count in connection.execute(requested):
        counts[Kind(kind), State(state)] += count
    return +counts


def sending_times(connection: Connection) -> dict[IssueKind, timedelta]:
    """From its cut to its last final reply, of the newest issue of each kind that is finished."""
    last, ended = func.max(issue_totals.c.last_at), func.sum(issue_totals.c.deliveries)
    undecided = select(func.count()).where(
        text(AGAIN),
        deliveries.c.issue_id == issues.c.id,
        deliveries.c.state == State.UNCERTAIN,
        deliveries.c.finished_at.is_not(None),
    )
    query = select(issues.c.kind, issues.c.cut_at, last).join_from(issue_totals, issues).group_by(issues.c.id)
    finished = query.having(last.is_not(None), ended + undecided.scalar_subquery() == issues.c.candidates)
    times: dict[IssueKind, timedelta] = {}
    for kind, cut_at, last_at in connection.execute(finished.order_by(issues.c.date.desc())):
        times.setdefault(IssueKind(kind), last_at - cut_at)
    return times
