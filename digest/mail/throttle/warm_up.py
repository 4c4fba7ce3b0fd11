"""Counts the messages of each day of a warm-up, of all workers together."""

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, func, select, update

from digest.database.dialect import insert_or_change
from digest.database.tables import sent_days
from digest.mail.throttle.limits import Limits
from digest.text import minute_of


def sent_on(connection: Connection, day: date) -> int:
    """Including those that are on the wire."""
    return connection.execute(select(sent_days.c.mails).where(sent_days.c.day == day)).scalar() or 0


def why_full(connection: Connection, limits: Limits, now: datetime) -> str:
    """Why no more of an issue is sent on this day of a warm-up, for people; "" while it has room."""
    day = now.astimezone(UTC).date()
    limit = limits.day_limit(day)
    return full(limit, now) if limit is not None and sent_on(connection, day) >= limit else ""


def full(limit: int, now: datetime) -> str:
    return f"the {limit} messages of this day of the warm-up are sent; it goes on at {minute_of(midnight(now))}"


def midnight(now: datetime) -> datetime:
    """The end of the day (UTC)."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def reserve(connection: Connection, day: date, wanted: int, limit: int) -> int:
    """Count up to `wanted` messages, as many as the day's `limit` still has room for. Returns how many."""
    row = (
        insert_or_change(connection, sent_days, ["day"], {"day": day})
        .values(day=day, mails=0)
        .returning(sent_days.c.mails)
    )
    sent: int = connection.execute(row).scalar_one()
    granted = max(0, min(wanted, limit - sent))
    if granted:
        connection.execute(update(sent_days).where(sent_days.c.day == day).values(mails=sent + granted))
    return granted


def give_back(connection: Connection, day: date, unsent: int) -> None:
    """Make room again for messages that were counted and not accepted."""
    left = sent_days.c.mails - unsent
    floor = func.max if connection.dialect.name == "sqlite" else func.greatest
    connection.execute(update(sent_days).where(sent_days.c.day == day).values(mails=floor(left, 0)))
