"""Issues are due at the subscriber's hour, one on each of their days, whatever the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from digest.subscribers.subscriber import due_instant, local_day

CUT = time(6, 0)
ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "Asia/Kolkata",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Casablanca",
)  # fmt: skip


def test_a_subscriber_is_due_at_their_hour_after_the_cut():
    assert due_instant(date(2026, 1, 15), CUT, "America/New_York", 7) == datetime(2026, 1, 15, 12, tzinfo=UTC)


def test_a_subscriber_whose_hour_is_before_the_cut_is_due_the_next_day():
    assert due_instant(date(2026, 1, 15), CUT, "UTC", 5) == datetime(2026, 1, 16, 5, tzinfo=UTC)


def test_a_subscriber_whose_hour_is_the_cut_is_due_at_once():
    assert due_instant(date(2026, 1, 15), CUT, "UTC", 6) == datetime(2026, 1, 15, 6, tzinfo=UTC)


def test_an_hour_that_does_not_exist_is_the_first_instant_after_the_gap():
    day = next(d for d in _days(2026) if local_day(d, CUT, "Europe/Berlin", 2) == date(2026, 3, 29))
    assert due_instant(day, CUT, "Europe/Berlin", 2) == datetime(2026, 3, 29, 1, tzinfo=UTC)  # 03:00 summer time


def test_an_hour_that_comes_twice_is_the_first():
    day = next(d for d in _days(2026) if local_day(d, CUT, "Europe/Berlin", 2) == date(2026, 10, 25))
    assert due_instant(day, CUT, "Europe/Berlin", 2) == datetime(2026, 10, 25, 0, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_in_two_years_every_local_day_has_one_issue_and_none_comes_before_its_cut(zone):
    for hour in range(24):
        days = [local_day(day, CUT, zone, hour) for day in (*_days(2026), *_days(2027))]
        assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
        for issue_day in _days(2026):
            due = due_instant(issue_day, CUT, zone, hour)
            cut = datetime.combine(issue_day, CUT, tzinfo=UTC)
            assert cut <= due <= cut + timedelta(hours=26)
            assert due.astimezone(ZoneInfo(zone)).date() == local_day(issue_day, CUT, zone, hour)


def _days(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]
