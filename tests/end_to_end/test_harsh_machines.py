"""A worker that is stopped for longer than its lease and goes on, and a disk that is full in the middle of an issue."""

import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from digest import hints
from digest.database.engine import connect, read_only, transaction
from digest.database.patience import SILENT_SECONDS
from digest.database.tables import deliveries
from digest.issues.audit import audit
from digest.ledger.kinds import State
from tests.support import servers
from tests.support.scenario import MORNING, SECRET, add_papers, add_subscriber, cut
from tests.support.smtp_server import Act, Step
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(500)]

SUBSCRIBERS = 60
CONNECTIONS = 2
PATIENCE = 150.0  # seconds; programs start slowly on a busy machine


@pytest.fixture
def environment(redis_url, smtp_server, clock, monkeypatch):
    """Settings for workers, an hour after the issue is due, and a slow mail server."""
    clock.move_to(MORNING + timedelta(hours=2))
    for name, value in {
        "REDIS_URL": redis_url,
        "SMTP_URL": smtp_server.url,
        "SMTP_CONNECTIONS": str(CONNECTIONS),
        "SECRET_KEY": SECRET.decode(),
        "WORKER_PROCESSES": "1",
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    smtp_server.always(Step.END, Act(wait=0.1))


def queue_issue(engine):
    add_papers(engine, range(12))
    for number in range(SUBSCRIBERS):
        add_subscriber(engine, f"subscriber{number}@example.com")
    return cut(engine).issue_id


def counts(engine, issue_id):
    with read_only(engine) as connection:
        return audit(connection, issue_id)


def wait_for_the_issue(engine, issue_id, redis_url):
    def is_over():
        time.sleep(0.5)  # enough hints
        hints.hint(redis_url)
        return counts(engine, issue_id).accepted == SUBSCRIBERS

    # A worker that was stopped in a claim has locked what it was claiming, until PostgreSQL ends its transaction.
    wait_for(is_over, SILENT_SECONDS + PATIENCE, "the end of the issue")


def test_a_worker_that_was_stopped_for_longer_than_its_lease_doubles_at_most_what_it_was_sending(
    environment, postgresql_url, redis_url, smtp_server, start_digest
):
    engine = connect(postgresql_url)
    issue = queue_issue(engine)
    stopped = start_digest("worker", DIGEST_DATABASE_URL=postgresql_url)
    hints.hint(redis_url)
    wait_for(lambda: len(smtp_server.taken) >= 5, PATIENCE, "the first messages")
    sending, claimed = stop_and_end_leases(stopped.pid, engine)
    assert sending + claimed > 0
    other = start_digest("worker", DIGEST_DATABASE_URL=postgresql_url)
    wait_for_the_issue(engine, issue, redis_url)
    os.kill(stopped.pid, signal.SIGCONT)
    for worker in (stopped, other):
        worker.terminate()
        worker.wait(PATIENCE)
    copies = Counter(taken.rcpt_tos[0] for taken in smtp_server.taken)
    assert len(copies) == SUBSCRIBERS
    assert copies.total() - SUBSCRIBERS <= sending, "its journal is locked, so each of these may have arrived"
    contents = {(taken.rcpt_tos[0], taken.content) for taken in smtp_server.taken}
    assert len(contents) == SUBSCRIBERS, "a second copy is the same bytes"
    assert counts(engine, issue).accepted == SUBSCRIBERS
    engine.dispose()


def stop_and_end_leases(pid, engine):
    """Stop a process outside of a transaction with what it holds. Returns how many rows it was sending, and had only
    claimed.
    """
    while True:
        os.kill(pid, signal.SIGSTOP)
        with suppress(OperationalError), transaction(engine) as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1s'"))
            return tuple(connection.execute(_end_leases(s)).rowcount for s in (State.SENDING, State.CLAIMED))
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)


def _end_leases(state):
    return update(deliveries).where(deliveries.c.state == state).values(lease_until=deliveries.c.created_at)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("a small disk needs root and the right to mount one")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(folder):
    """Fill a disk to its last byte."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    yield
    ballast.unlink()


def test_a_disk_that_is_full_under_the_ledger_and_the_journal_costs_time_alone(
    environment, small_disk, sqlite_url, redis_url, smtp_server, start_digest, tmp_path
):
    database = servers.migrated_sqlite(small_disk)
    engine = connect(f"sqlite:///{database}")
    issue = queue_issue(engine)
    places = {"DIGEST_DATABASE_URL": f"sqlite:///{database}", "DIGEST_DATA_DIR": str(small_disk / "data")}
    start_digest("worker", **places)
    hints.hint(redis_url)
    wait_for(lambda: len(smtp_server.taken) >= 5, PATIENCE, "the first messages")
    with full(small_disk):
        began = len(smtp_server.taken)
        log = tmp_path / "worker-0.log"
        wait_for(lambda: "the database is away" in log.read_text(), PATIENCE, "the report of a full disk")
        time.sleep(1)
        in_flight = len(smtp_server.taken) - began
        time.sleep(1)
        assert len(smtp_server.taken) - began == in_flight, "nothing more is begun"
    wait_for_the_issue(engine, issue, redis_url)
    copies = Counter(taken.rcpt_tos[0] for taken in smtp_server.taken)
    assert (len(copies), set(copies.values())) == (SUBSCRIBERS, {1})
    engine.dispose()
