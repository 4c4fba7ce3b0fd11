"""Off this machine mail goes over TLS to a server that proves who it is, or not at all (F20)."""

import asyncio
import time

import pytest

from digest.smtp import Security, Timeouts, client
from tests.smtp.scenario import (
    ACCEPTED,
    SENDER_ERROR,
    UNCERTAIN,
    address,
    by_number,
    envelope,
    envelopes,
    now,
    outcomes,
    relay_of,
    sending,
)
from tests.support.certificates import authority, served, signed
from tests.support.smtp_server import Act, SmtpServer, Step, Then

BOTH = pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])


@pytest.fixture(params=["uvloop", "asyncio"], autouse=True)
def loop(request, monkeypatch):
    if request.param == "asyncio":
        monkeypatch.setattr(client, "new_loop", asyncio.new_event_loop)


@pytest.fixture
def trusted(monkeypatch, tmp_path):
    """An authority that this machine trusts."""
    ours = authority()
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.save(tmp_path / "authority.pem")))
    return ours


def server_with(identity, security, folder, **more):
    context = served(identity, folder)
    return SmtpServer(**{"tls" if security is Security.TLS else "starttls": context}, **more)


@BOTH
@pytest.mark.parametrize("pipelining", [True, False])
def test_mail_goes_to_a_server_with_a_certificate_that_we_trust(security, pipelining, trusted, tmp_path):
    with server_with(signed(trusted), security, tmp_path, auth=True, pipelining=pipelining) as server:
        relay = relay_of(server, security, username="user", password="secret")
        with sending(relay, connections=2, per_connection=30) as sender:
            receipts = by_number(sender.send(envelopes(range(100)), now))
        assert set(outcomes(receipts).values()) == {ACCEPTED}
        assert server.count("AUTH") == server.connections >= 4
        huge = envelope(1000, b"0123456789\r\n" * 100_000)
        with sending(relay) as sender:
            assert outcomes(by_number(sender.send([huge], now))) == {1000: ACCEPTED}
        assert [taken.content for taken in server.taken_for(address(1000))] == [huge.message]


@BOTH
@pytest.mark.parametrize("fault", ["signed by itself", "expired", "of another machine", "signed by a stranger"])
def test_nothing_goes_to_a_server_with_a_certificate_that_we_do_not_trust(security, fault, trusted, tmp_path):
    identity = {
        "signed by itself": lambda: signed(None),
        "expired": lambda: signed(trusted, expired=True),
        "of another machine": lambda: signed(trusted, ip="192.0.2.1"),
        "signed by a stranger": lambda: signed(authority()),
    }[fault]()
    with server_with(identity, security, tmp_path, auth=True) as server:
        relay = relay_of(server, security, username="user", password="secret")
        with sending(relay, connections=2) as sender:
            receipts = by_number(sender.send(envelopes(range(5)), now))
        assert set(outcomes(receipts).values()) == {SENDER_ERROR}
        assert "certificate" in receipts[0].text.lower()
        assert (server.taken, server.count("MAIL"), server.count("AUTH")) == ([], 0, 0)


@pytest.mark.parametrize("answer", [None, "454 4.7.0 TLS not available"])
def test_nothing_goes_to_a_server_that_does_not_do_starttls(answer):
    with SmtpServer(auth=True) as server:
        if answer:  # offered, and then refused
            server.always(Step.EHLO, "250-mail.localhost\r\n250-AUTH PLAIN\r\n250 STARTTLS")
        relay = relay_of(server, Security.STARTTLS, username="user", password="secret")
        with sending(relay) as sender:
            receipts = by_number(sender.send(envelopes(range(3)), now))
        assert set(outcomes(receipts).values()) == {SENDER_ERROR}
        assert (server.taken, server.count("MAIL"), server.count("AUTH")) == ([], 0, 0)


def test_a_server_that_speaks_in_clear_where_tls_is_wanted_gets_nothing():
    with SmtpServer() as server, sending(relay_of(server, Security.TLS)) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: SENDER_ERROR}
        assert server.count("MAIL") == 0


@BOTH
def test_a_connection_lost_over_tls_is_read_as_one_in_clear(security, trusted, tmp_path):
    with server_with(signed(trusted), security, tmp_path) as server:
        server.answer(Step.END, Act(reply="", then=Then.HANG_UP, keep=True), to=address(1))
        server.answer(Step.RCPT, Act(reply="", then=Then.RESET), to=address(3))
        with sending(relay_of(server, security)) as sender:
            receipts = by_number(sender.send(envelopes(range(5)), now))
        assert outcomes(receipts) == {0: ACCEPTED, 1: UNCERTAIN, 2: ACCEPTED, 3: SENDER_ERROR, 4: ACCEPTED}


def test_a_connection_that_ends_inside_a_large_message_over_tls_is_in_doubt(trusted, tmp_path):
    # The TLS transport hides encrypted data that has not left yet.
    with server_with(signed(trusted), Security.TLS, tmp_path) as server:
        server.answer(Step.BODY, Act(reply="", wait=0.2, then=Then.RESET))
        with sending(relay_of(server, Security.TLS)) as sender:
            huge = envelope(1, b"0123456789\r\n" * 2_000_000)
            assert outcomes(by_number(sender.send([huge], now))) == {1: UNCERTAIN}


def test_a_handshake_that_never_ends_is_bounded():
    with SmtpServer() as server:
        server.always(Step.CONNECT, Act(reply="", wait=30))
        began = time.monotonic()
        with sending(relay_of(server, Security.TLS), timeouts=Timeouts(connect=0.5, begin=5)) as sender:
            assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: SENDER_ERROR}
        assert time.monotonic() - began < 3
