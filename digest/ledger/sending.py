"""The ledger around the wire: claim, mark, record. Each is one statement for many mails.

Whatever kills a worker between two of them, the row says what certainly did not happen and what may have
(ledger/recovery.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    String,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from digest.database.columns import Id, Instant, Json
from digest.database.dialect import as_rows, database_now, instant_in_rows, rows_of, use_indexed_order
from digest.database.tables import deliveries, issues, messages, subscribers, suppressions
from digest.ledger.deliveries import DELIVERY, LEASE, Delivery, delivery_of, is_due, is_waiting
from digest.ledger.kinds import IssueStatus, Kind, State, Status


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """What is remembered of a mail before it goes on the wire. `content`: the bytes, for a mail without an issue."""

    delivery_id: int
    message_id: str
    sha256: str
    selection: str = "null"  # JSON
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What one attempt means for its row. `until`: the next attempt, for a state that waits."""

    delivery_id: int
    state: State
    at: datetime
    code: int | None = None  # of the mail server's reply
    enhanced: str = ""
    text: str = ""
    until: datetime | None = None
    counts: bool = False  # as one of DIGEST_MAX_ATTEMPTS
    in_doubt: bool = False


# --- claim ---

_SUSPECTS = 25  # mails that one worker died with, claimed together


def claim(connection: Connection, worker: str, limit: int, now: datetime) -> list[Delivery]:
    """Take up to `limit` due mails for `worker`: what somebody asked for just now first, then longest due first.

    What a worker died with is taken when nothing else is due: a few together, since most of them were only near by, and
    what two workers died with alone, so that it can harm no other.
    """
    use_indexed_order(connection)
    asked_for, of_issues, suspect, deadly = _claims(connection.dialect.name)
    asked = {"sender": worker, "now": now, **_clock(connection.dialect.name)}
    taken = _claim(connection, asked_for, asked, limit)
    if len(taken) < limit:
        taken += _claim(connection, of_issues, asked, limit - len(taken))
    taken = taken or _claim(connection, suspect, asked, min(limit, _SUSPECTS))
    return taken or _claim(connection, deadly, asked, 1)


def _claim(connection: Connection, statement: Any, asked: Mapping[str, Any], limit: int) -> list[Delivery]:
    taken = connection.execute(statement, {**asked, "limit": limit}).all()
    return sorted(map(delivery_of, taken), key=lambda one: (one.due_at, one.id))


@cache
def _claims(dialect: str) -> tuple[Any, Any, Any, Any]:
    """For what somebody asked for just now, for an issue's mails, for what one worker died with, and more than one.

    Built once: to build one takes as long as to claim a hundred mails.
    """
    healthy = deliveries.c.crashes == 0
    return (
        _claim_of(dialect, and_(deliveries.c.issue_id.is_(None), healthy)),
        _claim_of(dialect, and_(deliveries.c.issue_id.is_not(None), healthy)),
        _claim_of(dialect, deliveries.c.crashes == 1),
        _claim_of(dialect, deliveries.c.crashes > 1),
    )


def _claim_of(dialect: str, which: ColumnElement[bool]) -> Any:
    due = (
        select(deliveries.c.id)
        .where(which, is_due(bindparam("now", type_=Instant())))
        .order_by(deliveries.c.next_attempt_at, deliveries.c.id)
        .limit(bindparam("limit", type_=Integer()))
        .with_for_update(skip_locked=True)
        # As a plain subquery PostgreSQL may run it more than once, and then takes more than `limit`.
        .cte("due")
    )
    _at, lease = _now_and_lease(dialect)
    return (
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)), is_waiting())
        .values(state=State.CLAIMED, worker=bindparam("sender"), lease_until=lease, reason="")
        .returning(*DELIVERY)
    )


def _now_and_lease(dialect: str) -> tuple[Any, Any]:
    """Now, and the end of a lease that begins now, in a statement that is built once."""
    if dialect == "sqlite":  # it has no clock of its own: see _clock
        return bindparam("at", type_=Instant()), bindparam("lease", type_=Instant())
    return database_now(dialect), database_now(dialect) + LEASE


def _clock(dialect: str) -> dict[str, datetime]:
    """The parameters that _now_and_lease() leaves open."""
    now = database_now(dialect)
    return {"at": now, "lease": now + LEASE} if dialect == "sqlite" else {}


# --- mark ---


