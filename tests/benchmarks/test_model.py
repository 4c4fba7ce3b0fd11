"""The search of benchmarks/model.py in small: every rule holds, and a protection that is taken out is missed."""

import logging

import pytest
import structlog

from benchmarks.model.search import Search
from benchmarks.model.state import Rules


@pytest.fixture(autouse=True)
def without_warnings():
    """Every recovery logs one."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.mark.long
@pytest.mark.parametrize("hold", [False, True], ids=["resend", "hold"])
def test_every_rule_holds_however_two_workers_and_a_crash_interleave(hold):
    found = Search(Rules(messages=1, faults=0, hold=hold)).run()
    assert (found.broken, found.trace) == ("", [])
    assert found.states > 200
    assert found.ends > 20


@pytest.mark.parametrize(
    ("without", "rules", "broken", "last"),
    [
        ("journal", Rules(messages=1, faults=0, people=0), "I2", "the mail server accepts"),
        ("token", Rules(messages=2, crashes=0, faults=0, people=0), "I2", "the mail server accepts"),
        ("recheck", Rules(messages=1, crashes=0, faults=0), "I5", "worker A marks"),
    ],
)
def test_without_a_protection_the_shortest_way_to_a_broken_rule_is_found(without, rules, broken, last):
    found = Search(Rules(rules.messages, rules.crashes, rules.faults, people=rules.people, without=without)).run()
    assert found.broken.startswith(broken)
    assert found.trace[0] == "worker A claims 1"
    assert found.trace[-1].startswith(last)
