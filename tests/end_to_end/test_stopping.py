"""Stops of all processes at once by the service manager, and outages of the database, as an operator sees them."""

import json
import os
import signal
import sqlite3
import urllib.request
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import select, update

from benchmarks.proc import children
from digest import clock as the_clock
from digest import hints
from digest.database.engine import connect, read_only, transaction
from digest.database.migrate import migrate
from digest.database.tables import heartbeats
from digest.issues.audit import audit
from digest.monitoring.checks import problems
from digest.monitoring.heartbeats import DEAD_AFTER, Role
from digest.monitoring.status import read_status
from digest.resources import DISTRIBUTION
from digest.run import processes
from digest.settings import settings
from tests.support import servers
from tests.support.scenario import MORNING, SECRET, add_papers, add_subscriber, cut
from tests.support.smtp_server import Act, Step
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(500)]

SUBSCRIBERS = 40
PATIENCE = 150.0  # seconds; programs start slowly on a busy machine


@pytest.fixture
def service(redis_url, smtp_server, clock, monkeypatch):
    """Settings for processes, an hour after the issue is due, with sources that cannot be reached."""
    clock.move_to(MORNING + timedelta(hours=2))
    nowhere = {f"{name}_URL": "http://127.0.0.1:9" for name in ("HUGGINGFACE", "ARXIV", "ARXIV_FEED", "HACKERNEWS")}
    for name, value in nowhere.items() | {
        ("REDIS_URL", redis_url),
        ("SMTP_URL", smtp_server.url),
        ("SECRET_KEY", SECRET.decode()),
        ("SWEEP_SECONDS", "1"),
        ("SOURCE_TIMEOUT_SECONDS", "0.5"),
        ("WEB_PORT", str(processes.free_port())),
    }:
        monkeypatch.setenv(f"DIGEST_{name}", value)


def queue_issue(engine):
    add_papers(engine, range(12))
    for number in range(SUBSCRIBERS):
        add_subscriber(engine, f"subscriber{number}@example.com")
    return cut(engine)


def stop_group(process):
    """As systemd does by default, and honcho."""
    os.killpg(process.pid, signal.SIGTERM)


def test_a_signal_to_all_processes_at_once_prints_no_traceback_and_loses_and_doubles_nothing(
    service, engine, database_url, smtp_server, start_digest, tmp_path, monkeypatch
):
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    issue = queue_issue(engine)
    smtp_server.always(Step.END, Act(wait=0.3))
    running = [start_digest(name) for name in ("worker", "scheduler", "web")]
    wait_for(lambda: smtp_server.taken, PATIENCE, "the first message")
    for process in running:
        stop_group(process)
    for process in running:
        process.wait(PATIENCE)
    told = "".join(file.read_text() for file in tmp_path.glob("*.log"))
    assert "Traceback" not in told
    assert "WorkerLost" not in told
    with read_only(engine) as connection:
        sums = audit(connection, issue.issue_id)
    assert (sums.accepted, sums.accepted + sums.queued, sums.deferred) == (len(smtp_server.taken), SUBSCRIBERS, 0)
    beats = status_of(engine).processes
    assert {(beat.role, beat.stopped_at is None) for beat in beats} == {(role, False) for role in Role}
    smtp_server.behave()
    again = [start_digest("worker"), start_digest("scheduler")]
    wait_for(lambda: len(smtp_server.taken) >= SUBSCRIBERS, PATIENCE, "the rest of the issue")
    assert set(Counter(taken.rcpt_tos for taken in smtp_server.taken).values()) == {1}
    wait_for(lambda: {Role.WORKER, Role.SCHEDULER} <= alive(engine), PATIENCE, "the heartbeats")
    kill(again)
    later(engine, DEAD_AFTER)
    assert {"no-worker", "no-scheduler"} <= {problem.name for problem in problems(status_of(engine))}


def status_of(engine):
    return read_status(engine, settings(), the_clock.now())


def alive(engine):
    status = status_of(engine)
    return {beat.role for beat in status.processes if beat.is_alive(status.at)}


def kill(running):
    """Like the kernel when memory ends."""
    for process in running:
        for pid in (process.pid, *children(process.pid)):
            os.kill(pid, signal.SIGKILL)
        process.wait(PATIENCE)


