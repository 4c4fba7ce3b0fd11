"""The memory of a small installation, as measured by benchmarks/memory.py."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(600)
def test_digest_up_with_its_own_servers_and_a_hundred_subscribers_stays_below_300_mb():
    command = [sys.executable, "-m", "benchmarks.memory", "--json"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
