"""Two years of five schedulers at once: one issue a date, and one digest a reader and day, whatever the clocks do.

What is expected is found from UTC alone: an hour has come as soon as the reader's clock shows it, or something later.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from digest.database.engine import connect, read_only
from digest.database.tables import deliveries, issues, subscribers
from digest.issues.audit import audit_all
from digest.settings import settings
from tests.support.scenario import add_papers, add_reader
from workers.scheduler import Jobs

SCHEDULERS = 5
FIRST, LAST = date(2025, 1, 1), date(2026, 12, 31)
READERS = {  # hours around the cut, which is at 6 o'clock UTC, and those that a change of clocks leaves out or repeats
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


def days() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=UTC)


def clock_changes(zone: str) -> Iterator[datetime]:
    """The instants at which the clocks of `zone` were changed in these years."""
    instants = (at(FIRST, 0) + HOUR / 2 * number for number in range((LAST - FIRST).days * 48))
    for before, after in pairwise(instants):
        if before.astimezone(ZoneInfo(zone)).utcoffset() != after.astimezone(ZoneInfo(zone)).utcoffset():
            yield after


def ticks() -> list[tuple[datetime, bool]]:
    """When the schedulers look at the clock, and whether all at once (else one after the other, which is sooner done).

    Each day at the cut; all at once in the days around each change of clocks, and at odd instants around it.
    """
    changes = {change for zone in READERS for change in clock_changes(zone)}
    assert len(changes) == 16  # Berlin with London, New York, Lord Howe, Auckland; the others have none now
    found = {at(day, 5, 59): False for day in days()[::7]}  # a minute too early
    for day in days():
        found[at(day, 6)] = day.day == 1 or any(abs(at(day, 6) - change) < 3 * A_DAY for change in changes)
    for change in changes:
        found |= {change + wait: True for wait in (-MINUTE, timedelta(0), MINUTE, 30 * MINUTE)}
    return sorted(found.items())


@pytest.fixture
def schedulers(engine, clock, database_url, monkeypatch):
    """Each with its own connections, as on five machines."""
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SOURCES", "")  # the papers of two years are there already
    settings.cache_clear()
    engines = [connect(database_url) for _ in range(SCHEDULERS)]
    yield [Jobs(settings(), one) for one in engines]
    for one in engines:
        one.dispose()


@pytest.fixture
def readers(engine):
    """One for each zone and hour; and a paper for each day."""
    for number, day in enumerate(days()):
        add_papers(engine, range(number, number + 1), seen_at=at(day, 5))
    for zone, hours in READERS.items():
        for hour in hours:
            add_reader(engine, f"{zone.replace('/', '.').lower()}.{hour}@example.com", zone=zone, hour=hour)


def live(schedulers: list[Jobs], clock) -> None:
    """Two years of ticks; after some of them the machine's clock goes back an hour."""
    with ThreadPoolExecutor(SCHEDULERS) as pool:
        for number, (instant, at_once) in enumerate(ticks()):
            clock.move_to(instant)
            first = number % SCHEDULERS
            in_turn = [one.cut for one in schedulers[first:] + schedulers[:first]]
            if at_once:
                for done in [pool.submit(cut) for cut in in_turn]:
                    done.result()
            else:
                for cut in in_turn:
                    cut()
            if number % 30 == 0:
                clock.move_to(instant - HOUR)
                in_turn[0]()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # on SQLite with `make soak`
def test_five_schedulers_cut_one_issue_a_date_and_no_reader_misses_a_day(engine, schedulers, readers, clock):
    check_two_years(engine, schedulers, clock)


def check_two_years(engine, schedulers, clock):
    live(schedulers, clock)
    with read_only(engine) as connection:
        cut = connection.execute(select(issues.c.date, issues.c.cut_at, issues.c.candidates)).all()
        known_by = subscribers.c.key == deliveries.c.recipient
        columns = (deliveries.c.occasion, deliveries.c.due_at, subscribers.c.zone, subscribers.c.hour)
        rows = connection.execute(select(*columns).join(subscribers, known_by).order_by(deliveries.c.due_at)).all()
        audits = audit_all(connection)

    known = {(zone, hour) for zone, hours in READERS.items() for hour in hours}
    assert sorted(one.date for one in cut) == days()
    assert all(at(one.date, 6) <= one.cut_at < at(one.date, 6) + MINUTE for one in cut)
    assert {one.candidates for one in cut} == {len(known)}
    assert {one.unexplained for one in audits} == {0}

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
    assert set(theirs) == known
    for reader, mine in theirs.items():
        assert mine == [mine[0] + A_DAY * number for number in range(len(days()))], reader
        assert FIRST <= mine[0] <= FIRST + A_DAY
    assert unusual == {  # hours that do not exist, once a year
        ("Europe/Berlin", "02:00 → 03:00"): 2,
        ("Europe/London", "01:00 → 02:00"): 2,
        ("America/New_York", "02:00 → 03:00"): 2,
        ("Australia/Lord_Howe", "02:00 → 02:30"): 2,
        ("Pacific/Auckland", "02:00 → 03:00"): 2,
    }


def shown_in(zone: str, instant: datetime) -> datetime:
    """What a clock on the wall shows."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
