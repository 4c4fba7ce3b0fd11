"""Pausing, resuming and cancelling during an issue: workers obey within seconds, and no delivery is lost or doubled."""

import threading
import time
from collections import Counter
from contextlib import closing

import pytest
from typer.testing import CliRunner

from digest import wiring
from digest.cli.main import app
from digest.database.engine import read_only, transaction
from digest.issues.audit import audit
from digest.ledger.transitions import skip_cancelled
from digest.settings import settings
from tests.support.scenario import DAY, MORNING, SECRET, add_papers, add_subscriber, cut
from tests.support.waiting import wait_for

SUBSCRIBERS = 600
A_SECOND = 60  # messages, so that the issue takes ten seconds
PROMISED = 5.0  # seconds


@pytest.fixture
def issue(engine):
    add_papers(engine, range(12))
    for number in range(SUBSCRIBERS):
        add_subscriber(engine, f"subscriber{number}@example.com")
    return cut(engine)


@pytest.fixture
def at_work(engine, database_url, smtp_server, redis_url, monkeypatch):
    """A worker that looks at the ledger all the time, as one that is hinted at does."""
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": smtp_server.url,
        "SMTP_RATE": str(A_SECOND),
        "SECRET_KEY": SECRET.decode(),
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    monkeypatch.setattr("digest.logs.set_up_logs", lambda *_about: None)  # of the commands; it is one process here
    settings.cache_clear()
    enough = threading.Event()

    def work():
        with closing(wiring.delivery_worker(settings(), engine)) as postman:
            while not enough.wait(0.1):
                postman.deliver_due(5000)

    worker = threading.Thread(target=work)
    worker.start()
    yield
    enough.set()
    worker.join(60)


def digest(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output


def goes_on(server):
    """More messages arrive soon."""
    before, until = len(server.taken), time.monotonic() + PROMISED
    while len(server.taken) < before + 10:
        assert time.monotonic() < until, "nothing moves"
        time.sleep(0.05)


def stands_still(server):
    """No message arrives for as long as forty would take."""
    count, since, until = len(server.taken), time.monotonic(), time.monotonic() + PROMISED
    while time.monotonic() < since + 40 / A_SECOND:
        assert time.monotonic() < until, "it goes on"
        if len(server.taken) > count:
            count, since = len(server.taken), time.monotonic()
        time.sleep(0.01)
    assert count < SUBSCRIBERS


def results(engine, issue):
    with read_only(engine) as connection:
        return audit(connection, issue.issue_id)


def at_hand(result):
    """Number of messages that the worker has claimed."""
    return result.claimed + result.sending


def test_a_worker_obeys_pause_resume_and_cancel_within_seconds(engine, issue, at_work, smtp_server):
    goes_on(smtp_server)
    digest("pause", "--date", DAY.isoformat())
    stands_still(smtp_server)
    digest("resume", "--date", DAY.isoformat())
    goes_on(smtp_server)
    digest("pause", "--sending", "--reason", "the provider asked us to")
    stands_still(smtp_server)
    digest("resume", "--sending")
    goes_on(smtp_server)
    digest("pause", "--sending", "--domain", "example.com")
    stands_still(smtp_server)
    digest("resume", "--sending", "--domain", "example.com")
    digest("cancel", "--date", DAY.isoformat())
    stands_still(smtp_server)

    assert set(Counter(recipient for message in smtp_server.taken for recipient in message.rcpt_tos).values()) == {1}
    wait_for(lambda: not at_hand(results(engine, issue)), 10, "the end of what was being sent")
    with transaction(engine) as connection:
        skip_cancelled(connection, MORNING)
    result = results(engine, issue)
    assert result.accepted == len(smtp_server.taken)
    assert result.skipped == {"issue cancelled": SUBSCRIBERS - result.accepted}
