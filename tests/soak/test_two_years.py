"""The two years of tests/end_to_end/test_two_years.py, on SQLite."""

import pytest

from tests.end_to_end.test_two_years import check_two_years, readers, schedulers

__all__ = ["readers", "schedulers"]  # fixtures


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_on_sqlite_too_no_reader_misses_a_day(engine, schedulers, readers, clock):
    check_two_years(engine, schedulers, clock)
