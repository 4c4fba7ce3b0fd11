"""The simulated day loses no message and finds the bottleneck."""

from dataclasses import replace

import pytest

from benchmarks.growth import Capacity, due_by_minute, one_day, warm_up_days

AMPLE = Capacity(
    worker_ms=1,
    database_ms=0.2,
    cores=2,
    database_cores=2,
    relays=1,
    relay_rate=10_000,
    provider_share=0.4,
    provider_rate=10_000,
)


def test_every_subscriber_has_one_message_a_day() -> None:
    assert sum(due_by_minute(1_000_000)) == pytest.approx(1_000_000)


@pytest.mark.parametrize(
    ("change", "short"),
    [
        ({"cores": 0.1}, "workers"),
        ({"database_cores": 0.01}, "database"),
        ({"relay_rate": 10}, "relays"),
        ({"provider_rate": 1}, "provider"),
    ],
)
def test_a_bottleneck_is_named_and_makes_messages_late(change: dict[str, float], short: str) -> None:
    due = due_by_minute(200_000)
    scarce = one_day(due, replace(AMPLE, **change))
    assert one_day(due, AMPLE).short == ""
    assert (scarce.short, scarce.late_most > 0) == (short, True)


def test_messages_beyond_the_capacity_of_a_day_are_left() -> None:
    # Two days at one message a second.
    day = one_day(due_by_minute(1_000_000), replace(AMPLE, relay_rate=1))
    assert 1_000_000 - 2 * 86_400 <= day.left < 1_000_000


def test_a_limit_that_grows_each_day_reaches_the_whole_list() -> None:
    assert (warm_up_days(500, 500, 1.3), warm_up_days(501, 500, 1.3), warm_up_days(1_000, 500, 2)) == (0, 1, 1)
