"""Delivery workers on one engine and a real mail server."""

import email
from contextlib import closing
from datetime import timedelta
from email.policy import default

import pytest

from digest.database.engine import read_only
from digest.issues.audit import audit
from digest.mail.delivery.outcome import is_about_sender
from digest.smtp import Relay, Security, Sender, Timeouts
from tests.support.scenario import MORNING
from tests.support.workers import postman

QUICK = Timeouts(connect=5, command=5, final_reply=5, message=10)
SEVEN = MORNING + timedelta(hours=1)


class Hands:
    """Delivery workers with a clock that a test moves."""

    hold = False

    def __init__(self, engine, server, folder, connections=3, timeouts=QUICK, **login):
        self.engine, self.server, self.folder, self.at = engine, server, folder, SEVEN
        relay = Relay("127.0.0.1", server.port, Security.NONE, **login)
        self.sender = Sender([relay], connections, timeouts=timeouts, is_about_sender=is_about_sender)

    def deliver(self, name="one", desk_=None):
        with closing(postman(self.engine, self.sender, self.folder, lambda: self.at, name, desk_, self.hold)) as one:
            return one.deliver_due(10_000)

    def audit(self, issue):
        with read_only(self.engine) as connection:
            return audit(connection, issue.issue_id)


@pytest.fixture
def hands(engine, smtp_server, tmp_path):
    hands = Hands(engine, smtp_server, tmp_path / "journal")
    yield hands
    hands.sender.close()


def opened(taken):
    return email.message_from_bytes(taken.content, policy=default)


def papers_in(taken):
    text = opened(taken).get_body(("plain",)).get_content()
    return [number for number in range(200) if f"2603.{number:05}" in text]