def later(engine, wait):
    """Move all heartbeats back in time."""
    with transaction(engine) as connection:
        for row in connection.execute(select(heartbeats)).all():
            same = (heartbeats.c.role == row.role, heartbeats.c.pid == row.pid)
            instants = ("started_at", "seen_at", "stopped_at")
            moved = {name: instant - wait for name in instants if (instant := getattr(row, name))}
            connection.execute(update(heartbeats).where(*same).values(moved))


@pytest.mark.parametrize(("program", "count"), [("scheduler", 1), ("web", 1), ("web", 2)])
def test_a_program_that_is_stopped_alone_leaves_all_it_wrote_in_the_sqlite_file(
    service, sqlite_url, start_digest, monkeypatch, program, count
):
    monkeypatch.setenv("DIGEST_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("DIGEST_WEB_PROCESSES", str(count))
    log = Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal")
    process = start_digest(program)
    if program == "web":
        port = int(os.environ["DIGEST_WEB_PORT"])
        wait_for(lambda: processes.answers(port), PATIENCE, "the web process")
        urllib.request.urlopen(f"http://127.0.0.1:{port}/subscribe", b"email=ada@example.com").close()
    wait_for(lambda: size_of(log), PATIENCE, "the first write")
    serving = [child for child in children(process.pid) if "spawn_main" in command_of(child)]
    assert len(serving) == (count if count > 1 else 0)
    process.terminate()
    process.wait(PATIENCE)
    assert [child for child in serving if command_of(child)] == []
    assert size_of(log) == 0


def command_of(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def size_of(file):
    return file.stat().st_size if file.exists() else 0


def test_after_each_command_a_copy_of_the_sqlite_file_is_complete(command, sqlite_url, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", sqlite_url)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    for number, arguments in enumerate((("add", "ada@example.com"), ("list",), ("erase", "ada@example.com"))):
        assert command("subscribers", *arguments).returncode == 0
        assert [left.name for left in file.parent.glob("test.sqlite-*")] == [], number


def test_an_outage_of_the_database_is_a_line_of_each_process_and_its_end_another(
    service, start_digest, tmp_path, monkeypatch, redis_url, smtp_server
):
    with servers.own_postgres(servers.PostgresProcess, servers.room(), "-F") as server:
        migrate(server.url_of("postgres"))
        monkeypatch.setenv("DIGEST_DATABASE_URL", server.url_of("postgres"))
        monkeypatch.setenv("DIGEST_LOG_JSON", "true")
        engine = connect(server.url_of("postgres"))
        queue_issue(engine)  # before the scheduler runs, which would cut the issue when only some have subscribed
        start_digest("worker", "--processes", "1")
        start_digest("scheduler")
        logs = [tmp_path / "worker-0.log", tmp_path / "scheduler-1.log"]
        wait_for(lambda: len(smtp_server.taken) == SUBSCRIBERS, PATIENCE, "the issue")
        engine.dispose()
        server.stop()
        for _ in range(3):  # outages are reported by the first hint, and not by the next ones
            hints.hint(redis_url)
        wait_for(
            lambda: all("the database is away" in log.read_text() for log in logs), PATIENCE, "the report of an outage"
        )
        hints.hint(redis_url, 3)
        server.start()
        wait_for(lambda: "the database is back" in logs[1].read_text(), PATIENCE, "the end of the outage")
        hints.hint(redis_url)
        wait_for(lambda: "the database is back" in logs[0].read_text(), PATIENCE, "the end of the outage")
    for log in logs:
        told = log.read_text()
        assert told.count("the database is away") == 1, told
        assert "Traceback" not in told
        assert "digest doctor" in told
        lines = [json.loads(line) for line in told.splitlines()]
        assert {line["program"] for line in lines} == {log.name.partition("-")[0]}
        assert [line["version"] for line in lines if line["event"] == "started"] == [version(DISTRIBUTION)]


@pytest.fixture
def later_database(sqlite_url, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", sqlite_url)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()


@pytest.mark.parametrize("program", ["worker", "up"])
def test_a_process_names_a_database_of_a_later_version(program, service, later_database, start_digest, tmp_path):
    assert start_digest(program).wait(PATIENCE) == 3
    told = (tmp_path / f"{program}-0.log").read_text()
    assert ("A later version of Digest" in told, "Traceback" in told) == (True, False), told


@pytest.mark.parametrize("name", ["audit", "publish", "doctor", "migrate", "scheduler"])
def test_a_command_names_a_database_of_a_later_version(name, service, later_database, command):
    done = command(name)
    told = done.stdout + done.stderr
    assert (done.returncode, "A later version of Digest" in told, "Traceback" in told) == (3, True, False), told
