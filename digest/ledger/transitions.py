"""Every change of a delivery's state, one function each; claim, mark and record are in sending.py.

    queued → claimed → sending → accepted | refused | expired | skipped | quarantined

A deferred delivery is queued again with `next_attempt_at` and the last reply. One that may have arrived is `uncertain`
instead: the same bytes are claimed and sent once more, or wait for the operator (DIGEST_IN_DOUBT=hold).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    literal,
    or_,
    select,
    update,
)

from digest.database.dialect import Instant, Json, database_now, in_list, spelled_out
from digest.database.tables import deliveries, issues, messages
from digest.ledger.deliveries import MAY_ARRIVE, awaits_operator, is_waiting, is_waiting_of_all, is_with_worker
from digest.ledger.kinds import LISTED, OF_CHANGES, IssueStatus, SkipReason, State
from digest.ledger.received import ranks_alone
from digest.ledger.totals import change_summing, summing

MAX_CRASHES = 3  # as Mailman's MAX_BAK_COUNT
BY_HAND = "sent once more by hand"  # the reason of a delivery that is tried again however late it is
_TOO_LATE_TO_HELP = timedelta(days=1)  # someone who asked for a link has asked again or given up
_MAX_TRIES_TO_HELP = 5  # in an hour and a quarter: strangers can ask in the name of addresses that nobody will accept


def _move(connection: Connection, which: ColumnElement[bool], **change: Any) -> int:
    """Change these deliveries, none to a final state, and release them from their worker. Returns their number."""
    return connection.execute(_change(which, change)).rowcount


def _end(connection: Connection, which: ColumnElement[bool], left: State | None = None, **change: Any) -> int:
    """Do the same with deliveries that get a final state, or all have `left` one."""
    return change_summing(connection, summing(connection.dialect.name, _change(which, change), left))


def _change(which: ColumnElement[bool], change: Mapping[str, Any]) -> Update:
    return update(deliveries).where(which).values(lease_until=None, worker="", **change)


def _back() -> ColumnElement[str]:
    """The state of a delivery that was certainly not sent this time."""
    return case((deliveries.c.in_doubt, literal(str(State.UNCERTAIN))), else_=str(State.QUEUED))


# --- by the worker that claimed it ---


def skip(connection: Connection, delivery_id: int, reason: SkipReason, now: datetime) -> None:
    """Final: the delivery is not wanted any more."""
    _end(connection, _claimed(connection, [delivery_id]), state=State.SKIPPED, reason=str(reason), finished_at=now)


def quarantine(connection: Connection, delivery_id: int, reason: str, now: datetime) -> None:
    """For a message that cannot be composed; an operator can retry it."""
    which = _claimed(connection, [delivery_id])
    _end(connection, which, state=State.QUARANTINED, reason=reason[:80], finished_at=now)


def requeue(connection: Connection, delivery_ids: Collection[int], at: datetime) -> None:
    """Return claimed deliveries to the queue; they are due again `at`."""
    _move(connection, _claimed(connection, delivery_ids), state=_back(), next_attempt_at=at)


def requeue_held_by(connection: Connection, worker: str, now: datetime) -> int:
    """Return everything that a live worker holds while nothing of it is on the wire. Returns how many."""
    which = and_(deliveries.c.worker == worker, is_with_worker())
    return _move(connection, which, state=_back(), next_attempt_at=now)


def _is_claimed() -> ColumnElement[bool]:
    return and_(is_with_worker(), spelled_out(deliveries.c.state, [State.CLAIMED]))


def _claimed(connection: Connection, delivery_ids: Collection[int]) -> ColumnElement[bool]:
    return and_(in_list(connection, deliveries.c.id, delivery_ids), spelled_out(deliveries.c.state, [State.CLAIMED]))


# --- after a worker died ---


@dataclass(frozen=True, slots=True)
class Recovered:
    """Deliveries of dead workers, by what became of them."""

    answered: int = 0  # the reply was in the journal
    queued: int = 0  # certainly not sent
    in_doubt: int = 0
    quarantined: int = 0

    def __add__(self, other: "Recovered") -> "Recovered":
        return Recovered(
            self.answered + other.answered,
            self.queued + other.queued,
            self.in_doubt + other.in_doubt,
            self.quarantined + other.quarantined,
        )


def recover_by_journal(
    connection: Connection,
    worker: str,
    begun: Collection[int],
    suspects: Collection[int] | None,
    hold: bool,
    now: datetime,
) -> Recovered:
    """Recover from the journal of a dead worker, whose replies are recorded already.

    `begun`: on the wire without a reply. `suspects`: what it was working on when it died (None: any that it had
    claimed). Nothing else was sent.
    """
    mine = deliveries.c.worker == worker
    was_begun = and_(mine, is_with_worker(), deliveries.c.state == State.SENDING, deliveries.c.id.in_(begun))
    in_doubt = _doubt(connection, was_begun, hold, now)
    blamed = mine if suspects is None else and_(mine, deliveries.c.id.in_(suspects))
    queued, quarantined = _requeue_suspects(connection, and_(blamed, _is_claimed()), now)
    unaffected = requeue_held_by(connection, worker, now)
    return Recovered(0, queued + unaffected, in_doubt, quarantined)


def recover_by_lock(connection: Connection, worker: str, now: datetime) -> Recovered:
    """Recover what a worker had only claimed whose lock and journal are gone; any of it may be to blame."""
    which = and_(deliveries.c.worker == worker, _is_claimed())
    queued, quarantined = _requeue_suspects(connection, which, now)
    return Recovered(queued=queued, quarantined=quarantined)


def holders_over_lease(connection: Connection) -> list[str]:
    """The workers that hold deliveries whose leases are over."""
    is_over = deliveries.c.lease_until < database_now(connection.dialect.name)
    return list(connection.scalars(select(deliveries.c.worker).where(is_with_worker(), is_over).distinct()))


def recover_by_lease(connection: Connection, hold: bool, now: datetime) -> Recovered:
    """Recover what no worker can still be sending: a lease lasts longer than any SMTP conversation."""
    is_over = deliveries.c.lease_until < database_now(connection.dialect.name)
    queued, quarantined = _requeue_suspects(connection, and_(_is_claimed(), is_over), now)
    in_doubt = _doubt(connection, and_(is_with_worker(), deliveries.c.state == State.SENDING, is_over), hold, now)
    return Recovered(queued=queued, in_doubt=in_doubt, quarantined=quarantined)


def _requeue_suspects(connection: Connection, which: ColumnElement[bool], now: datetime) -> tuple[int, int]:
    """Returns the numbers requeued, and quarantined because too many workers died with them."""
    crashes = deliveries.c.crashes + 1
    reason = f"{MAX_CRASHES} workers died with it"
    too_many = and_(which, crashes >= MAX_CRASHES)
    quarantined = _end(connection, too_many, state=State.QUARANTINED, reason=reason, finished_at=now, crashes=crashes)
    return _move(connection, which, state=_back(), next_attempt_at=now, crashes=crashes), quarantined


def _doubt(connection: Connection, which: ColumnElement[bool], hold: bool, now: datetime) -> int:
    return _move(
        connection,
        which,
        state=State.UNCERTAIN,
        in_doubt=True,
        attempts=deliveries.c.attempts + 1,
        next_attempt_at=now,
        reason="held: it may have arrived" if hold else "",
        finished_at=now if hold else None,
    )


# --- by the scheduler and the operator ---


def expire(connection: Connection, now: datetime, overdue: timedelta, max_attempts: int) -> int:
    """Give up deliveries that have been due for longer than `overdue`, or were deferred `max_attempts` times.

    What one person asked for is given up after a day, or after few attempts. Those that may have arrived stay
    uncertain, and are not tried again. Returns how many.
    """
    limits = {"late": now - overdue, "old": now - _TOO_LATE_TO_HELP, "most": max_attempts}
    return change_summing(connection, _expire(connection.dialect.name), {**limits, "now": now})


@cache
def _expire(dialect: str) -> Any:
    # Building this statement takes longer than running it, four times a minute.
    too_late = and_(deliveries.c.kind.in_(LISTED), deliveries.c.due_at < bindparam("late", type_=Instant()))
    is_old = deliveries.c.due_at < bindparam("old", type_=Instant())
    no_help = and_(deliveries.c.kind.not_in(LISTED), or_(is_old, deliveries.c.attempts >= _MAX_TRIES_TO_HELP))
    in_vain = or_(too_late, no_help, deliveries.c.attempts >= bindparam("most", type_=Integer()))
    state = case((deliveries.c.state == State.UNCERTAIN, literal(str(State.UNCERTAIN))), else_=str(State.EXPIRED))
    which = and_(is_waiting_of_all(), in_vain, deliveries.c.reason != BY_HAND)
    change = {"state": state, "reason": "overdue", "finished_at": bindparam("now", type_=Instant())}
    return summing(dialect, _change(which, change))


def skip_cancelled(connection: Connection, now: datetime) -> int:
    """Skip the queued deliveries of cancelled issues. Returns how many."""
    cancelled = select(issues.c.id).where(issues.c.status == IssueStatus.CANCELLED)
    which = and_(is_waiting(), deliveries.c.state == State.QUEUED, deliveries.c.issue_id.in_(cancelled))
    return _end(connection, which, state=State.SKIPPED, reason=str(SkipReason.CANCELLED), finished_at=now)


def retry(connection: Connection, now: datetime, issue_id: int | None = None) -> int:
    """Queue quarantined deliveries again, all or those of one issue. Returns how many.

    They are composed anew: a subscriber may get a second message if an earlier copy was in doubt.
    """
    return _end(
        connection,
        _of_issue(deliveries.c.state == State.QUARANTINED, issue_id),
        left=State.QUARANTINED,
        state=State.QUEUED,
        reason="",
        crashes=0,
        attempts=0,
        sha256="",
        in_doubt=False,
        next_attempt_at=now,
        due_at=now,
        finished_at=None,
    )


def retry_uncertain(connection: Connection, now: datetime, issue_id: int | None = None) -> int:
    """Send deliveries that were held or given up in doubt once more, as the same bytes. Returns how many.

    A subscriber whose first copy arrived gets a second, unless their mail server drops repeated Message-IDs (Exchange
    does within an hour).
    """
    which = _of_issue(awaits_operator(), issue_id)
    return _move(connection, which, reason=BY_HAND, attempts=0, next_attempt_at=now, finished_at=None)


def close_restored(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    """Skip deliveries of a restored database that may have been sent after the backup. Returns how many."""
    unfinished = and_(which, or_(is_waiting(), is_with_worker()))
    return _end(connection, unfinished, state=State.SKIPPED, reason=str(SkipReason.RESTORED), finished_at=now)


def requeue_all_claimed(connection: Connection, now: datetime) -> int:
    """Requeue what the workers of a restored database had claimed. Returns how many."""
    return _move(connection, _is_claimed(), state=_back(), next_attempt_at=now)


def erase_names(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete what tells who the recipients are or why they got a paper. The ids of the papers stay: none is sent twice.

    The rows are locked first: a worker that has one on the wire finishes its change, or finds nobody to send to.
    """
    columns = (deliveries.c.id, deliveries.c.picks, deliveries.c.selection)
    rows = connection.execute(select(*columns).where(which).with_for_update()).all()
    ids = [row.id for row in rows]
    connection.execute(delete(messages).where(in_list(connection, messages.c.delivery_id, ids)))
    unnamed = {"subscriber_id": None, "reply_text": ""}
    connection.execute(update(deliveries).where(in_list(connection, deliveries.c.id, ids)).values(unnamed))
    change = update(deliveries).where(deliveries.c.id == bindparam("row"))
    if lists := [{"row": row.id, "papers": papers_alone(row.selection)} for row in rows if row.selection]:
        connection.execute(change.values(selection=bindparam("papers", type_=Json)), lists)
    if packed := [{"row": row.id, "ranks": ranks_alone(row.picks)} for row in rows if row.picks]:
        connection.execute(change.values(picks=bindparam("ranks")), packed)


