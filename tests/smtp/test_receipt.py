"""Replies are read by their meaning: about this mail, about the address, or about us."""

import pytest

from digest.smtp.envelope import Outcome
from digest.smtp.receipt import Phase, Reply, broken, receipt
from tests.support.scenario import MORNING


def outcome(phase, code, text):
    return receipt(1, Reply(phase, code, text), MORNING).outcome


@pytest.mark.parametrize(
    ("phase", "code", "text", "expected"),
    [
        (Phase.CONTENT, 250, "2.0.0 Ok: queued as 4F2", Outcome.ACCEPTED),
        (Phase.RCPT, 450, "4.2.1 try later", Outcome.DEFERRED),
        (Phase.CONTENT, 451, "4.7.1 greylisted", Outcome.DEFERRED),
        (Phase.CONTENT, 421, "4.3.2 closing", Outcome.DEFERRED),
        (Phase.RCPT, 452, "4.5.3 too many recipients", Outcome.DEFERRED),
        (Phase.RCPT, 552, "too many recipients", Outcome.DEFERRED),  # RFC 5321 §4.5.3.1.10
        (Phase.CONTENT, 552, "5.2.2 mailbox full", Outcome.DEFERRED),
        (Phase.CONTENT, 552, "5.3.4 message exceeds header limits", Outcome.SENDER_ERROR),
        (Phase.RCPT, 550, "5.1.1 no such user", Outcome.REFUSED),
        (Phase.RCPT, 550, "no such user here", Outcome.REFUSED),
        (Phase.RCPT, 550, "5.7.1 blocked", Outcome.SENDER_ERROR),
        (Phase.CONTENT, 550, "5.7.26 unauthenticated", Outcome.SENDER_ERROR),
        (Phase.CONTENT, 554, "5.7.515 access denied", Outcome.SENDER_ERROR),
        (Phase.MAIL, 535, "5.7.8 authentication failed", Outcome.SENDER_ERROR),
        (Phase.MAIL, 550, "sender rejected", Outcome.SENDER_ERROR),
        (Phase.MAIL, 550, "5.1.0 sender rejected", Outcome.SENDER_ERROR),  # it has not heard the recipient yet
        (Phase.MAIL, 552, "mailbox full", Outcome.DEFERRED),
        (Phase.RCPT, 553, "5.1.8 sender's domain does not exist", Outcome.SENDER_ERROR),
        (Phase.RCPT, 530, "login first", Outcome.SENDER_ERROR),
        (Phase.DATA, 503, "bad sequence", Outcome.SENDER_ERROR),
        (Phase.RCPT, 550, "5.5.3 too many recipients", Outcome.DEFERRED),
        (Phase.RCPT, 550, "5.5.0 mailbox unavailable", Outcome.REFUSED),
        (Phase.CONTENT, 552, "5.2.3 too long for this mailbox", Outcome.REFUSED),
        (Phase.CONTENT, 421, "4.7.28 unusual rate", Outcome.DEFERRED),
        (Phase.RCPT, 450, "5.1.1 the reply code decides", Outcome.DEFERRED),
        (Phase.SESSION, 554, "no service", Outcome.SENDER_ERROR),
        (Phase.SESSION, 421, "busy", Outcome.SENDER_ERROR),
        (Phase.DATA, 250, "instead of 354", Outcome.SENDER_ERROR),
        (Phase.CONTENT, -1, "what is this", Outcome.UNCERTAIN),
    ],
)
def test_a_reply_means(phase, code, text, expected):
    assert outcome(phase, code, text) is expected


@pytest.mark.parametrize("text", ["5.1.1 unknown", "5.1.10 null MX", "5.2.1 disabled", "unknown user"])
def test_a_refusal_about_the_address_says_so(text):
    assert receipt(1, Reply(Phase.RCPT, 550, text), MORNING).address_is_bad


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        (Phase.CONTENT, "5.0.0 spam"),
        (Phase.CONTENT, "rejected"),
        (Phase.RCPT, "5.7.1 no"),
        (Phase.RCPT, "5.1.7 the sender's syntax"),
        (Phase.RCPT, "5.5.0 mailbox unavailable"),
        (Phase.MAIL, "5.1.1 unknown"),
    ],
)
def test_a_refusal_of_the_message_suppresses_nobody(phase, text):
    assert not receipt(1, Reply(phase, 550, text), MORNING).address_is_bad


def test_a_connection_lost_after_the_message_is_in_doubt_and_before_it_is_not():
    assert broken(1, Phase.CONTENT, "reset", MORNING).outcome is Outcome.UNCERTAIN
    for phase in (Phase.SESSION, Phase.MAIL, Phase.RCPT, Phase.DATA):
        assert broken(1, phase, "reset", MORNING).outcome is Outcome.SENDER_ERROR


def test_a_long_reply_of_many_lines_is_kept_as_one_short_line():
    kept = receipt(1, Reply(Phase.RCPT, 550, "5.1.1 no\r\nsuch\tuser" + " x" * 900), MORNING)
    assert kept.text.startswith("5.1.1 no such user x")
    assert len(kept.text) <= 500
    assert kept.enhanced == "5.1.1"


def test_what_a_terminal_or_a_database_should_not_get_is_replaced():
    kept = receipt(1, Reply(Phase.RCPT, 550, "5.1.1 no\x00such\x1b[2J user"), MORNING)
    assert kept.text == "5.1.1 no\N{REPLACEMENT CHARACTER}such\N{REPLACEMENT CHARACTER}[2J user"
