"""Five schedulers at once while clocks change: one issue a date, and one digest a subscriber and day.

The expected times follow from UTC alone: an hour has come as soon as the subscriber's clock shows it or a later one.
The suite lives through the days around the changes of clocks of a year, `make soak` through two whole years.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from digest.database.engine import connect, read_only
from digest.database.tables import deliveries, issues, subscribers
from digest.issues.audit import audit_all
from digest.settings import settings
from tests.support.scenario import add_papers, add_subscriber
from workers.scheduler import Jobs

SCHEDULERS = 5
HOURS = {  # hours around the cut, which is at 6 o'clock UTC, and those that a change of clocks leaves out or repeats
    "UTC": (5, 6),
    "Europe/Berlin": (2, 7, 8),
    "Europe/London": (1, 6, 7),
    "America/New_York": (1, 2),
    "America/Sao_Paulo": (3,),
    "Asia/Kolkata": (11, 12),
    "Asia/Kathmandu": (0,),
    "Australia/Lord_Howe": (2, 17),
    "Pacific/Apia": (19,),
    "Pacific/Auckland": (2, 19),
}
SECOND, MINUTE, HOUR, A_DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """The dates of a simulation, and what the clocks do in it."""

    first: date
    last: date
    clock_changes: int
    missing_hours: dict[tuple[str, str], int]  # zone, chosen hour → hour that the clock shows instead: how often

    def days(self) -> list[date]:
        return [self.first + A_DAY * number for number in range((self.last - self.first).days + 1)]


DAYS_AROUND_CHANGES = (  # at least two days before and after each change
    Period(date(2025, 3, 7), date(2025, 3, 11), 1, {("America/New_York", "02:00 → 03:00"): 1}),
    Period(
        date(2025, 3, 28),
        date(2025, 4, 8),
        3,
        {("Europe/Berlin", "02:00 → 03:00"): 1, ("Europe/London", "01:00 → 02:00"): 1},
    ),
    Period(
        date(2025, 9, 25),
        date(2025, 10, 7),
        2,
        {("Australia/Lord_Howe", "02:00 → 02:30"): 1, ("Pacific/Auckland", "02:00 → 03:00"): 1},
    ),
    Period(date(2025, 10, 24), date(2025, 11, 4), 2, {}),
)
TWO_YEARS = Period(
    date(2025, 1, 1),
    date(2026, 12, 31),
    16,
    {hour: 2 for period in DAYS_AROUND_CHANGES for hour in period.missing_hours},
)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=UTC)


def clock_changes(period: Period, zone: str) -> Iterator[datetime]:
    """The instants at which the clocks of `zone` changed."""
    instants = (at(period.first, 0) + HOUR / 2 * number for number in range(len(period.days()) * 48))
    for before, after in pairwise(instants):
        if before.astimezone(ZoneInfo(zone)).utcoffset() != after.astimezone(ZoneInfo(zone)).utcoffset():
            yield after


def ticks(period: Period) -> list[tuple[datetime, bool]]:
    """When the schedulers look at the clock, and whether all at once (else one after the other, which is faster).

    Each day at the cut; all at once in the days around each change of clocks, and at odd instants around it.
    """
    changes = {change for zone in HOURS for change in clock_changes(period, zone)}
    assert len(changes) == period.clock_changes  # the other zones do not change their clocks any more
    instants = {at(day, 5, 59): False for day in period.days()[::7]}  # a minute too early
    for day in period.days():
        instants[at(day, 6)] = day.day == 1 or any(abs(at(day, 6) - change) < 3 * A_DAY for change in changes)
    for change in changes:
        instants |= {change + wait: True for wait in (-MINUTE, timedelta(0), MINUTE, 30 * MINUTE)}
    return sorted(instants.items())


@pytest.fixture
def schedulers(engine, clock, database_url, monkeypatch):
    """Each with its own connections, as on five machines."""
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SOURCES", "feeds")  # the papers are there already
    settings.cache_clear()
    engines = [connect(database_url) for _ in range(SCHEDULERS)]
    yield [Jobs(settings(), engine) for engine in engines]
    for engine in engines:
        engine.dispose()


@pytest.fixture
def subscribers_everywhere(engine, period):
    """One for each zone and hour; and a paper for each day."""
    for number, day in enumerate(period.days()):
        add_papers(engine, range(number, number + 1), seen_at=at(day, 5))
    for zone, hours in HOURS.items():
        for hour in hours:
            add_subscriber(engine, f"{zone.replace('/', '.').lower()}.{hour}@example.com", zone=zone, hour=hour)


def live(schedulers: list[Jobs], clock, period: Period) -> None:
    """Every tick of the period; after some of them the machine's clock goes back an hour."""
    with ThreadPoolExecutor(SCHEDULERS) as pool:
        for number, (instant, at_once) in enumerate(ticks(period)):
            clock.move_to(instant)
            first = number % SCHEDULERS
            in_turn = [jobs.cut for jobs in schedulers[first:] + schedulers[:first]]
            if at_once:
                for done in [pool.submit(cut) for cut in in_turn]:
                    done.result()
            else:
                for cut in in_turn:
                    cut()
            if number % 30 == 0:
                clock.move_to(instant - HOUR)
                in_turn[0]()


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # on SQLite with `make soak`
@pytest.mark.parametrize("period", DAYS_AROUND_CHANGES, ids=lambda period: period.first.isoformat())
def test_five_schedulers_cut_one_issue_a_date_and_no_subscriber_misses_a_day(
    engine, schedulers, subscribers_everywhere, clock, period
):
    check_period(engine, schedulers, clock, period)


def check_period(engine, schedulers, clock, period):
    live(schedulers, clock, period)
    with read_only(engine) as connection:
        cut = connection.execute(select(issues.c.date, issues.c.cut_at, issues.c.candidates)).all()
        recipient = subscribers.c.key == deliveries.c.recipient
        columns = (deliveries.c.occasion, deliveries.c.due_at, subscribers.c.zone, subscribers.c.hour)
        rows = connection.execute(select(*columns).join(subscribers, recipient).order_by(deliveries.c.due_at)).all()
        audits = audit_all(connection)

    expected = {(zone, hour) for zone, hours in HOURS.items() for hour in hours}
    assert sorted(issue.date for issue in cut) == period.days()
    assert all(at(issue.date, 6) <= issue.cut_at < at(issue.date, 6) + MINUTE for issue in cut)
    assert {issue.candidates for issue in cut} == {len(expected)}
    assert {audit.unexplained for audit in audits} == {0}

    theirs: dict[tuple[str, int], list[date]] = defaultdict(list)
    unusual: Counter[tuple[str, str]] = Counter()
    for row in rows:
        shown, before = shown_in(row.zone, row.due_at), shown_in(row.zone, row.due_at - SECOND)
        hour = datetime.combine(shown.date(), time(row.hour))
        assert before < hour <= shown  # the first instant at which their clock shows the hour, or something later
        assert row.due_at >= at(date.fromisoformat(row.occasion), 6)
        theirs[row.zone, row.hour].append(shown.date())
        if shown != hour:
            unusual[row.zone, f"{row.hour:02}:00 → {shown:%H:%M}"] += 1
    assert set(theirs) == expected
    for subscriber, dates in theirs.items():
        assert dates == [dates[0] + A_DAY * number for number in range(len(period.days()))], subscriber
        assert period.first <= dates[0] <= period.first + A_DAY
    assert unusual == period.missing_hours


def shown_in(zone: str, instant: datetime) -> datetime:
    """Local time without a zone."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
