"""If a mail server refuses everything, there are few attempts, one alarm and no suppression."""

import threading
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from digest import wiring
from digest.database.engine import read_only, transaction
from digest.issues.audit import audit
from digest.ledger.events import latest
from digest.mail.pauses import clear
from digest.settings import settings
from digest.subscribers.suppressions import all_suppressions
from tests.support.scenario import SECRET, add_papers, add_subscriber, cut
from tests.support.smtp_server import Step

READERS = 120
WORKERS = 4
ATTEMPTS = 20  # at the most


@pytest.fixture
def issue(engine):
    add_papers(engine, range(12))
    for number in range(READERS):
        add_subscriber(engine, f"reader{number}@lab{number % 7}.example.org")
    return cut(engine)


@pytest.fixture
def work(engine, database_url, smtp_server, redis_url, monkeypatch):
    """Several workers at once, each looking at the ledger as often as hints would make it."""
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": smtp_server.url,
        "SECRET_KEY": SECRET.decode(),
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    settings.cache_clear()

    def deliver():
        with closing(wiring.delivery_worker(settings(), engine)) as postman:
            for _ in range(20):
                postman.deliver_due(5000)

    def all_of_them():
        workers = [threading.Thread(target=deliver) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)

    return all_of_them


@pytest.mark.parametrize(  # 3 s each, and the database does the same whatever the step
    ("database_url", "phase", "reply"),
    [
        ("sqlite", Step.END, "550 5.7.1 <news@example.org>: unauthenticated mail is not accepted"),
        ("postgresql", Step.END, "550 5.7.1 <news@example.org>: unauthenticated mail is not accepted"),
        ("postgresql", Step.RCPT, "554 5.7.1 your network is on a block list"),
        ("sqlite", Step.MAIL, "550 5.7.515 access denied, the domain does not meet the requirements"),
    ],
    indirect=["database_url"],
)
def test_when_nobodys_mail_is_taken_few_are_tried_nobody_is_suppressed_and_one_alarm_says_why(
    engine, issue, work, smtp_server, phase, reply
):
    smtp_server.always(phase, reply)
    with capture_logs() as logs:
        work()
    assert 0 < smtp_server.count("MAIL") <= ATTEMPTS
    (alarm,) = [line for line in logs if line["log_level"] == "error"]
    assert alarm["reply"].startswith(reply[:9])
    assert "digest resume --sending" in alarm["next"]
    with read_only(engine) as connection:
        assert all_suppressions(connection) == []
        assert [(one.subject, one.what) for one in latest(connection, 10) if one.what == "stopped"] == [
            ("sending", "stopped")
        ]
        found = audit(connection, issue.issue_id)
    assert found.queued + found.deferred == READERS

    smtp_server.behave()
    with transaction(engine) as connection:
        assert clear(connection, "*")
    work()
    with read_only(engine) as connection:
        assert audit(connection, issue.issue_id).accepted >= READERS - ATTEMPTS  # those that were tried wait a minute
