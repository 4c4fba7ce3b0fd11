"""The simulation holds its invariants and repeats itself exactly, and what is planted for it applies.

Five seeds, since each takes a second of CPU; `.ci/run` takes 40 new ones, `make simulate` as many as are asked for.
"""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.planted.__main__ import applies, patches
from benchmarks.simulate.report import Report
from benchmarks.simulate.run import Simulator
from benchmarks.structure import ROOT

# A program that is killed leaves coroutines behind that nobody ever awaits.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
SEEDS = range(1, 6)


@pytest.fixture(scope="module")
def results():
    simulator = Simulator()
    try:
        return [simulator.run(seed) for seed in SEEDS]
    finally:
        simulator.close()


def test_no_invariant_is_broken(results):
    assert {result.seed: result.problems for result in results if result.problems} == {}


def test_every_run_has_twenty_deliveries_two_workers_a_crash_and_three_faults(results):
    for result in results:
        assert result.deliveries >= 20
        assert result.workers in (2, 3)
        assert result.crashes.total() >= 1
        assert result.faults.total() >= 3


def test_a_seed_repeats_a_run_exactly_in_another_process(results):
    last = results[-1]
    here = Report()
    here.add(last)
    command = [sys.executable, "-m", "benchmarks.simulate", "--seed", str(last.seed), "--json", "--processes", "1"]
    environment = os.environ | {"PYTHONHASHSEED": "1"}  # this process drew one by chance
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert json.loads(run.stdout)["trace"] == here.trace


@pytest.mark.parametrize("patch", patches(), ids=lambda patch: patch.stem)
def test_each_planted_bug_applies_to_the_code_as_it_is(patch):
    assert applies(patch)
