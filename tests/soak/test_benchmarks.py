"""Benchmarks in small: pausing and unsubscribing as in tests/end_to_end/test_pausing.py, and an aged database.

The suite measures a first day only.
"""

import pytest

from tests.end_to_end.test_benchmarks import measure as measure

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


def test_workers_obey_while_an_issue_goes_out(measure):
    result = measure("halting", "--mails", "800", "--leave", "40", "--seconds", "6", "--watch", "2")
    assert result["late"] == result["extra"] == result["unexplained"] == 0
    assert result["skipped"]["unsubscribed"] > 0
    assert result["skipped"]["issue cancelled"] > 0
    assert result["taken"] + sum(result["skipped"].values()) == 800


def test_delivery_is_measured_after_earlier_issues(measure):
    result = measure("delivery", "--subscribers", "300", "--rounds", "1")
    assert (result["lost"], result["extra"], result["wrong_recipient"]) == (0, 0, 0)
    assert (result["different_lists"], result["first_day"]) == (1, False)