def move_recipient(connection: Connection, old: str, new: str, now: datetime) -> None:
    """Give a recipient's deliveries to another key of the same subscriber, except emails about that change.

    Claimed deliveries are taken back, since they may be composed for the old address: the last check of their worker
    refuses them. Those on the wire stay there. If the new key has the delivery of an issue already, the old one
    keeps its own, which is skipped if the other may have arrived.
    """
    mine = and_(deliveries.c.recipient == old, deliveries.c.kind.not_in(OF_CHANGES))
    other = deliveries.alias("other")
    same = and_(other.c.recipient == new, other.c.kind == deliveries.c.kind, other.c.occasion == deliveries.c.occasion)
    connection.execute(select(deliveries.c.id).where(mine).with_for_update())  # nobody claims one until the commit
    _move(connection, and_(mine, _is_claimed()), state=_back())
    connection.execute(update(deliveries).where(mine, ~exists().where(same)).values(recipient=new))
    may_have_it = exists().where(same, other.c.state.in_(MAY_ARRIVE))
    twice = and_(mine, is_waiting(), deliveries.c.state == State.QUEUED, may_have_it)
    _end(connection, twice, state=State.SKIPPED, reason=str(SkipReason.SENT_BEFORE), finished_at=now)


def papers_alone(selection: Mapping[str, Any]) -> dict[str, Any]:
    """A selection of an earlier version without reasons and points."""
    return {"picks": [[pick[0], ""] for pick in selection["picks"]], "left_out": selection["left_out"]}


def _of_issue(which: ColumnElement[bool], issue_id: int | None) -> ColumnElement[bool]:
    return which if issue_id is None else and_(which, deliveries.c.issue_id == issue_id)
