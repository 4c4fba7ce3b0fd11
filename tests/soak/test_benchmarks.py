"""The benchmark of pausing and unsubscribing in small; tests/end_to_end/test_pausing.py checks the same behaviour."""

import pytest

from tests.end_to_end.test_benchmarks import measure as measure

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


def test_workers_obey_while_an_issue_goes_out(measure):
    result = measure("halting", "--mails", "800", "--leave", "40", "--seconds", "6", "--watch", "2")
    assert result["late"] == result["extra"] == result["unexplained"] == 0
    assert result["skipped"]["unsubscribed"] > 0
    assert result["skipped"]["issue cancelled"] > 0
    assert result["taken"] + sum(result["skipped"].values()) == 800
