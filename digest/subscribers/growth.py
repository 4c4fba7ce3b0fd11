"""Counts of subscribers, over time and by domain, from their own rows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Date, cast, delete, desc, func, select, text, type_coerce

from digest.database.dialect import insert_or_change
from digest.database.tables import events, subscriber_days, subscribers
from digest.database.tables.ledger import REASONS_TO_LEAVE
from digest.ledger.kinds import Status
from digest.subscribers.store import count_by_status
from digest.subscribers.subscriber import Period

COUNTED_AT_ONCE = 50_000  # subscribers; counting more takes too long for a page
_COUNTED = ("signed_up", "confirmed", "left")
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
    counted_at: datetime | None = None  # of the rows; None: now


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Subscribers by day, each in UTC."""

    signed_up: Counter[date]
    confirmed: Counter[date]
    left: Counter[date]
    counted_at: datetime | None = None


def growth(connection: Connection, by: Period, first: date, last: date) -> Growth:
    """Count by period, from the one of `first` to the one of `last`. Reads every subscriber."""
    return _growth(connection, count_days(connection), list(_begins(by, first, last)))


def quick_growth(connection: Connection, by: Period, first: date, last: date) -> Growth:
    """The same for a page: of many subscribers, as store_days() counted them last."""
    days = None if is_quick_to_count(connection) else _stored(connection)
    return _growth(connection, days or count_days(connection), list(_begins(by, first, last)))


def is_quick_to_count(connection: Connection) -> bool:
    """True if there are so few subscribers that a page may read all of them."""
    beyond = select(subscribers.c.id).order_by(subscribers.c.id).offset(COUNTED_AT_ONCE).limit(1)
    return connection.execute(beyond).first() is None


def count_days(connection: Connection) -> DayCounts:
    """Count the subscribers of each day. Reads every subscriber."""
    has_left = (subscribers.c.status == str(Status.UNSUBSCRIBED)) & subscribers.c.confirmed_at.is_not(None)
    return DayCounts(
        _by_day(connection, subscribers.c.created_at),
        _by_day(connection, subscribers.c.confirmed_at, subscribers.c.confirmed_at.is_not(None)),
        _by_day(connection, subscribers.c.changed_at, has_left),
    )


def store_days(connection: Connection, counted: DayCounts, now: datetime) -> None:
    """Store what count_days() counted, for quick_growth()."""
    every = sorted(counted.signed_up | counted.confirmed | counted.left)
    rows = [{"day": day, "counted_at": now} | {name: getattr(counted, name)[day] for name in _COUNTED} for day in every]
    if rows:  # changed in place: another scheduler may do the same
        connection.execute(insert_or_change(connection, subscriber_days, ["day"]), rows)
    connection.execute(delete(subscriber_days).where(subscriber_days.c.counted_at < now))


def _stored(connection: Connection) -> DayCounts | None:
    rows = connection.execute(select(subscriber_days)).all()
    if not rows:
        return None
    signed_up, confirmed, left = (Counter({row.day: getattr(row, name) for row in rows}) for name in _COUNTED)
    return DayCounts(signed_up, confirmed, left, rows[0].counted_at)


def _growth(connection: Connection, days: DayCounts, begins: list[date]) -> Growth:
    total = _within(days.confirmed, date.min, begins[0]) - _within(days.left, date.min, begins[0])
    rows = []
    for begin, end in zip(begins, [*begins[1:], date.max], strict=True):
        came, stayed, went = (_within(each, begin, end) for each in (days.signed_up, days.confirmed, days.left))
        total += stayed - went
        rows.append(GrowthRow(begin, came, stayed, went, total))
    now = count_by_status(connection)
    return Growth(tuple(rows), _reasons(connection, begins[0]), now, days.counted_at)


def _begins(by: Period, first: date, last: date) -> Iterator[date]:
    """The first days of the periods."""
    day = first - timedelta(days=first.weekday()) if by is Period.WEEK else first
    day = first.replace(day=1) if by is Period.MONTH else day
    while day <= last:
        yield day
        step = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 32}[by]
        day += timedelta(days=step)
        day = day.replace(day=1) if by is Period.MONTH else day


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
    left = text(REASONS_TO_LEAVE)  # the same text as in the index
    query = select(reason, func.count()).where(left, events.c.at >= datetime.combine(since, time(0), UTC))
    return {name or _NOT_SAID: count for name, count in connection.execute(query.group_by(reason).order_by(reason))}


def largest_domains(connection: Connection, limit: int, at_least: int) -> list[tuple[str, int]]:
    """Return the domains of the most confirmed subscribers with their numbers, largest first. Reads every address."""
    sign = func.instr if connection.dialect.name == "sqlite" else func.strpos
    domain = func.substr(subscribers.c.email, sign(subscribers.c.email, "@") + 1).label("domain")
    query = select(domain, func.count().label("people")).where(subscribers.c.status == Status.CONFIRMED)
    query = query.group_by(domain).having(func.count() >= at_least).order_by(desc("people"), domain).limit(limit)
    return [(name, count) for name, count in connection.execute(query)]
