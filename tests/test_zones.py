"""A zone is found by what people call it, and the clock of the zone is the one that they meant."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from digest.zones import close_zones, known_zone, shown_zone

NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("Berlin", "Europe/Berlin"),
        ("Europe/Berlin (UTC+1)", "Europe/Berlin"), ("new york", "America/New_York"), ("纽约", "America/New_York"),
        ("beijing", "Asia/Shanghai"), ("Beijing time", "Asia/Shanghai"), ("北京", "Asia/Shanghai"),
        ("北京时间", "Asia/Shanghai"), ("中国", "Asia/Shanghai"), ("Germany", "Europe/Berlin"),
        ("德国", "Europe/Berlin"),
        ("Pacific Time", "America/Los_Angeles"), ("China Standard Time", "Asia/Shanghai"), (" utc ", "UTC"),
        ("Etc/GMT+2", "Etc/GMT+2"), ("Factory", None), ("Etc/Unknown", None), ("UTC+15", None), ("usa", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_zone_is_found_by_what_people_call_it(typed: str, zone: str | None) -> None:
    assert known_zone(typed) == zone


@pytest.mark.parametrize(
    ("typed", "hours"),
    [("GMT+2", 2), ("UTC+8", 8), ("utc+08:00", 8), ("+8", 8), ("GMT-5", -5), ("UTC −5", -5), ("UTC+14", 14), ("+0", 0)],
)
def test_an_offset_is_a_fixed_zone_with_that_clock(typed: str, hours: int) -> None:
    zone = known_zone(typed)
    assert zone is not None
    assert NOW.astimezone(ZoneInfo(zone)).utcoffset() == timedelta(hours=hours)
    assert known_zone(shown_zone(zone)) == zone


@pytest.mark.parametrize(
    ("typed", "zone"), [("Berln", "Europe/Berlin"), ("mosow", "Europe/Moscow"), ("UTC+5:30", "Asia/Kolkata")]
)
def test_close_zones_are_suggested(typed: str, zone: str) -> None:
    assert known_zone(typed) is None
    assert zone in close_zones(typed, NOW)


def test_nothing_is_suggested_for_what_no_zone_is_like() -> None:
    assert close_zones("../../etc/passwd", NOW) == []
