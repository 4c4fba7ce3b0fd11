"""A restore after every process was killed in mid-issue, by the mail server's log: nobody gets a message twice."""

import os
import signal
from datetime import UTC, datetime

import psycopg
import pytest

from benchmarks.checked_run import addresses_of
from benchmarks.installation import Installation, RecordingProcess, own_folder, settings
from benchmarks.report import read_log, report_on
from benchmarks.servers import running_postgres
from benchmarks.timed import publish
from benchmarks.world import SECRET, make_world
from digest.run import processes
from tests.support.servers import own_broker, postgres_binaries

SUBSCRIBERS = 6000
PARTS = {"worker-0": "worker", "worker-1": "worker", "scheduler": "scheduler"}

pytestmark = pytest.mark.timeout(900)


def test_after_a_kill_of_all_processes_and_a_restore_nobody_gets_a_message_twice(monkeypatch):
    monkeypatch.setenv("PATH", f"{postgres_binaries()}{os.pathsep}{os.environ['PATH']}")  # for pg_dump
    today = datetime.now(UTC).date()
    with own_folder() as folder, running_postgres() as postgres, own_broker() as broker:
        database = postgres.make("world")
        make_world(database, SUBSCRIBERS, today)
        server = RecordingProcess(folder, delay=0.02)
        chosen = settings(folder, database, broker.url, server.port, worker_processes=2, sweep_seconds=2)
        installation = Installation(folder, chosen)
        try:
            publish(installation, today)
            start(installation)
            wait_for(server, SUBSCRIBERS // 4)
            installation.digest("backup", str(folder / "backup"))
            at_backup = server.taken()
            wait_for(server, SUBSCRIBERS // 2)
            kill_all(installation)
            assert at_backup < server.taken() < SUBSCRIBERS
            installation.digest("restore", str(folder / "backup"), "--force")
            installation.digest("settle", "--send", "--yes")
            server.hurry()
            start(installation)
            assert processes.wait_until(lambda: not installation.is_busy(), seconds=180)
            installation.stop()
            log = report_on(list(read_log(server.log)), addresses_of(SUBSCRIBERS), [SECRET.encode()])
            in_doubt = never_sent_again(database)
        finally:
            installation.stop()
            server.stop()
    assert (log.extra, log.wrong_recipient) == (0, 0)
    assert set(log.lost_subscribers) <= in_doubt, "each missing message was about to go on the wire at the kill"


def start(installation: Installation) -> None:
    for name, part in PARTS.items():
        installation.start(name, part)
    installation.hint(SUBSCRIBERS)


def wait_for(server: RecordingProcess, messages: int) -> None:
    assert processes.wait_until(lambda: server.taken() >= messages, seconds=180)


def kill_all(installation: Installation) -> None:
    pools = [pid for pool in installation.workers().values() for pid in pool]
    for pid in [*(process.pid for process in installation.programs.values()), *pools]:
        os.kill(pid, signal.SIGKILL)
    installation.stop()


def never_sent_again(database: str) -> set[str]:
    """Return the addresses whose message may have been sent before the restore, by the ledger."""
    query = """SELECT email FROM deliveries JOIN subscribers ON subscribers.id = subscriber_id
        WHERE reason = 'may have been sent before a restore'"""
    with psycopg.connect(database) as connection:
        return {email for (email,) in connection.execute(query)}
