"""The ledger: one row is one mail to one recipient, and every transition of its state is one function here.

    queued → claimed → sending → accepted | refused | expired | skipped | quarantined
A deferred mail is queued again with `next_attempt_at` and the last reply. A mail that may have arrived is `uncertain`
instead, and is claimed and sent once more as the same bytes; docs/architecture.md tells of crashes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, exists, literal, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from digest.issues.issue import IssueStatus
from digest.issues.selection import Pick, Selection, SkipReason
from digest.mail.message import Kind, Receipt
from digest.store.dialect import database_now
from digest.store.tables import deliveries, issues, subscribers, suppressions
from digest.subscribers.subscriber import Status

# Longer than a mail server keeps an idle connection (RFC 5321 §4.5.3.2.7: at least 5 minutes, we wait 10 for the reply
# to the final dot), so that a worker which was only stopped cannot still be sending when its lease ends.
LEASE = timedelta(minutes=20)
MAX_CRASHES = 3  # as Mailman's MAX_BAK_COUNT


class State(StrEnum):
    """Where a delivery stands. An `uncertain` one may have arrived; it waits like a queued one until it is overdue."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    UNCERTAIN = "uncertain"


# A paper in a mail of one of these states has reached its reader or still may.
_MAY_ARRIVE = (State.QUEUED, State.CLAIMED, State.SENDING, State.ACCEPTED, State.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the ledger, as far as making the mail needs it."""

    id: int
    kind: Kind
    occasion: str
    recipient: str
    issue_id: int | None
    subscriber_id: int | None
    due_at: datetime
    attempts: int
    crashes: int
    selection: Selection | None
    sha256: str  # of the bytes that may be on the wire already; "" before that
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Composed:
    """What is remembered of the bytes before they go on the wire."""

    delivery_id: int
    message_id: str
    sha256: str


def find(connection: Connection, kind: Kind, occasion: date, recipient: str) -> Delivery | None:
    """The one mail with this name, if the ledger has it."""
    named = (deliveries.c.kind == kind, deliveries.c.occasion == occasion.isoformat())
    query = select(*_DELIVERY).where(*named, deliveries.c.recipient == recipient)
    row = connection.execute(query).one_or_none()
    return _delivery(row) if row else None


# --- claiming and sending ---


def claim(connection: Connection, worker: str, limit: int, now: datetime) -> list[Delivery]:
    """Take up to `limit` due mails for `worker`, longest due first; those of a paused or cancelled issue stay."""
    due = (
        select(deliveries.c.id)
        .where(is_due(now))
        .order_by(deliveries.c.next_attempt_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        # As a plain subquery PostgreSQL may run it more than once, and then takes more than `limit`.
        .cte("due")
    )
    lease = database_now(connection) + LEASE
    taken = (
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)), is_waiting())
        .values(state=State.CLAIMED, worker=worker, lease_until=lease, reason="")
        .returning(*_DELIVERY)
    )
    return sorted((_delivery(row) for row in connection.execute(taken)), key=lambda one: (one.due_at, one.id))


def is_waiting() -> ColumnElement[bool]:
    """Queued, or in doubt and not given up."""
    in_doubt = and_(deliveries.c.state == State.UNCERTAIN, deliveries.c.finished_at.is_(None))
    return or_(deliveries.c.state == State.QUEUED, in_doubt)


def is_due(now: datetime) -> ColumnElement[bool]:
    """Waiting, its time has come, and its issue (if it has one) is running."""
    halted = select(issues.c.id).where(issues.c.status != IssueStatus.RUNNING)
    may_go = or_(deliveries.c.issue_id.is_(None), deliveries.c.issue_id.not_in(halted))
    return and_(is_waiting(), deliveries.c.next_attempt_at <= now, may_go)


def waiting_state() -> ColumnElement[str]:
    """The state that a claimed mail goes back to: with bytes that may have arrived it is in doubt."""
    return case((deliveries.c.sha256 != "", literal(str(State.UNCERTAIN))), else_=str(State.QUEUED))


def already_got(connection: Connection, claims: Sequence[Delivery]) -> dict[str, set[str]]:
    """For each recipient the ids of the papers in their other mails, of any kind, that arrived or still may."""
    query = select(deliveries.c.recipient, deliveries.c.selection).where(
        deliveries.c.recipient.in_({one.recipient for one in claims}),
        deliveries.c.selection.is_not(None),
        deliveries.c.state.in_(_MAY_ARRIVE),
    )
    got: dict[str, set[str]] = {one.recipient: set() for one in claims}
    for recipient, stored in connection.execute(query):
        got[recipient].update(paper_id for paper_id, _why in (stored or {"picks": []})["picks"])
    return got


def store_selections(connection: Connection, worker: str, chosen: dict[int, Selection]) -> None:
    """Freeze what each mail will hold: a retry sends the same papers."""
    if chosen:
        change = update(deliveries).where(
            deliveries.c.id == bindparam("row"), deliveries.c.worker == worker, deliveries.c.state == State.CLAIMED
        )
        stored = [{"row": key, "selection": _stored_selection(selection)} for key, selection in chosen.items()]
        connection.execute(change.values(selection=bindparam("selection")), stored)


def mark_sending(connection: Connection, worker: str, composed: Sequence[Composed]) -> set[int]:
    """The last check before the wire, and the mark that the mails go on it, in one statement; which may go.

    May go: claimed by this worker, lease not over, the reader (still) wants it, not suppressed, issue running.
    """
    now = database_now(connection)
    mark = (
        update(deliveries)
        .where(
            deliveries.c.id.in_([one.delivery_id for one in composed]),
            deliveries.c.state == State.CLAIMED,
            deliveries.c.worker == worker,
            deliveries.c.lease_until > now,
            _is_wanted(),
        )
        .values(state=State.SENDING, lease_until=now + LEASE)
        .returning(deliveries.c.id)
    )
    may_go = set(connection.execute(mark).scalars())
    _remember(connection, [one for one in composed if one.delivery_id in may_go])
    return may_go


def _remember(connection: Connection, going: Sequence[Composed]) -> None:
    """Of a mail that goes on the wire, and of no other, the ledger keeps what would be a copy of it."""
    if going:
        change = update(deliveries).where(deliveries.c.id == bindparam("row"))
        connection.execute(
            change.values(message_id=bindparam("message"), sha256=bindparam("hash")),
            [{"row": one.delivery_id, "message": one.message_id, "hash": one.sha256} for one in going],
        )


def _is_wanted() -> ColumnElement[bool]:
    wanted_status = case(
        (deliveries.c.kind == Kind.CONFIRMATION, literal(str(Status.PENDING))), else_=str(Status.CONFIRMED)
    )
    return and_(
        exists().where(subscribers.c.id == deliveries.c.subscriber_id, subscribers.c.status == wanted_status),
        ~exists().where(suppressions.c.key == deliveries.c.recipient),
        or_(
            deliveries.c.issue_id.is_(None),
            exists().where(issues.c.id == deliveries.c.issue_id, issues.c.status == IssueStatus.RUNNING),
        ),
    )


# --- what came of it ---


def accept(connection: Connection, worker: str, receipt: Receipt) -> None:
    """The server answered 2yz to the final dot: the mail is its responsibility now."""
    _finish(connection, worker, receipt, State.ACCEPTED)


def refuse(connection: Connection, worker: str, receipt: Receipt) -> None:
    """The server will never take this mail."""
    _finish(connection, worker, receipt, State.REFUSED)


def defer(connection: Connection, worker: str, receipt: Receipt, until: datetime, counts: bool) -> None:
    """Certainly not accepted: queued again for `until`. `counts` = the answer was about this mail."""
    # Nothing of it is on its way, so the next attempt may be composed anew.
    tried = deliveries.c.attempts + int(counts)
    _after_answer(connection, worker, receipt, state=State.QUEUED, next_attempt_at=until, attempts=tried, sha256="")


def doubt(connection: Connection, worker: str, receipt: Receipt, until: datetime) -> None:
    """The answer to this attempt, or to an earlier one, is unknown: the same bytes go once more at `until`.

    So do RFC 5321 §3.8 and Postfix. It counts as an attempt, so that it has an end.
    """
    tried = deliveries.c.attempts + 1
    _after_answer(connection, worker, receipt, state=State.UNCERTAIN, next_attempt_at=until, attempts=tried)


def _finish(connection: Connection, worker: str, receipt: Receipt, state: State) -> None:
    _after_answer(connection, worker, receipt, state=state, finished_at=receipt.at)


def _after_answer(connection: Connection, worker: str, receipt: Receipt, **change: Any) -> None:
    mine = and_(
        deliveries.c.id == receipt.delivery_id, deliveries.c.state == State.SENDING, deliveries.c.worker == worker
    )
    reply = {"reply_code": receipt.code, "reply_enhanced": receipt.enhanced, "reply_text": receipt.text}
    connection.execute(update(deliveries).where(mine).values(lease_until=None, worker="", **reply, **change))


def skip(connection: Connection, delivery_id: int, reason: SkipReason, now: datetime) -> None:
    """Not made, for a named reason; final."""
    _leave(connection, [delivery_id], state=State.SKIPPED, reason=str(reason), finished_at=now)


def quarantine(connection: Connection, delivery_id: int, reason: str, now: datetime) -> None:
    """Set apart, since it cannot be made or kills who tries; an operator can look and retry."""
    _leave(connection, [delivery_id], state=State.QUARANTINED, reason=reason[:80], finished_at=now)


def release(connection: Connection, delivery_ids: Collection[int], until: datetime) -> None:
    """Claimed, but not begun: back to where it was."""
    _leave(connection, delivery_ids, state=waiting_state(), next_attempt_at=until)


def _leave(connection: Connection, delivery_ids: Collection[int], **change: Any) -> None:
    of_these = and_(deliveries.c.id.in_(delivery_ids), deliveries.c.state == State.CLAIMED)
    connection.execute(update(deliveries).where(of_these).values(lease_until=None, worker="", **change))


# --- rows to values ---

_DELIVERY = (
    deliveries.c.id,
    deliveries.c.kind,
    deliveries.c.occasion,
    deliveries.c.recipient,
    deliveries.c.issue_id,
    deliveries.c.subscriber_id,
    deliveries.c.due_at,
    deliveries.c.attempts,
    deliveries.c.crashes,
    deliveries.c.selection,
    deliveries.c.sha256,
    deliveries.c.created_at,
)


def _delivery(row: Any) -> Delivery:
    values = dict(row._mapping)
    stored = values.pop("selection")
    return Delivery(**values | {"kind": Kind(values["kind"]), "selection": _selection(stored) if stored else None})


def _stored_selection(selection: Selection) -> dict[str, Any]:
    return {"picks": [[pick.paper_id, pick.why] for pick in selection.picks], "left_out": selection.left_out}


def _selection(stored: dict[str, Any]) -> Selection:
    return Selection(tuple(Pick(paper_id, why) for paper_id, why in stored["picks"]), stored["left_out"])
