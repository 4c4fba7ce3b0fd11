"""Subscribers with different wishes. Some join, pause or leave during the year."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from benchmarks import world
from digest.database.engine import read_only, transaction
from digest.issues.first_issue import confirm
from digest.subscribers import store
from digest.subscribers.subscriber import EVERY_DAY, WORKDAYS, Consent, Frequency, Preferences, recipient_key
from digest.subscribers.subscriptions import change_preferences, erase, subscribe, unsubscribe

FIRST = date(2026, 1, 5)  # a Monday
CUT = time_of_day(6)  # UTC
DAY = timedelta(days=1)
_LEEWAY = 2 * DAY  # around a day on which a subscriber joins, pauses, comes back or leaves
_PAUSE = 14 * DAY


@dataclass(slots=True)
class Life:
    """A subscriber's choices, and the days on which something changes for them."""

    number: int
    preferences: Preferences
    joins: date
    pauses: date | None = None
    leaves: date | None = None
    is_erased: bool = False
    id: int = 0

    @property
    def address(self) -> str:
        return world.address(self.number)

    @property
    def key(self) -> str:
        return recipient_key(self.address, world.SECRET.encode())

    def expected(self, issue: date) -> Collection[int]:
        """Return the numbers of copies of this issue that they may get."""
        day = self._day_of(issue)
        changes = [self.joins, self.leaves, self.pauses, self.pauses and self.pauses + _PAUSE]
        if any(change and abs(day - change) <= _LEEWAY for change in changes):
            return (0, 1)
        is_paused = self.pauses and self.pauses < day < self.pauses + _PAUSE
        is_here = self.joins < day and not (self.leaves and day > self.leaves) and not is_paused
        return (1,) if is_here and day.weekday() in self.preferences.weekdays else (0,)

    def _day_of(self, issue: date) -> date:
        """The first date on which their hour comes after the cut, where they are, in summer as well as in winter."""
        zone, hour = ZoneInfo(self.preferences.zone), time_of_day(self.preferences.hour)
        offsets = [datetime(issue.year, month, 1, tzinfo=zone).utcoffset() or timedelta() for month in (1, 7)]
        cut = datetime.combine(issue, CUT) + max(offsets)
        return cut.date() if cut.time() <= hour else cut.date() + DAY


def lives(count: int, days: int) -> Iterator[Life]:
    generator = random.Random(count)
    for number in range(1, count + 1):
        chance = generator.random()
        weekdays, frequency = EVERY_DAY, Frequency.DAILY
        if chance < 0.2:
            weekdays = WORKDAYS
        elif chance < 0.25:
            weekdays, frequency = frozenset([generator.randrange(7)]), Frequency.WEEKLY
        preferences = Preferences(
            keywords=tuple(generator.sample(world.SUBJECTS, 3)),
            full_lists=generator.random() < 0.5,
            weekdays=weekdays,
            frequency=frequency,
            zone=world.ZONES[number % len(world.ZONES)],
            hour=generator.randrange(24),
        )
        life = Life(number, preferences, FIRST - 30 * DAY)
        some_day = FIRST + DAY * generator.randrange(5, max(6, days - 20))
        match generator.randrange(20):
            case 0 if frequency is Frequency.DAILY:
                life.joins = some_day
            case 1:
                life.pauses = some_day
            case 2:
                life.leaves = some_day
            case 3:
                life.leaves, life.is_erased = some_day, True
        yield life


def add_first(engine: Engine, lives: Sequence[Life]) -> None:
    """Store those who have been subscribers for a month."""
    with transaction(engine) as connection:
        for life in lives:
            then = datetime.combine(life.joins, time_of_day(), tzinfo=UTC)
            store.add_pending(connection, life.address, life.key, life.preferences, Consent(then, "", "benchmark"))
            life.id = _id(connection, life)
            store.set_confirmed(connection, life.id, "", then)


def _join(engine: Engine, life: Life, now: datetime) -> None:
    """Sign up as through the form, and follow the link in the email at once."""
    subscribe(engine, life.address, Consent(now, "", "benchmark"), world.SECRET.encode(), life.preferences)
    with read_only(engine) as connection:
        life.id = _id(connection, life)
    confirm(engine, life.id, "", now)


def _id(connection: Connection, life: Life) -> int:
    subscriber = store.by_key(connection, life.key)
    if subscriber is None:
        raise RuntimeError(f"{life.address} was not stored")
    return subscriber.id


def change_lives(engine: Engine, lives: Sequence[Life], day: date, now: datetime) -> None:
    """Let them join, pause and leave on their days."""
    for life in lives:
        if life.joins == day:
            _join(engine, life, now)
        if life.pauses == day:
            change_preferences(engine, life.id, replace(life.preferences, paused_until=day + _PAUSE), now)
        if life.leaves == day and life.is_erased:
            erase(engine, life.id, now)
        elif life.leaves == day:
            unsubscribe(engine, life.id, now, "link")
