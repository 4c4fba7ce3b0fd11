"""A whole installation under random faults, one every half minute, judged by the mail server's log and the ledger."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERY = 30  # seconds
MAILS_A_MINUTE = 8_500  # half a million in an hour; benchmarks.faults slows the mail server down to this

pytestmark = pytest.mark.timeout(5 * 3600)


def test_random_faults_lose_nobody_and_double_only_what_was_on_the_wire(request):
    minutes = request.config.getoption("--soak-minutes")
    faults, mails = max(2, int(minutes * 60 / EVERY)), int(minutes * MAILS_A_MINUTE)
    command = [sys.executable, "-m", "benchmarks.faults", "--fault", "random", "--kills", str(faults)]
    command += ["--every", str(EVERY), "--mails", str(mails), "--patience", "600", "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stdout)
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, result
    assert (result["kills"], result["lost"], result["wrong_recipient"], result["unexplained"]) == (faults, 0, 0, 0)
    assert result["extra"] <= result["extra_bound"]
