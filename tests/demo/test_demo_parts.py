"""The parts of the demo: its mail server, its inbox, and the supervisor."""

import os
import signal
import smtplib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from digest.database.engine import connect
from digest.demo.steps import publish_today
from digest.run import processes
from digest.run.maildir import message, messages
from digest.run.parts import CannotStart, alone_in, child_environment
from digest.run.supervisor import RunFailed, Supervisor
from digest.settings import Settings
from tests.conftest import Clock
from tests.support.lists import PAPERS_A_DAY, daily_lists

RAW = (
    b"From: Daily Papers <digest@localhost>\r\nTo: ada@example.com\r\nSubject: Ten papers\r\n"
    b"Feedback-ID: 2026-11-23:digest:localhost:digest\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nin words\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>in a frame</p>\r\n--b--\r\n"
)


@pytest.fixture
def signals() -> Iterator[None]:
    """The supervisor takes over the signals of its process; give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_with_a_source_that_answers_the_papers_of_the_demo_are_live(sqlite_url: str, clock: Clock) -> None:
    clock.move_to(datetime(2026, 3, 4, 12, tzinfo=UTC))
    engine = connect(sqlite_url)
    with daily_lists() as address:
        own = Settings(database_url=sqlite_url, sources="huggingface", huggingface_url=address)
        source, issue = publish_today(engine, own)
    engine.dispose()
    assert (source, issue.papers) == ("live", own.pool_days * PAPERS_A_DAY)


@pytest.mark.processes
def test_the_mail_server_of_the_demo_keeps_each_message_byte_for_byte(tmp_path: Path) -> None:
    port, folder = processes.free_port(), tmp_path / "inbox"
    command = [sys.executable, "-m", "digest.run.mailserver", "--port", str(port), "--dir", str(folder)]
    server = processes.start(command)
    try:
        assert processes.wait_until(lambda: processes.answers(port), seconds=20)
        with smtplib.SMTP(processes.LOOPBACK, port) as client:
            client.sendmail("digest@localhost", ["ada@example.com"], RAW)
            client.sendmail("digest@localhost", ["ada@example.com"], RAW.replace(b"Ten", b"Two"))
    finally:
        assert processes.stop(server) == 0
    newest, oldest = messages(folder)
    assert (newest.subject, oldest.subject) == ("Two papers", "Ten papers")
    assert oldest.raw == RAW
    assert (oldest.kind, oldest.to) == ("digest", "ada@example.com")
    assert (oldest.text.strip(), oldest.html.strip()) == ("in words", "<p>in a frame</p>")
    assert message(folder, oldest.key) == oldest


def test_an_inbox_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert messages(tmp_path / "inbox") == []
    assert message(tmp_path, "../../etc/passwd") is None


def python(code: str) -> list[str]:
    """A program that runs `code`: the one language that every machine with these tests has."""
    return [sys.executable, "-c", f"import subprocess, sys, time; {code}"]


@pytest.mark.processes
@pytest.mark.usefixtures("signals")
def test_a_program_that_is_needed_and_ends_is_named_with_its_last_lines(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as programs:
        programs.start("web", python("print('the port is taken'); sys.exit(4)"), os.environ)
        programs.start("worker", python("time.sleep(60)"), os.environ)
        with pytest.raises(RunFailed, match=r"web ended with exit code 4\n  the port is taken"):
            processes.wait_until(lambda: bool(programs.check()), seconds=5)


@pytest.mark.usefixtures("signals")
def test_a_wait_in_vain_names_what_is_missing_and_the_logs(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as programs:
        assert programs.wait_for(lambda: "there", 5, "nothing") == "there"
        with pytest.raises(RunFailed, match=f"no digest within 0 s; the logs are in {tmp_path}"):
            programs.wait_for(lambda: None, 0, "no digest")


@pytest.mark.processes
@pytest.mark.usefixtures("signals")
def test_a_program_that_ends_is_reported_and_started_again(tmp_path: Path) -> None:
    seen = tmp_path / "starts"

    def started_twice() -> bool:
        programs.tend()
        return seen.exists() and len(seen.read_text()) >= 2

    with structlog.testing.capture_logs() as logs, Supervisor() as programs:
        programs.start(
            "valkey", python(f"open({str(seen)!r}, 'a').write('x'); print('at work'); sys.exit(1)"), os.environ
        )
        assert processes.wait_until(started_twice, seconds=10)
    assert {"event": "output", "program": "valkey", "line": "at work", "log_level": "info"} in logs
    ended = {"event": "ended; it restarts", "program": "valkey", "ended_with": "exit code 1", "in_seconds": 0}
    assert ended | {"log_level": "warning"} in logs


@pytest.mark.processes
@pytest.mark.usefixtures("signals")
def test_the_supervisor_leaves_no_program_behind(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as programs:
        child_file = str(tmp_path / "child")
        with_child = (
            f"child = subprocess.Popen({python('time.sleep(60)')!r}); "
            f"open({child_file!r}, 'w').write(str(child.pid)); child.wait()"
        )
        programs.start("worker", python(with_child), os.environ)
        assert processes.wait_until(
            lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text(), seconds=5
        )
    child = int((tmp_path / "child").read_text())
    assert processes.wait_until(lambda: not _runs(child), seconds=5)


def test_one_data_folder_has_one_supervisor(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(CannotStart, match="already runs"), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass


def test_children_are_given_our_settings_and_not_a_file_that_contradicts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", "/run/secrets/real-mail")
    monkeypatch.setenv("DIGEST_TITLE", "Ours")
    given = child_environment({"smtp_url": "smtp://127.0.0.1:2525"})
    assert given["DIGEST_SMTP_URL"] == "smtp://127.0.0.1:2525"
    assert given["DIGEST_TITLE"] == "Ours"
    assert "DIGEST_SMTP_URL_FILE" not in given


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
