"""Failed messages and their effect on an address: the same rule for refusals in the session and for later reports.

A hard failure suppresses the address for good; if it worked lately, only if the next message fails a day later as well,
because a server in trouble calls good addresses unknown. A soft one adds 1 to a score, once a day, that loses 1 in two
weeks; at 5 the address is suppressed for 90 days. A complaint suppresses it at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, delete, exists, select, update

from digest.database.dialect import insert_into
from digest.database.tables import bounces, deliveries, failing
from digest.ledger import events
from digest.ledger.kinds import FailureEffect, FailureKind, State, SuppressionReason
from digest.mail import suppression_guard
from digest.subscribers.subscriber import event_subject
from digest.subscribers.suppressions import SuppressionTerms, suppress

LATELY = timedelta(days=30)
SECOND_LOOK_AFTER = timedelta(hours=20)  # for a day: the next daily issue may be due a little earlier
ENOUGH, DAYS_PER_POINT = 5.0, 14
SUPPRESSED_FOR = timedelta(days=90)
KEPT = timedelta(days=365)
SMTP = "smtp"  # the source of a refusal in the session
# Security and policy (RFC 3463 §3.8), protocol, content, and systems that do not accept the message.
_ABOUT_SENDER = ("5.7.", "5.5.", "5.6.", "5.3.")
_SENDER_ADDRESS = {"5.1.7", "5.1.8"}  # codes of addressing (5.1.x) about the sender's address
_UNDEFINED = {"5.3.0", "5.5.0"}  # "other or undefined": some servers use these for an unknown user


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that failed."""

    delivery_id: int
    recipient: str  # key
    subscriber_id: int | None
    kind: FailureKind
    status: str  # "5.1.1"; "" if there was none
    code: int | None
    source: str  # how it arrived: SMTP, "maildir", …
    at: datetime
    domain: str = ""  # of the address, for messages of issues
    text: str = ""
    reporter: str = ""


def is_about_sender(status: str) -> bool:
    """True if an enhanced code is not about the address."""
    status = f"5{status[1:]}"
    return (status.startswith(_ABOUT_SENDER) and status not in _UNDEFINED) or status in _SENDER_ADDRESS


def record_failure(connection: Connection, failure: Failure) -> tuple[int, FailureEffect] | None:
    """Store a report and apply it. Returns its number and effect; None if it was already stored."""
    number = _store(connection, failure)
    if number is None:
        return None
    _note_hard(connection, [failure])
    return number, _effect(connection, failure, number)


def record_refusals(connection: Connection, failures: Sequence[Failure]) -> None:
    """Store and apply refusals in the session; a delivery that was retried by hand may be refused again."""
    _note_hard(connection, failures)
    for failure in failures:
        _effect(connection, failure, _store(connection, failure))


def _note_hard(connection: Connection, failures: Sequence[Failure]) -> None:
    """Count the hard failures of issues, which may freeze suppression.

    A stranger can sign up addresses that fail, but they get no issue.
    """
    hard = [failure for failure in failures if failure.kind is FailureKind.HARD and failure.domain]
    if hard:
        suppression_guard.note(connection, [failure.domain for failure in hard], hard[-1].at)


def _effect(connection: Connection, failure: Failure, number: int | None) -> FailureEffect:
    is_frozen = suppression_guard.frozen(connection) is not None
    effect = FailureEffect.HELD if is_frozen else apply(connection, failure)
    if effect is not FailureEffect.NONE and number is not None:
        values = {"number": number, "new_effect": str(effect)}
        connection.execute(_statements(connection.dialect.name).set_effect, values)
    return effect


def _store(connection: Connection, failure: Failure) -> int | None:
    values = {
        "at": failure.at,
        "delivery_id": failure.delivery_id,
        "recipient": failure.recipient,
        "subscriber_id": failure.subscriber_id,
        "kind": str(failure.kind),
        "status": failure.status[:12],
        "text": failure.text[:500] if failure.subscriber_id is not None else "",
        "reporter": failure.reporter[:120],
        "way": failure.source,
        "effect": str(FailureEffect.NONE),
    }
    number: int | None = connection.execute(_statements(connection.dialect.name).store, values).scalar()
    return number


def apply(connection: Connection, failure: Failure) -> FailureEffect:
    """Apply a failure to its address."""
    if failure.kind is FailureKind.COMPLAINT:
        return _suppress(connection, failure, SuppressionReason.COMPLAINED)
    if is_about_sender(failure.status):
        return FailureEffect.NONE
    row = _locked(connection, failure)
    if failure.kind is FailureKind.SOFT:
        return _score(connection, failure, row)
    looked = row.first_look_at if row.first_look_at and failure.at - row.first_look_at < LATELY else None
    if _has_worked(connection, failure, looked or failure.at - LATELY):
        _change(connection, failure, first_look_at=failure.at)
        return FailureEffect.SECOND_LOOK
    if looked and failure.at - looked < SECOND_LOOK_AFTER:
        return FailureEffect.SECOND_LOOK
    return _suppress(connection, failure, SuppressionReason.REFUSED)


