"""digest send-test: one message to one address, and one line that says what became of it."""

import socket
from contextlib import closing

import pytest

from digest.settings import settings
from tests.cli.conftest import DATE
from tests.support.scenario import ON_SQLITE
from tests.support.smtp_server import HANG_UP, Act, Step


@pytest.fixture
def send_test(run, issue, monkeypatch):
    """Exit code and the one line, for this server."""

    def send_test(url):
        monkeypatch.setenv("DIGEST_SMTP_URL", url)
        settings.cache_clear()
        done = run("send-test", "me@example.com", "--date", DATE)
        return done.exit_code, " ".join(done.stderr.split())  # it may go on in a second line

    return send_test


@ON_SQLITE
def test_a_server_that_greets_slowly_gets_the_message(send_test, smtp_server):
    smtp_server.answer(Step.CONNECT, Act(wait=2.2))  # longer than a worker lets a message wait for its turn
    assert send_test(smtp_server.url) == (0, "accepted: 250 2.0.0 taken")


def test_a_server_that_cannot_be_reached_is_named_with_the_cause(send_test):
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        code, line = send_test(f"smtp://127.0.0.1:{port}")
    assert (code, line) == (
        1,
        f"not sent: connecting: 127.0.0.1:{port}: it refuses connections; check host and port",
    )


def test_the_wrong_kind_of_tls_is_named(send_test, smtp_server):
    code, line = send_test(f"smtps://127.0.0.1:{smtp_server.port}")
    assert (code, line.startswith("not sent: "), "use smtp+starttls://" in line) == (1, True, True)
    assert "does not offer STARTTLS" in send_test(f"smtp+starttls://127.0.0.1:{smtp_server.port}")[1]
    assert "offers no login here" in send_test(f"smtp://user:secret@127.0.0.1:{smtp_server.port}")[1]


@ON_SQLITE
@pytest.mark.parametrize(
    ("step", "act", "line"),
    [
        (Step.CONNECT, "554 5.7.1 blocked", "not sent: 554 5.7.1 blocked (in the greeting of "),
        (Step.MAIL, "553 5.1.8 no such domain", "not sent: 553 5.1.8 no such domain (at MAIL FROM: check DIGEST_MAIL"),
        (Step.MAIL, "452 4.3.1 disk full", "not sent: 452 4.3.1 disk full (at MAIL FROM: try again later)"),
        (
            Step.MAIL,
            "530 5.7.0 log in",
            "not sent: 530 5.7.0 log in (at MAIL FROM: check DIGEST_MAIL_FROM, DIGEST_BOUNCE_A",
        ),
        (Step.MAIL, HANG_UP, "not sent: MAIL FROM: the server closed the connection"),
        (Step.RCPT, "550 5.1.1 no such user", "refused: 550 5.1.1 no such user (at RCPT TO: check the recipient's"),
        (Step.RCPT, "451 4.7.1 greylisted", "deferred: 451 4.7.1 greylisted (at RCPT TO: try again later)"),
        (Step.DATA, "554 5.0.0 no", "refused: 554 5.0.0 no (at DATA"),
        (Step.END, "550 5.7.26 unauthenticated", "not sent: 550 5.7.26 unauthenticated (at the end of the message"),
        (Step.END, HANG_UP, "uncertain: message content: the server closed the connection"),
    ],
    ids=str,
)
def test_what_the_server_refuses_is_named_with_the_step_and_what_to_check(send_test, smtp_server, step, act, line):
    smtp_server.always(step, act)
    code, printed = send_test(smtp_server.url)
    assert code == 1
    assert printed.startswith(line)


@ON_SQLITE
@pytest.mark.parametrize("address", ["not an address", "a b@example.com", "ada@", "<ada@example.com>\nBcc: eve@x.org"])
def test_an_address_that_is_none_is_named_and_nothing_is_sent(run, issue, smtp_server, monkeypatch, address):
    monkeypatch.setenv("DIGEST_SMTP_URL", smtp_server.url)
    done = run("send-test", address, "--date", DATE)
    assert (done.exit_code, "Invalid value" in done.stderr) == (2, True)
    assert smtp_server.connections == 0


def test_doctor_names_the_same_cause(run, smtp_server, monkeypatch):
    monkeypatch.setenv("DIGEST_SMTP_URL", f"smtps://127.0.0.1:{smtp_server.port}")
    settings.cache_clear()
    assert f"127.0.0.1:{smtp_server.port}: it does not begin with TLS" in run("doctor").stdout
