"""Progress of long work: a bar on a terminal, plain lines anywhere else, never on stdout."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from digest.cli import watching
from digest.cli.watching import long_work, watched


def test_long_work_says_now_and_then_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(watching, "_QUIET_SECONDS", 0.0)
    assert list(watched("abc", "Reading", 3)) == ["a", "b", "c"]
    with long_work("Cutting"):
        pass
    printed = capsys.readouterr()
    assert (printed.out, printed.err.splitlines()) == ("", [f"Reading: {done} of 3" for done in (1, 2, 3)])


def test_short_work_says_nothing_by_itself_and_passes_on_what_each_step_says(capsys) -> None:
    with long_work("Reading lists", 2) as advance:
        advance("arxiv 2026-03-04: 12 papers")
        advance("")
    assert capsys.readouterr().err == "arxiv 2026-03-04: 12 papers\n"


def read_to_the_end(terminal: int) -> str:
    """Read on, because a terminal buffers only a few thousand bytes of a progress bar."""
    shown = b""
    with suppress(OSError):  # raised by a terminal that is closed
        while part := os.read(terminal, 65_536):
            shown += part
    os.close(terminal)
    return shown.decode()


def test_on_a_terminal_there_is_a_bar_and_stdout_stays_clean(sqlite_url, tmp_path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("".join(f"subscriber{number}@example.com\n" for number in range(30)))
    terminal, theirs = pty.openpty()
    command = [Path(sys.executable).with_name("digest"), "subscribers", "import", file, "--consented", "x", "--json"]
    environment = {**os.environ, "DIGEST_DATABASE_URL": sqlite_url, "TERM": "xterm"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    shown = read_to_the_end(terminal)
    stdout, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(stdout)["counts"] == {"signed up": 30}
    assert "Importing" in shown
    assert "/30" in shown