def forget_old_failures(connection: Connection, now: datetime) -> None:
    """Delete failures after a year, and the scores of addresses that no longer count."""
    connection.execute(delete(bounces).where(bounces.c.at < now - KEPT, bounces.c.effect != str(FailureEffect.HELD)))
    old = (now - timedelta(days=ENOUGH * DAYS_PER_POINT)).date()
    connection.execute(delete(failing).where(failing.c.scored_on < old, failing.c.first_look_at.is_(None)))
    stale = (failing.c.scored_on < old) & (failing.c.first_look_at < now - LATELY)
    connection.execute(delete(failing).where(stale))


def _score(connection: Connection, failure: Failure, row: Row[Any]) -> FailureEffect:
    day = failure.at.astimezone(UTC).date()
    if row.score and day <= row.scored_on:
        return FailureEffect.SCORED
    score = score_after(row.score, row.scored_on, day)
    if score >= ENOUGH:
        return _suppress(connection, failure, SuppressionReason.REFUSED, failure.at + SUPPRESSED_FOR)
    _change(connection, failure, score=score, scored_on=day)
    return FailureEffect.SCORED


def score_after(score: float, scored_on: date, day: date) -> float:
    """Return the score after another day of soft failures."""
    return max(0.0, score - (day - scored_on).days / DAYS_PER_POINT) + 1.0


def _suppress(
    connection: Connection, failure: Failure, reason: SuppressionReason, expires_at: datetime | None = None
) -> FailureEffect:
    # Without the server's text: a suppression outlives its subscriber, whom the text may name.
    detail = " ".join(filter(None, (str(failure.code or ""), failure.status)))
    terms = SuppressionTerms(failure.source, expires_at)
    connection.execute(delete(failing).where(failing.c.recipient == failure.recipient))
    if not suppress(connection, failure.recipient, reason, detail, failure.at, terms):
        return FailureEffect.NONE
    about = {"reason": f"{reason} {detail}".strip(), "source": failure.source}
    events.record(connection, failure.at, event_subject(failure.recipient), "suppressed", about)
    return FailureEffect.SUPPRESSED


def _locked(connection: Connection, failure: Failure) -> Row[Any]:
    """Lock the row of the address until the transaction ends, and return it."""
    key = {"recipient": failure.recipient}
    values = {**key, "score": 0.0, "scored_on": failure.at.astimezone(UTC).date(), "first_look_at": None}
    return connection.execute(_statements(connection.dialect.name).lock, values).one()


def _change(connection: Connection, failure: Failure, **values: Any) -> None:
    connection.execute(update(failing).where(failing.c.recipient == failure.recipient).values(values))


def _has_worked(connection: Connection, failure: Failure, since: datetime) -> bool:
    """True if another message was accepted since then, and has not come back."""
    values = {
        "to": failure.recipient,
        # An issue may be sent a day after its date.
        "first": (since - timedelta(days=2)).date().isoformat(),
        "this": failure.delivery_id,
        "since": since,
        "until": failure.at,
    }
    return connection.execute(_statements(connection.dialect.name).worked, values).first() is not None


class _Statements(NamedTuple):
    store: Any
    set_effect: Any
    lock: Any
    worked: Any


@cache
def _statements(dialect: str) -> _Statements:
    # Building one takes as long as executing it.
    came_back = exists().where(bounces.c.delivery_id == deliveries.c.id, bounces.c.kind == str(FailureKind.HARD))
    worked = select(deliveries.c.id).where(
        deliveries.c.recipient == bindparam("to"),
        deliveries.c.occasion >= bindparam("first"),  # in the index, so that only the rows of the last weeks are read
        deliveries.c.id != bindparam("this"),
        deliveries.c.state == State.ACCEPTED,
        deliveries.c.finished_at > bindparam("since"),
        deliveries.c.finished_at <= bindparam("until"),
        ~came_back,
    )
    lock = insert_into(dialect, failing)
    same = {"recipient": lock.excluded.recipient}
    return _Statements(
        insert_into(dialect, bounces).on_conflict_do_nothing().returning(bounces.c.id),
        update(bounces).where(bounces.c.id == bindparam("number")).values(effect=bindparam("new_effect")),
        lock.on_conflict_do_update(index_elements=["recipient"], set_=same).returning(*failing.columns),
        worked.limit(1),
    )
