"""The ledger: one row is one mail to one recipient. Its states, and what may be done while nothing is on the wire.

    queued → claimed → sending → accepted | refused | expired | skipped | quarantined
A deferred mail is queued again with `next_attempt_at` and the last reply. A mail that may have arrived is `uncertain`
instead, and is claimed and sent once more as the same bytes, or held (DIGEST_IN_DOUBT). What happens on the wire is in
ledger/sending.py, what after a crash in ledger/recovery.py, docs/delivery.md tells of both.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, func, literal, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from digest.database.dialect import in_list, in_list_param
from digest.database.tables import deliveries, issues
from digest.ledger.kinds import LISTED, IssueStatus, Kind, SkipReason, State

# Longer than a mail server keeps an idle connection (RFC 5321 §4.5.3.2.7: at least 5 minutes, we wait 10 for the reply
# to the final dot), so that a worker which was only stopped cannot still be sending when its lease ends.
LEASE = timedelta(minutes=20)
MAX_CRASHES = 3  # as Mailman's MAX_BAK_COUNT


_OF_ISSUES = sorted(LISTED)
# A paper in a mail of one of these states has reached its reader or still may.
MAY_ARRIVE = (State.QUEUED, State.CLAIMED, State.SENDING, State.ACCEPTED, State.UNCERTAIN)


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
    selection: dict[str, Any] | None  # as issues/selection/stored.py writes it; None before it was composed
    sha256: str  # of the bytes that went on the wire last; "" before that
    in_doubt: bool  # they may have arrived: only the same bytes may go again
    created_at: datetime
    message_id: str = ""  # without angle brackets; "" before it was composed


def find(connection: Connection, kind: Kind, occasion: date, recipient: str) -> Delivery | None:
    """The one mail with this name, if the ledger has it."""
    named = (deliveries.c.kind == kind, deliveries.c.occasion == occasion.isoformat())
    query = select(*DELIVERY).where(*named, deliveries.c.recipient == recipient)
    row = connection.execute(query).one_or_none()
    return delivery_of(row) if row else None


def is_waiting() -> ColumnElement[bool]:
    """Queued, or in doubt and neither held nor given up."""
    in_doubt = and_(deliveries.c.state == State.UNCERTAIN, deliveries.c.finished_at.is_(None))
    # The first half is what the partial indexes say, word for word.
    return and_(
        deliveries.c.state.in_([State.QUEUED, State.UNCERTAIN]), or_(deliveries.c.state == State.QUEUED, in_doubt)
    )


def is_due(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Waiting, its time has come, and its issue (if it has one) is running."""
    halted = select(issues.c.id).where(issues.c.status != IssueStatus.RUNNING)
    may_go = or_(deliveries.c.issue_id.is_(None), deliveries.c.issue_id.not_in(halted))
    return and_(is_waiting(), deliveries.c.next_attempt_at <= now, may_go)


def waiting_state() -> ColumnElement[str]:
    """The state that a mail goes back to which was certainly not sent this time."""
    return case((deliveries.c.in_doubt, literal(str(State.UNCERTAIN))), else_=str(State.QUEUED))


@dataclass(frozen=True, slots=True)
class AlreadySent:
    """What one recipient has from us: ids of papers that arrived or still may, and whether more is being chosen."""

    papers: set[str]
    being_chosen: bool = False


def already_got(connection: Connection, claims: Sequence[Delivery], worker: str, since: date) -> dict[str, AlreadySent]:
    """What the recipients' other mails of occasions from `since` on hold.

    A mail that another worker has claimed holds papers that are not known yet (`being_chosen`). Claims are committed
    before anything is chosen, so of two workers at least one sees the other's.
    """
    asked = {
        "recipients": list({one.recipient for one in claims}),
        "since": since.isoformat(),
        "me": worker,
        "mine": [one.id for one in claims],
    }
    rows = connection.execute(_other_mails(connection.dialect.name), asked)
    found = [(recipient, stored) for recipient, stored in rows]
    waiting = {recipient for recipient, stored in found if stored is None}
    got = {one.recipient: AlreadySent(set(), one.recipient in waiting) for one in claims}
    for recipient, stored in found:
        got[recipient].papers.update(pick[0] for pick in (stored or {"picks": []})["picks"])
    return got


@cache
def _other_mails(dialect: str) -> Select[tuple[str, Any]]:
    """The question of already_got(), built once: to build it takes longer than to ask it."""
    chosen_elsewhere = and_(deliveries.c.state == State.CLAIMED, deliveries.c.worker != bindparam("me"))
    return select(deliveries.c.recipient, deliveries.c.selection).where(
        in_list_param(dialect, deliveries.c.recipient, "recipients"),
        deliveries.c.occasion >= bindparam("since"),
        deliveries.c.state.in_(MAY_ARRIVE),
        or_(deliveries.c.selection.is_not(None), chosen_elsewhere),
        deliveries.c.kind.in_(_OF_ISSUES),
        ~in_list_param(dialect, deliveries.c.id, "mine"),
    )


def last_issue_mails(connection: Connection, recipients: Collection[str], before: date) -> dict[str, date]:
    """The occasion of each recipient's last mail of an issue before a date; nobody is named who got none."""
    query = (
        select(deliveries.c.recipient, func.max(deliveries.c.occasion))
        .where(
            in_list(connection, deliveries.c.recipient, recipients),
            deliveries.c.occasion < before.isoformat(),
            deliveries.c.state.in_(MAY_ARRIVE),
            deliveries.c.kind.in_(_OF_ISSUES),
        )
        .group_by(deliveries.c.recipient)
    )
    return {recipient: date.fromisoformat(occasion) for recipient, occasion in connection.execute(query)}


# --- leaving without having been on the wire ---


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
    of_these = and_(in_list(connection, deliveries.c.id, delivery_ids), deliveries.c.state == State.CLAIMED)
    connection.execute(update(deliveries).where(of_these).values(lease_until=None, worker="", **change))


def give_back(connection: Connection, worker: str, now: datetime) -> int:
    """What `worker`, alive and with nothing in hand, holds in the ledger: certainly not sent. Returns how many."""
    held = and_(deliveries.c.worker == worker, deliveries.c.state.in_([State.CLAIMED, State.SENDING]))
    back = (
        update(deliveries).where(held).values(state=waiting_state(), next_attempt_at=now, lease_until=None, worker="")
    )
    return connection.execute(back).rowcount


# --- rows to values ---

_NAMES = [one.name for one in fields(Delivery)]
_KIND = _NAMES.index("kind")
DELIVERY = tuple(deliveries.c[name] for name in _NAMES)


def delivery_of(row: Any) -> Delivery:
    """A row with the columns DELIVERY, which are those of the class, in its order."""
    values = list(row)
    values[_KIND] = Kind(values[_KIND])
    return Delivery(*values)
