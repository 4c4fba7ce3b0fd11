"""The simulation of tests/end_to_end/test_two_years.py over two whole years, on both databases."""

import pytest

from tests.end_to_end.test_two_years import TWO_YEARS, check_period, schedulers, subscribers_everywhere

__all__ = ["schedulers", "subscribers_everywhere"]  # fixtures


@pytest.mark.timeout(600)
@pytest.mark.parametrize("period", [TWO_YEARS], ids=["two years"])
def test_in_two_years_no_subscriber_misses_a_day(engine, schedulers, subscribers_everywhere, clock, period):
    check_period(engine, schedulers, clock, period)
