"""A connection that cannot be opened is reported with its cause on one line. Uses real sockets."""

import socket
import threading
from contextlib import closing, contextmanager

import pytest

from digest.smtp import Relay, Security, Timeouts, probe
from tests.smtp.scenario import SENDER_ERROR, by_number, envelope, now, relay_of, sending
from tests.support.certificates import authority, served, signed
from tests.support.smtp_server import HANG_UP, RESET, SILENT, SmtpServer, Step

SECONDS = 0.3
LOGIN = {"username": "user", "password": "secret"}
NOT_SMTP = [
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"* OK IMAP4rev1 ready\r\n",
    b"+OK POP3 ready\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"J\0\0\0\n8.0.36\0\r\n",
    b"20 short\r\n",
    b"x" * 100_000,
]


@contextmanager
def listening(first=None):
    """A port that greets each client with `first`; without it, the connection is closed at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as connection:
                if first is not None:
                    connection.sendall(first)
                    connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def problem_at(port, security=Security.NONE, **more):
    problem = probe(Relay("127.0.0.1", port, security, **more), SECONDS).line
    assert "\n" not in problem
    assert f"127.0.0.1:{port}" in problem
    return problem


@pytest.fixture
def trusted(monkeypatch, tmp_path):
    ours = authority()
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.save(tmp_path / "authority.pem")))
    return ours


def test_a_server_that_is_ready_has_no_problem(trusted, tmp_path):
    context = served(signed(trusted), tmp_path)
    with SmtpServer(auth=True) as plain, SmtpServer(tls=context) as tls, SmtpServer(starttls=context) as starttls:
        relays = [
            relay_of(plain, **LOGIN),
            relay_of(tls, Security.TLS),
            relay_of(starttls, Security.STARTTLS),
        ]
        assert [probe(relay, 5).line for relay in relays] == [""] * 3


def test_a_port_where_nobody_listens_is_named():
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        assert "refuses connections; check host and port" in problem_at(unused.getsockname()[1])


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..example", f"{'x' * 64}.example"])
def test_a_name_that_does_not_exist_is_named(name):
    problem = probe(Relay(name, 587, Security.STARTTLS), 5).line
    assert "there is no host of this name" in problem or "DNS does not answer" in problem


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
def test_a_server_that_never_greets_is_named(security):
    with listening(b"") as port:
        assert "sent no SMTP greeting in time" in problem_at(port, security)


def test_a_server_that_closes_the_connection_at_once_is_named():
    with listening() as port:
        assert "closed the connection before it was ready" in problem_at(port)


@pytest.mark.parametrize("first", NOT_SMTP, ids=lambda first: repr(first[:8]))
def test_a_server_that_speaks_another_protocol_is_named(first):
    with listening(first) as port:
        assert "not a mail server; check the port" in problem_at(port)


@pytest.mark.parametrize("greeting", ["554 5.7.1 you are blocked", "421 4.7.0 too many connections"])
def test_a_greeting_that_refuses_is_quoted(greeting):
    with listening(f"{greeting}\r\n".encode()) as port:
        problem = problem_at(port)
    assert problem.startswith(greeting[4:])
    assert "in the greeting" in problem


def test_tls_to_a_plain_port_and_plain_to_a_tls_port_are_named(trusted, tmp_path):
    with SmtpServer() as plain, SmtpServer(tls=served(signed(trusted), tmp_path)) as tls:
        assert "use smtp+starttls://" in problem_at(plain.port, Security.TLS)
        assert "expect TLS at once: then use smtps://" in problem_at(tls.port)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("expired", "its certificate has expired"),
        ("of another machine", "its certificate is for another name"),
        ("signed by itself", "by an authority that this machine does not trust"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_named_with_the_reason(security, fault, cause, trusted, tmp_path):
    by = None if fault == "signed by itself" else trusted
    ip = "192.0.2.1" if fault == "of another machine" else "127.0.0.1"
    context = served(signed(by, ip, expired=fault == "expired"), tmp_path)
    with SmtpServer(**{"tls" if security is Security.TLS else "starttls": context}) as server:
        assert cause in problem_at(server.port, security)


@pytest.mark.parametrize(
    ("step", "act", "cause"),
    [
        (Step.EHLO, "550 5.7.1 go away", "5.7.1 go away (at EHLO"),
        (Step.EHLO, SILENT, "it greeted, and then did not answer in time"),
        (Step.EHLO, HANG_UP, "closed the connection before it was ready"),
        (Step.EHLO, RESET, "closed the connection before it was ready"),
        (Step.AUTH, "535 5.7.8 bad credentials", "5.7.8 bad credentials (at the login"),
        (Step.AUTH, SILENT, "it greeted, and then did not answer in time"),
        (Step.AUTH, HANG_UP, "closed the connection before it was ready"),
    ],
    ids=str,
)
def test_what_fails_after_the_greeting_is_named(step, act, cause):
    with SmtpServer(auth=True) as server:
        server.always(step, act)
        assert cause in problem_at(server.port, **LOGIN)


def test_what_a_server_does_not_offer_is_named():
    with SmtpServer() as server:
        assert "does not offer STARTTLS; use smtps://" in problem_at(server.port, Security.STARTTLS)
        assert "offers no login here" in problem_at(server.port, **LOGIN)
        server.always(Step.EHLO, "250-mail\r\n250-AUTH GSSAPI\r\n250 STARTTLS")
        assert "5.5.1 no (at STARTTLS" in problem_at(server.port, Security.STARTTLS)
        assert "offers no login here" in problem_at(server.port, **LOGIN)


def test_workers_name_the_same_cause(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))  # a folder instead of certificates
    with (
        SmtpServer() as server,
        sending(relay_of(server, Security.TLS), timeouts=Timeouts(connect=1, begin=3)) as sender,
    ):
        receipt = by_number(sender.send([envelope(1)], now))[1]
    assert receipt.outcome is SENDER_ERROR
    assert "use smtp+starttls://" in receipt.text
