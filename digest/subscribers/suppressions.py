"""Addresses that never get a message, kept as recipient keys so that deleting a subscriber does not lift them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, literal, select, tuple_

from digest.database.dialect import insert_new
from digest.database.engine import note, transaction
from digest.database.tables import subscribers, suppressions
from digest.ledger import events
from digest.ledger.kinds import SuppressionReason
from digest.ledger.replay_log import Entry
from digest.subscribers.subscriber import event_subject


@dataclass(frozen=True, slots=True)
class Suppression:
    key: str
    reason: str
    detail: str
    created_at: datetime
    address: str | None = None  # None where nobody with it is stored


def suppress(connection: Connection, key: str, reason: SuppressionReason, detail: str, now: datetime) -> bool:
    """Suppress the address behind `key`; False when it already was, for this reason or a stronger one."""
    reasons = list(SuppressionReason)
    weaker = suppressions.c.reason.in_([str(each) for each in reasons[: reasons.index(reason)]])
    connection.execute(delete(suppressions).where(suppressions.c.key == key, weaker))
    new = insert_new(connection, suppressions).values(key=key, reason=str(reason), detail=detail[:500], created_at=now)
    if connection.execute(new.returning(suppressions.c.key)).first() is None:
        return False
    note(connection, {"what": Entry.SUPPRESSED, "key": key, "reason": reason})
    return True


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


_SUPPRESSIONS = select(
    suppressions.c.key, suppressions.c.reason, suppressions.c.detail, suppressions.c.created_at, subscribers.c.email
).outerjoin(subscribers, subscribers.c.key == suppressions.c.key)


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
