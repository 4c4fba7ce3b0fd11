"""Counts of subscribers, over time and by domain, from their own rows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Date, cast, desc, func, select, type_coerce

from digest.database.tables import events, subscribers
from digest.ledger.kinds import Status
from digest.subscribers.store import count_by_status
from digest.subscribers.subscriptions import SAID_WHY

_NOT_SAID = "no reason given"


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """One day, week or month."""

    first: date
    signed_up: int
    confirmed: int
    left: int  # of those who had confirmed
    total: int  # subscribers at its end, or now


@dataclass(frozen=True, slots=True)
class Growth:
    rows: tuple[GrowthRow, ...]  # oldest first
    reasons: dict[str, int]  # that people chose when they left, since the first day
    now: dict[str, int]  # by status


def growth(connection: Connection, by: str, first: date, last: date) -> Growth:
    """Count by "day", "week" or "month" from the one of `first` to the one of `last`."""
    has_left = (subscribers.c.status == str(Status.UNSUBSCRIBED)) & subscribers.c.confirmed_at.is_not(None)
    signed_up = _by_day(connection, subscribers.c.created_at)
    confirmed = _by_day(connection, subscribers.c.confirmed_at, subscribers.c.confirmed_at.is_not(None))
    left = _by_day(connection, subscribers.c.changed_at, has_left)
    begins = list(_begins(by, first, last))
    total = _within(confirmed, date.min, begins[0]) - _within(left, date.min, begins[0])
    rows = []
    for begin, end in zip(begins, [*begins[1:], date.max], strict=True):
        came, stayed, went = (_within(each, begin, end) for each in (signed_up, confirmed, left))
        total += stayed - went
        rows.append(GrowthRow(begin, came, stayed, went, total))
    return Growth(tuple(rows), _reasons(connection, begins[0]), count_by_status(connection))


def _begins(by: str, first: date, last: date) -> Iterator[date]:
    """The first days of the periods."""
    day = first - timedelta(days=first.weekday()) if by == "week" else first
    day = first.replace(day=1) if by == "month" else day
    while day <= last:
        yield day
        step = {"day": 1, "week": 7, "month": 32}[by]
        day += timedelta(days=step)
        day = day.replace(day=1) if by == "month" else day


def _within(counts: Counter[date], begin: date, end: date) -> int:
    return sum(count for day, count in counts.items() if begin <= day < end)


def _by_day(connection: Connection, at: ColumnElement[Any], *which: ColumnElement[bool]) -> Counter[date]:
    day = day_in_utc(connection, at)
    rows = connection.execute(select(day, func.count()).where(*which).group_by(day))
    return Counter({row[0]: row[1] for row in rows})


def day_in_utc(connection: Connection, at: ColumnElement[Any]) -> ColumnElement[date]:
    """The date of an instant; SQLite stores an instant in UTC as text."""
    if connection.dialect.name == "postgresql":
        return cast(func.timezone("UTC", at), Date)
    return type_coerce(func.substr(at, 1, 10), Date)


def _reasons(connection: Connection, since: date) -> dict[str, int]:
    reason = events.c.detail["reason"].as_string()
    query = select(reason, func.count()).where(
        events.c.what == SAID_WHY, events.c.at >= datetime.combine(since, time(0), UTC)
    )
    return {name or _NOT_SAID: count for name, count in connection.execute(query.group_by(reason).order_by(reason))}


def largest_domains(connection: Connection, limit: int, at_least: int) -> list[tuple[str, int]]:
    """Return the domains of the most confirmed subscribers with their numbers, largest first. Reads every address."""
    sign = func.instr if connection.dialect.name == "sqlite" else func.strpos
    domain = func.substr(subscribers.c.email, sign(subscribers.c.email, "@") + 1).label("domain")
    query = select(domain, func.count().label("people")).where(subscribers.c.status == Status.CONFIRMED)
    query = query.group_by(domain).having(func.count() >= at_least).order_by(desc("people"), domain).limit(limit)
    return [(name, count) for name, count in connection.execute(query)]
