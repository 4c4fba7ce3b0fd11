"""The transitions around the wire: claim, mark and record, each one statement for many deliveries.

If a worker dies between two of them, the row says what certainly did not happen and what may have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Date,
    Integer,
    LargeBinary,
    String,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from digest.database.dialect import Id, Instant, as_rows, database_now, instant_in_rows, rows_of, use_indexed_order
from digest.database.tables import deliveries, issues
from digest.ledger import deliveries as ledger
from digest.ledger.deliveries import DELIVERY, LEASE, Delivery, Shares, delivery_of, is_due, is_waiting, is_wanted
from digest.ledger.kinds import IssueKind, State
from digest.ledger.messages import keep_messages
from digest.ledger.outbox import EventType, NewEvent, publish
from digest.ledger.received import store_picks
from digest.ledger.replay_log import note_sent
from digest.ledger.totals import change_listing, change_summing, summing


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """The facts of a message that the ledger stores before it goes on the wire."""

    delivery_id: int
    message_id: str
    sha256: str
    due_day: date  # on which it is due where the subscriber lives; a pause is compared with it
    picks: bytes | None = None  # see issues/selection/picks.py
    content: bytes = b""  # of a message that belongs to no issue
    papers: tuple[str, ...] = ()  # ids of those in it


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The next state of a delivery after one attempt."""

    delivery_id: int
    state: State
    at: datetime
    code: int | None = None  # of the mail server's reply
    enhanced: str = ""
    text: str = ""
    until: datetime | None = None  # the next attempt, for a state that waits
    counts: bool = False  # as one of DIGEST_MAX_ATTEMPTS
    in_doubt: bool = False


# --- claim ---

_MAX_SUSPECTS = 25
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def claim(
    connection: Connection,
    worker: str,
    limit: int,
    now: datetime,
    day_began: datetime | None = None,
    shares: Shares | None = None,
) -> list[Delivery]:
    """Claim up to `limit` due deliveries: first what someone has just asked for, then what has been due for longest.

    Crash suspects come when nothing else is due: a few together after one crash, since most of them only happened to be
    claimed, and alone after two, so that they cannot affect others. With `day_began`, deliveries of issues that were
    due before it wait until today's issue is cut and nothing of it waits. `shares`: None without limits.
    """
    use_indexed_order(connection)
    requested, of_issues, suspects, repeat_suspects = _claims(connection.dialect.name)
    since = day_began if day_began and _is_todays_to_come(connection, day_began) else _EVER
    values = {"sender": worker, "now": now, "since": since, **_clock(connection.dialect.name)}
    shares = shares or Shares(limit, limit, limit)
    claims = _claim(connection, requested, values, min(limit, shares.beside_issues))
    asked_for = len(claims)
    claims += _claim(connection, of_issues, values, min(limit - asked_for, shares.of_issues))
    if asked_for == shares.beside_issues:  # more may wait
        claims += _claim(connection, requested, values, min(limit - len(claims), shares.requested - asked_for))
    claims = claims or _claim(connection, suspects, values, min(limit, _MAX_SUSPECTS))
    return claims or _claim(connection, repeat_suspects, values, 1)


def _is_todays_to_come(connection: Connection, day_began: datetime) -> bool:
    todays_issue = exists().where(issues.c.date == day_began.date(), issues.c.kind != IssueKind.NOTICE)
    waiting = exists().where(is_waiting(), deliveries.c.issue_id.is_not(None), deliveries.c.due_at >= day_began)
    return bool(connection.execute(select(or_(~todays_issue, waiting))).scalar_one())


def _claim(connection: Connection, statement: Any, values: Mapping[str, Any], limit: int) -> list[Delivery]:
    rows = connection.execute(statement, {**values, "limit": limit}).all() if limit > 0 else []
    rows = sorted(rows, key=lambda row: (row.next_attempt_at, row.id))
    return [delivery_of(row[:-1]) for row in rows]


@cache
def _claims(dialect: str) -> tuple[Any, Any, Any, Any]:
    # Building one of these statements takes as long as claiming a hundred deliveries.
    healthy, waits = deliveries.c.crashes == 0, ledger.is_waiting_of_all()
    return (
        _claim_of(dialect, and_(deliveries.c.issue_id.is_(None), healthy)),
        _claim_of(dialect, and_(deliveries.c.issue_id.is_not(None), healthy)),
        _claim_of(dialect, and_(waits, deliveries.c.crashes == 1)),
        _claim_of(dialect, and_(waits, deliveries.c.crashes > 1)),
    )


def _claim_of(dialect: str, which: ColumnElement[bool]) -> Any:
    due = (
        select(deliveries.c.id)
        .where(
            which,
            is_due(bindparam("now", type_=Instant())),
            or_(deliveries.c.issue_id.is_(None), deliveries.c.due_at >= bindparam("since", type_=Instant())),
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.id)
        .limit(bindparam("limit", type_=Integer()))
        .with_for_update(skip_locked=True)
        # As a plain subquery PostgreSQL may run it more than once, and then takes more than `limit`.
        .cte("due")
    )
    _at, lease = _now_and_lease(dialect)
    was_tried = or_(deliveries.c.in_doubt, deliveries.c.attempts > 0)  # its retry is the same bytes
    composed_at = case((was_tried, deliveries.c.composed_at), else_=bindparam("now", type_=Instant()))
    return (
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)), is_waiting())
        .values(state=State.CLAIMED, worker=bindparam("sender"), lease_until=lease, reason="", composed_at=composed_at)
        .returning(*DELIVERY, deliveries.c.next_attempt_at)
    )


