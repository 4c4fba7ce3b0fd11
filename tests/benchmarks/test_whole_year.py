"""The judge of the simulated year, on a handful of subscribers and days."""

import argparse

import pytest

from benchmarks.whole_year import __main__ as whole_year
from benchmarks.whole_year.judge import Mailbox
from digest import machine_clock


@pytest.fixture
def year():
    """Return a simulation of three days, after which the machine's clock is real again."""
    clocks = machine_clock.now, machine_clock.monotonic, machine_clock.sleep
    yield lambda: whole_year.measure(argparse.Namespace(subscribers=12, days=3))
    machine_clock.replace(*clocks)


def test_only_the_message_that_was_doubled_and_the_one_that_was_lost_break_a_promise(year, monkeypatch):
    submit, faults = Mailbox.submit, []

    def double_one_and_lose_another(self, window, now, begin_until):
        replies = submit(self, window, now, begin_until)
        if faults == ["doubled"]:
            self.log.pop()
            faults.append("lost")
        if not faults:
            self.log.append(self.log[-1])
            faults.append("doubled")
        return replies

    monkeypatch.setattr(Mailbox, "submit", double_one_and_lose_another)
    results = year()
    assert faults == ["doubled", "lost"]
    assert results["messages"]["digest"] >= 12
    assert results["papers_twice"] == 1
    assert results["broken"] == 3  # the papers, the number of that issue, and the lost issue
