"""Addresses that never get a message, kept as recipient keys so that deleting a subscriber does not lift them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, literal, or_, select, tuple_

from digest.database.dialect import insert_new
from digest.database.engine import note, transaction
from digest.database.tables import failing, subscribers, suppressions
from digest.ledger import events
from digest.ledger.kinds import SuppressionReason
from digest.ledger.replay_log import Entry, note_suppression
from digest.subscribers.subscriber import event_subject


@dataclass(frozen=True, slots=True)
class Suppression:
    key: str
    reason: str
    detail: str
    created_at: datetime
    source: str = ""  # as in SuppressionTerms
    expires_at: datetime | None = None
    address: str | None = None  # None where nobody with it is stored


@dataclass(frozen=True, slots=True)
class SuppressionTerms:
    """The source and end of a suppression."""

    source: str = ""  # "smtp", "maildir", …; "" if a person did it
    expires_at: datetime | None = None


_FOR_GOOD = SuppressionTerms()
_STORED = ("key", "reason", "detail", "created_at", "source", "expires_at")


def suppress(
    connection: Connection,
    key: str,
    reason: SuppressionReason,
    detail: str,
    now: datetime,
    terms: SuppressionTerms = _FOR_GOOD,
) -> bool:
    """Suppress the address behind `key`; False when it already was, for this reason or a stronger one.

    One for good replaces one of the same reason that would end.
    """
    reasons = list(SuppressionReason)
    weaker = suppressions.c.reason.in_([str(each) for each in reasons[: reasons.index(reason)]])
    shorter = (suppressions.c.reason == str(reason)) & suppressions.c.expires_at.is_not(None)
    which = or_(weaker, shorter) if terms.expires_at is None else weaker
    connection.execute(delete(suppressions).where(suppressions.c.key == key, which))
    new = insert_new(connection, suppressions).values(
        key=key, reason=str(reason), detail=detail[:500], created_at=now, **asdict(terms)
    )
    if connection.execute(new.returning(suppressions.c.key)).first() is None:
        return False
    note_suppression(connection, key, reason, terms.expires_at)
    return True


def add_suppressions(connection: Connection, new: Sequence[Suppression]) -> None:
    """Store suppressions of addresses that have none yet, as they are."""
    if new:
        rows = [{name: getattr(each, name) for name in _STORED} for each in new]
        connection.execute(insert_new(connection, suppressions), rows)
    for each in new:
        note_suppression(connection, each.key, each.reason, each.expires_at)


def lift_expired(connection: Connection, now: datetime) -> int:
    """End the suppressions whose time is over; return how many."""
    return connection.execute(delete(suppressions).where(suppressions.c.expires_at <= now)).rowcount


def suppress_by_hand(engine: Engine, key: str, detail: str, now: datetime) -> bool:
    """The same by an operator, with an event."""
    with transaction(engine) as connection:
        changed = suppress(connection, key, SuppressionReason.OPERATOR, detail, now)
        if changed:
            events.record(connection, now, event_subject(key), "suppressed", {"reason": detail})
    return changed


def lift_by_hand(engine: Engine, key: str, now: datetime) -> bool:
    """End a suppression as an operator, with an event; False when there was none."""
    with transaction(engine) as connection:
        changed = lift(connection, key)
        if changed:
            events.record(connection, now, event_subject(key), "suppression lifted", {})
    return changed


def lift(connection: Connection, key: str, only: SuppressionReason | None = None) -> bool:
    """End a suppression, or only one with a given reason; False when there was none."""
    change = delete(suppressions).where(suppressions.c.key == key)
    if only is not None:
        change = change.where(suppressions.c.reason == str(only))
    connection.execute(delete(failing).where(failing.c.recipient == key))
    if connection.execute(change).rowcount != 1:
        return False
    note(connection, {"what": Entry.LIFTED, "key": key}, after=True)
    return True


def is_suppressed(connection: Connection, key: str) -> bool:
    return suppression_of(connection, key) is not None


def suppression_of(connection: Connection, key: str) -> SuppressionReason | None:
    reason = connection.execute(select(suppressions.c.reason).where(suppressions.c.key == key)).scalar()
    return SuppressionReason(reason) if reason else None


def refused_at(connection: Connection, key: str) -> datetime | None:
    """When the mail server refused the address, if that is why it is suppressed."""
    is_refused = (suppressions.c.key == key) & (suppressions.c.reason == str(SuppressionReason.REFUSED))
    return connection.execute(select(suppressions.c.created_at).where(is_refused)).scalar()


_COLUMNS = (*(suppressions.c[name] for name in _STORED), subscribers.c.email)
_SUPPRESSIONS = select(*_COLUMNS).outerjoin(subscribers, subscribers.c.key == suppressions.c.key)


def all_suppressions(
    connection: Connection, limit: int | None = None, before: tuple[datetime, str] | None = None
) -> list[Suppression]:
    """Return every suppression, newest first; only those `before` an instant and, at the same instant, a key."""
    query = _SUPPRESSIONS
    if before is not None:
        at, key = before
        query = query.where(
            tuple_(suppressions.c.created_at, suppressions.c.key)
            < tuple_(literal(at, suppressions.c.created_at.type), key)
        )
    in_order = query.order_by(suppressions.c.created_at.desc(), suppressions.c.key.desc())
    return [Suppression(*row) for row in connection.execute(in_order.limit(limit))]


def suppression_with(connection: Connection, key: str) -> Suppression | None:
    row = connection.execute(_SUPPRESSIONS.where(suppressions.c.key == key)).one_or_none()
    return Suppression(*row) if row else None


def count_suppressions(connection: Connection) -> dict[SuppressionReason, int]:
    by_reason = select(suppressions.c.reason, func.count()).group_by(suppressions.c.reason)
    return {SuppressionReason(reason): count for reason, count in connection.execute(by_reason)}