def mark_sending(connection: Connection, worker: str, composed: Sequence[MessageRecord]) -> set[int]:
    """The last check before the wire, and the mark that the mails go on it, in one statement; which may go.

    May go: claimed by this worker, lease not over, the reader (still) wants it, not suppressed, issue running. Of what
    goes the ledger keeps what would be a copy of it.
    """
    dialect = connection.dialect.name
    rows = [
        {
            "id": one.delivery_id,
            "message_id": one.message_id,
            "sha256": one.sha256,
        }
        for one in composed
    ]
    values = {
        "rows": as_rows(dialect, rows, selection=[one.selection for one in composed]),
        "sender": worker,
        **_clock(dialect),
    }
    may_go = set(connection.execute(_mark(dialect), values).scalars())
    kept = [{"delivery_id": one.delivery_id, "content": one.content} for one in composed if one.content]
    if going := [row for row in kept if row["delivery_id"] in may_go]:
        connection.execute(messages.delete().where(messages.c.delivery_id.in_([row["delivery_id"] for row in going])))
        connection.execute(insert(messages), going)
    return may_go


@cache
def _mark(dialect: str) -> Any:
    given = rows_of(dialect, {"id": Id, "message_id": String(), "sha256": String(), "selection": Json})
    now, lease = _now_and_lease(dialect)
    return (
        update(deliveries)
        .where(
            deliveries.c.id == given.c.id,
            deliveries.c.state == State.CLAIMED,
            deliveries.c.worker == bindparam("sender"),
            deliveries.c.lease_until > now,
            _is_wanted(),
        )
        .values(
            state=State.SENDING,
            lease_until=lease,
            message_id=given.c.message_id,
            sha256=given.c.sha256,
            selection=given.c.selection,
        )
        .returning(deliveries.c.id)
    )


def _is_wanted() -> ColumnElement[bool]:
    wanted_status = case(
        (deliveries.c.kind == Kind.CONFIRMATION, literal(str(Status.PENDING))),
        (deliveries.c.kind == Kind.GOODBYE, literal(str(Status.UNSUBSCRIBED))),
        else_=str(Status.CONFIRMED),
    )
    return and_(
        exists().where(subscribers.c.id == deliveries.c.subscriber_id, subscribers.c.status == wanted_status),
        ~exists().where(suppressions.c.key == deliveries.c.recipient),
        or_(
            deliveries.c.issue_id.is_(None),
            exists().where(issues.c.id == deliveries.c.issue_id, issues.c.status == IssueStatus.RUNNING),
        ),
    )


def message_of(connection: Connection, delivery_id: int) -> bytes | None:
    """The bytes that were kept of a mail without an issue."""
    return connection.execute(select(messages.c.content).where(messages.c.delivery_id == delivery_id)).scalar()


def forget_messages(connection: Connection) -> int:
    """The kept bytes of mails that will not be repeated. Returns how many."""
    needed = select(deliveries.c.id).where(
        deliveries.c.state.in_([State.SENDING, State.CLAIMED, State.UNCERTAIN]),
        deliveries.c.id == messages.c.delivery_id,
    )
    return connection.execute(messages.delete().where(~needed.exists())).rowcount


# --- record ---


def record(connection: Connection, worker: str, answers: Sequence[DeliveryResult]) -> None:
    """What the mail server said to each mail that `worker` holds; a row that it no longer holds stays as it is."""
    if not answers:
        return
    dialect = connection.dialect.name
    rows = [_answered(answer) for answer in answers]
    connection.execute(_record(dialect), {"rows": as_rows(dialect, rows), "sender": worker})


def _answered(answer: DeliveryResult) -> dict[str, Any]:
    return {
        "id": answer.delivery_id,
        "state": answer.state,
        "reply_code": answer.code,
        "reply_enhanced": answer.enhanced,
        "reply_text": answer.text or None,  # nothing was said: what was said last time stays
        "next_attempt_at": answer.until,
        "finished_at": answer.at if answer.until is None else None,
        "tried": int(answer.counts),
        "in_doubt": answer.in_doubt,
    }


@cache
def _record(dialect: str) -> Any:
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
    return (
        update(deliveries)
        .where(
            deliveries.c.id == given.c.id,
            deliveries.c.state == State.SENDING,
            deliveries.c.worker == bindparam("sender"),
        )
        .values(
            state=given.c.state,
            lease_until=None,
            worker="",
            reply_code=given.c.reply_code,
            reply_enhanced=given.c.reply_enhanced,
            reply_text=func.coalesce(given.c.reply_text, deliveries.c.reply_text),
            next_attempt_at=func.coalesce(given.c.next_attempt_at, deliveries.c.next_attempt_at),
            finished_at=given.c.finished_at,
            attempts=deliveries.c.attempts + given.c.tried,
            in_doubt=given.c.in_doubt,
        )
    )
