"""Who gets an issue: readers by zone and hour, and the one statement a slot that queues their deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, exists, literal, or_, select

from digest.mail.message import Kind
from digest.store.dialect import insert_new
from digest.store.queueing import new_row
from digest.store.tables import deliveries, subscribers, suppressions
from digest.subscribers.subscriber import Status


@dataclass(frozen=True, slots=True)
class Slot:
    """Readers of one zone and hour, and when and on which day of theirs they are due."""

    zone: str
    hour: int
    day: date
    due_at: datetime


def distinct_slots(connection: Connection) -> list[tuple[str, int]]:
    """The zones and hours that confirmed readers ask for."""
    query = select(subscribers.c.zone, subscribers.c.hour).where(subscribers.c.status == Status.CONFIRMED).distinct()
    return [(zone, hour) for zone, hour in connection.execute(query)]


def fan_out(connection: Connection, issue_id: int, day: date, slots: Sequence[Slot], now: datetime) -> int:
    """Queue the issue for everyone who is confirmed, not suppressed, and wants a mail on their day; how many that are.

    One INSERT … SELECT for each slot (there are as many as distinct zones and hours, not readers); a row that is there
    already stays as it is.
    """
    return sum(_fan_out_slot(connection, issue_id, day, slot, now) for slot in slots)


def _fan_out_slot(connection: Connection, issue_id: int, day: date, slot: Slot, now: datetime) -> int:
    fixed = new_row(Kind.DIGEST, day, now) | {
        "issue_id": issue_id,
        "due_at": slot.due_at,
        "next_attempt_at": slot.due_at,
    }
    suppressed = exists().where(suppressions.c.key == subscribers.c.key)
    audience = select(
        subscribers.c.key,
        subscribers.c.id,
        *(literal(value, deliveries.c[name].type) for name, value in fixed.items()),
    ).where(
        subscribers.c.status == Status.CONFIRMED,
        subscribers.c.zone == slot.zone,
        subscribers.c.hour == slot.hour,
        subscribers.c.weekdays.bitwise_and(1 << slot.day.weekday()) != 0,
        or_(subscribers.c.paused_until.is_(None), subscribers.c.paused_until <= slot.day),
        ~suppressed,
    )
    new = insert_new(connection, deliveries).from_select(["recipient", "subscriber_id", *fixed], audience)
    # Without the option SQLAlchemy drops the count of an INSERT.
    return connection.execute(new, execution_options={"preserve_rowcount": True}).rowcount
