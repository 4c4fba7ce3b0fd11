"""The benchmarks in small: they run, print what outside things read, and their judge finds nothing to complain of."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.postfix_tools import ToolsMissing, find_tools
from tests.support.servers_used import ran_on

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def measure(request, tmp_path):
    """Run a benchmark; the JSON that it prints last."""

    def run(name, *arguments):
        ran_on(request, "Celery worker processes")
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--json"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_delivery_is_measured_beside_smtp_source(measure):
    try:
        find_tools()
    except ToolsMissing as missing:
        pytest.skip(str(missing))
    result = measure("delivery", "--subscribers", "200", "--rounds", "1", "--first-day")
    assert result.keys() >= {"messages_per_second", "reference_per_second", "ratio", "peak_rss_mb", "lost", "extra"}
    assert (result["lost"], result["extra"], result["wrong_recipient"]) == (0, 0, 0)
    assert result["different_lists"] == 1
    assert result["bytes_per_message"] >= 15_000


def test_what_kills_cost_is_counted_by_the_mail_servers_log(measure):
    result = measure("faults", "--kills", "2", "--mails", "300")
    assert result.keys() >= {
        "kills", "mails", "lost", "extra", "extra_bound", "different_bytes", "wrong_recipient"
    }  # fmt: skip
    assert (result["kills"], result["lost"], result["different_bytes"], result["wrong_recipient"]) == (2, 0, 0, 0)
    assert result["extra"] <= result["extra_bound"]
