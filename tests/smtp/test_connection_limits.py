"""Servers that end a connection after some messages: the rest go over others, at once."""

import time

import pytest

from tests.smtp.scenario import (
    ACCEPTED,
    DEFERRED,
    NOT_ATTEMPTED,
    SENDER_ERROR,
    address,
    by_number,
    envelope,
    envelopes,
    now,
    outcomes,
    send,
    sending,
)
from tests.support.smtp_server import HANG_UP, RESET, Act, SmtpServer, Step

OVER_LIMIT = [
    "421 4.7.0 too many messages for one connection",
    "421 4.3.2 closing the transmission channel",
    "421 bye",
    "450 4.7.1 Error: too much mail",
    "451 4.4.5 too many messages in this session",
    "452 4.5.3 too many messages",
    "550 5.7.0 too many messages in this session",
    "552 session quota",
    "503 5.5.1 bad sequence",
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("over_limit", [*map(Act, OVER_LIMIT), HANG_UP, RESET], ids=str)
def test_what_a_server_refuses_before_the_recipient_goes_over_a_new_connection_at_once(pipelining, over_limit):
    with SmtpServer(pipelining=pipelining, limit=5, over_limit=over_limit) as server:
        began = time.monotonic()
        receipts = send(server, *envelopes(range(40)))
        assert time.monotonic() - began < 3
        assert set(outcomes(receipts).values()) == {ACCEPTED}
        assert [len(server.taken_for(address(n))) for n in range(40)] == [1] * 40


def test_the_limit_of_a_server_is_met_twice_and_then_kept():
    with SmtpServer(limit=5) as server:
        send(server, *envelopes(range(60)))
        assert (server.connections, server.count("MAIL")) == (12, 62)


@pytest.mark.parametrize("step", [Step.RCPT, Step.DATA])
@pytest.mark.parametrize("reply", ["421 4.7.0 closing", "452 4.5.3 too many recipients"])
def test_a_server_that_ends_a_used_session_at_the_recipient_gets_the_message_over_a_new_connection(step, reply):
    with SmtpServer(limit=5, limited_at=step, over_limit=Act(reply)) as server:
        assert set(outcomes(send(server, *envelopes(range(20)))).values()) == {ACCEPTED}


def test_a_recipient_for_whom_every_connection_is_closed_is_deferred():
    with SmtpServer() as server:
        server.always(Step.RCPT, "421 4.7.28 too many for this domain", to=address(2))
        receipts = send(server, *envelopes(range(5)))
        assert outcomes(receipts) == {0: ACCEPTED, 1: ACCEPTED, 2: DEFERRED, 3: ACCEPTED, 4: ACCEPTED}


def test_a_server_that_refuses_the_sender_on_new_connections_too_is_asked_only_a_few_times():
    with SmtpServer() as server:
        server.always(Step.MAIL, "421 4.7.0 try again later")
        receipts = send(server, *envelopes(range(40)), connections=3)
        assert set(outcomes(receipts).values()) == {SENDER_ERROR, NOT_ATTEMPTED}
        assert server.count("MAIL") <= 5


def test_a_server_that_closes_idle_connections_teaches_no_limit():
    with SmtpServer() as server, sending(server) as sender:
        for number in range(0, 6, 2):
            server.answer(Step.MAIL, Act(), "421 4.4.2 idle for too long")
            for one in (number, number + 1):
                assert outcomes(by_number(sender.send([envelope(one)], now))) == {one: ACCEPTED}
        before = server.connections
        server.behave()
        sender.send(envelopes(range(10, 20)), now)
        assert server.connections == before
