"""Programs that run as forks behave like started processes, and their output arrives."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from digest.run.forks import CAN_FORK
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="programs are forked on Linux alone")

PARENT = """
import json, os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from digest.run import processes
from digest.run.forks import fork_module
lock = open(sys.argv[1] + "/lock", "w")
os.environ["ONLY_PARENT"] = "1"
child = fork_module("a_part", ["first", "second"], {"PATH": os.environ["PATH"], "NAME": "value"}, lambda: None)
"""


@pytest.fixture
def run(tmp_path):
    """Run a parent that forks a_part.py with the lines `part`, and then does `then`."""

    def run(part, then):
        (tmp_path / "a_part.py").write_text(textwrap.dedent(part))
        program = PARENT + textwrap.dedent(then)
        arguments = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_a_fork_is_a_separate_process_with_its_arguments_and_environment(run):
    done = run(
        """
        import os, sys
        names = []
        for each in os.listdir("/proc/self/fd"):
            try:
                names.append(os.readlink(f"/proc/self/fd/{each}"))
            except FileNotFoundError:  # that of listdir
                pass
        assert not any(name.endswith("/lock") for name in names), names
        assert (os.getpgid(0), os.environ.get("ONLY_PARENT")) == (os.getpid(), None)
        print(sys.argv[1:], os.environ["NAME"], open("/proc/self/cmdline").read().rstrip("\\0").split("\\0"))
        sys.exit(7)
        """,
        "print(child.wait(30), child.poll())",
    )
    lines = done.stdout.splitlines()
    assert lines == ["['first', 'second'] value ['a_part', 'first', 'second']", "7 7"], done.stderr


def test_a_failure_is_reported_and_the_fork_does_not_continue_the_code_of_the_parent(run):
    done = run('raise ValueError("no such thing")', "print('the parent', child.wait(30))")
    assert done.stdout.splitlines() == ["the parent 1"]
    assert done.stderr.splitlines()[-1] == "ValueError: no such thing"


def test_a_fork_ends_by_a_signal_in_its_own_way(run):
    done = run(
        """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
        print("ready", flush=True)
        time.sleep(60)
        """,
        """
        time.sleep(0.3)
        print(processes.stop(child))
        """,
    )
    assert (done.stdout.splitlines(), done.stderr.strip()) == (["ready", "1"], "told to end")


def test_the_exit_code_of_a_killed_fork_is_the_number_of_the_signal(run):
    done = run("import time; time.sleep(60)", "child.send_signal(signal.SIGKILL); print(child.wait(30))")
    assert done.stdout.strip() == str(-signal.SIGKILL)


def test_no_fork_outlives_its_parent(run):
    done = run("import time; time.sleep(60)", "time.sleep(0.3); print(child.pid, flush=True); os._exit(0)")
    wait_for(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), 10, "the end of the fork")