def _now_and_lease(dialect: str) -> tuple[Any, Any]:
    """Now, and the end of a lease that begins now."""
    if dialect == "sqlite":  # has no clock of its own: see _clock()
        return bindparam("at", type_=Instant()), bindparam("lease", type_=Instant())
    return database_now(dialect), database_now(dialect) + LEASE


def _clock(dialect: str) -> dict[str, datetime]:
    """The parameters of _now_and_lease()."""
    now = database_now(dialect)
    return {"at": now, "lease": now + LEASE} if dialect == "sqlite" else {}


# --- mark ---


def mark_sending(connection: Connection, worker: str, records: Sequence[MessageRecord]) -> set[int]:
    """Check for the last time that messages may go, and mark those that may as being sent. Returns their ids.

    May go: claimed by this worker, lease not over, wanted (as in skip_reason()), issue running.
    """
    dialect = connection.dialect.name
    rows = [
        {"id": row.delivery_id, "message_id": row.message_id, "sha256": row.sha256, "due_day": row.due_day.isoformat()}
        for row in records
    ]
    given = as_rows(dialect, rows)
    if dialect == "postgresql":
        given["rows_picks"] = [row.picks for row in records]
    marked = connection.execute(_mark(dialect), given | _clock(dialect) | {"sender": worker}).all()
    may_go = {row.id for row in marked}
    if dialect == "sqlite":
        store_picks(connection, {row.delivery_id: row.picks for row in records if row.delivery_id in may_go})
    keep_messages(
        connection, {row.delivery_id: row.content for row in records if row.content and row.delivery_id in may_go}
    )
    note_sent(connection, marked, {row.delivery_id: row.papers for row in records})
    return may_go


@cache
def _mark(dialect: str) -> Any:
    has_arrays = dialect != "sqlite"  # which has JSON instead, and that no bytes
    kinds: dict[str, Any] = {"id": Id, "message_id": String(), "sha256": String(), "due_day": Date()}
    given = rows_of(dialect, kinds | ({"picks": LargeBinary()} if has_arrays else {}))
    now, lease = _now_and_lease(dialect)
    return (
        update(deliveries)
        .where(
            deliveries.c.id == given.c.id,
            *_is_held(State.CLAIMED),
            deliveries.c.lease_until > now,
            is_wanted(given.c.due_day),
        )
        .values(
            state=State.SENDING,
            lease_until=lease,
            message_id=given.c.message_id,
            sha256=given.c.sha256,
            **({"picks": given.c.picks} if has_arrays else {}),
        )
        .returning(deliveries.c.id, deliveries.c.kind, deliveries.c.occasion, deliveries.c.recipient)
    )


def _is_held(state: State) -> tuple[ColumnElement[bool], ...]:
    """True if the worker `sender` has it in this state. Written so that PostgreSQL finds the given rows by their ids,
    instead of reading all that the worker holds.
    """
    return deliveries.c.state.concat("") == state, deliveries.c.worker.concat("") == bindparam("sender")


# --- record ---


def record(connection: Connection, worker: str, results: Sequence[DeliveryResult]) -> None:
    """Record the result of each delivery that `worker` still holds, and add the final ones to their issues' totals."""
    if not results:
        return
    dialect = connection.dialect.name
    rows = [
        {
            "id": result.delivery_id,
            "state": result.state,
            "reply_code": result.code,
            "reply_enhanced": result.enhanced,
            "reply_text": result.text or None,  # without a reply the last one stays
            "next_attempt_at": result.until,
            "finished_at": result.at if result.until is None else None,
            "tried": int(result.counts),
            "in_doubt": result.in_doubt,
        }
        for result in results
    ]
    values = as_rows(dialect, rows) | {"sender": worker}
    refused = {result.delivery_id: result.at for result in results if result.state is State.REFUSED}
    if not refused:
        change_summing(connection, _record(dialect), values)
        return
    changed = change_listing(connection, _record(dialect, lists=True), values)
    bounced = [
        NewEvent(subscriber_id=subscriber, delivery_id=number) for number, subscriber in changed if number in refused
    ]
    publish(connection, EventType.BOUNCED, max(refused.values()), bounced)


@cache
def _record(dialect: str, lists: bool = False) -> Any:
    kinds = {
        "id": Id,
        "state": String(),
        "reply_code": Integer(),
        "reply_enhanced": String(),
        "reply_text": Text(),
        "next_attempt_at": instant_in_rows(dialect),
        "finished_at": instant_in_rows(dialect),
        "tried": Integer(),
        "in_doubt": Boolean(),
    }
    given = rows_of(dialect, kinds)
    change = (
        update(deliveries)
        .where(
            deliveries.c.id == given.c.id,
            *_is_held(State.SENDING),
        )
        .values(
            state=given.c.state,
            lease_until=None,
            worker="",
            reply_code=given.c.reply_code,
            reply_enhanced=given.c.reply_enhanced,
            # The reply to a message of someone whose data has been deleted meanwhile may name them.
            reply_text=case(
                (deliveries.c.subscriber_id.is_(None), ""),
                else_=func.coalesce(given.c.reply_text, deliveries.c.reply_text),
            ),
            next_attempt_at=func.coalesce(given.c.next_attempt_at, deliveries.c.next_attempt_at),
            finished_at=given.c.finished_at,
            attempts=deliveries.c.attempts + given.c.tried,
            in_doubt=given.c.in_doubt,
        )
    )
    return summing(dialect, change, lists=lists)
