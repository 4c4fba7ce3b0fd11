"""A worker that is suspended for longer than its lease between its last check and the wire, or in a transaction."""

from contextlib import closing
from datetime import timedelta

import pytest

from digest import machine_clock, wiring
from digest.database import patience
from digest.database.engine import DATABASE_AWAY, transaction
from digest.ledger import sending
from digest.ledger.deliveries import LEASE
from digest.ledger.replies import ReplyClass, count_replies
from digest.settings import settings
from digest.smtp import Sender
from tests.mail.delivery.builders import SEVEN
from tests.mail.delivery.builders import hands as hands
from tests.support.scenario import ON_SQLITE, add_papers, add_subscriber, cut
from tests.support.waiting import wait_for
from tests.support.workers import postman


@pytest.fixture
def suspend(monkeypatch):
    """Moves the clocks of the machine."""
    real, passed = (machine_clock.now, machine_clock.monotonic), timedelta()

    def sleep(time):
        nonlocal passed
        passed += time

    monkeypatch.setattr(machine_clock, "now", lambda: real[0]() + passed)
    monkeypatch.setattr(machine_clock, "monotonic", lambda: real[1]() + passed.total_seconds())
    return sleep


class Suspended(Sender):
    """Lets `meanwhile` happen before the first window goes on the wire."""

    def __init__(self, sender, meanwhile):
        self._sender, self._meanwhile = sender, [meanwhile]

    def submit(self, *window):
        while self._meanwhile:
            self._meanwhile.pop()()
        return self._sender.submit(*window)


@ON_SQLITE
@pytest.mark.parametrize("time", [LEASE + timedelta(minutes=1), timedelta(minutes=2)], ids=["long", "short"])
def test_a_worker_that_was_stopped_after_its_last_check_sends_no_second_copy(hands, engine, smtp_server, suspend, time):
    add_papers(engine, range(3))
    for number in range(3):
        add_subscriber(engine, f"reader{number}@example.com")
    issue = cut(engine)

    def others_deliver():
        suspend(time)
        hands.deliver("two")

    with closing(postman(engine, Suspended(hands.sender, others_deliver), hands.folder, lambda: hands.at)) as one:
        one.deliver_due(100)
    assert [len(smtp_server.taken_for(f"reader{number}@example.com")) for number in range(3)] == [1] * 3
    assert hands.audit(issue).accepted == 3


def claims(connection):
    assert len(sending.claim(connection, "suspended", 2, SEVEN)) == 2


def counts_replies(connection):
    count_replies(connection, SEVEN.date(), {("example.com", ReplyClass.ACCEPTED): 1})


@pytest.mark.timeout(20)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # on SQLite everything else waits, by one lock
@pytest.mark.parametrize("begins", [claims, counts_replies])
def test_others_send_what_a_worker_has_locked_that_is_suspended_in_a_transaction(
    hands, engine, database_url, monkeypatch, begins
):
    monkeypatch.setattr(patience, "SILENT_SECONDS", 0.2)
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    add_papers(engine, range(3))
    for number in range(3):
        add_subscriber(engine, f"reader{number}@example.com")
    issue, suspended = cut(engine), wiring.lasting_engine(settings())

    def begin_and_go_on_late():
        with transaction(suspended) as connection:
            begins(connection)
            wait_for(lambda: hands.deliver("two") and hands.audit(issue).accepted == 3, 10, "the end of the issue")

    with pytest.raises(DATABASE_AWAY, match="idle-in-transaction"):
        begin_and_go_on_late()
    with transaction(suspended) as connection:  # its next transaction has a new session
        assert sending.claim(connection, "suspended", 2, SEVEN) == []
    suspended.dispose()
