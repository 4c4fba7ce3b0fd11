"""The sender against a real mail server that takes, refuses, defers, stalls and hangs up."""

import contextlib
import socket
import ssl
import threading
import time

import pytest

from digest.mail.delivery.outcome import Outcome
from digest.smtp import Relay, Security, Sender, Timeouts
from tests.smtp.scenario import QUICK, by_number, envelope, now, outcomes, relay_of, send, send_alone
from tests.support.smtp_server import HANG_UP, KEEP_AND_HANG_UP, Step


@pytest.fixture(params=["pipelined", "one command at a time"], autouse=True)
def ways(request):
    if "smtp_server" in request.fixturenames:
        request.getfixturevalue("smtp_server").pipelining = request.param == "pipelined"


def test_each_message_of_a_window_goes_once_to_its_own_recipient(smtp_server):
    receipts = send(smtp_server, *(envelope(n) for n in range(25)), connections=4)
    assert outcomes(receipts) == dict.fromkeys(range(25), Outcome.ACCEPTED)
    assert sorted(taken.rcpt_tos for taken in smtp_server.taken) == sorted(
        (f"reader{n}@example.com",) for n in range(25)
    )
    for taken in smtp_server.taken:
        number = taken.rcpt_tos[0].removeprefix("reader").split("@")[0]
        assert taken.content.startswith(f"Subject: no. {number}\r\n".encode())
        assert taken.mail_from == "bounces@example.org"


def test_the_bytes_arrive_as_they_were_also_with_lines_that_begin_with_dots(smtp_server):
    body = b".\r\n..\r\n.hidden\r\nend."
    send(smtp_server, envelope(1, body))
    assert smtp_server.taken[0].content == b"Subject: no. 1\r\n\r\n" + body + b"\r\n"


def test_connections_are_kept_between_windows_and_renewed_after_their_share(smtp_server):
    with Sender([relay_of(smtp_server)], 1, messages_per_connection=3, timeouts=QUICK) as sender:
        for number in range(7):
            assert send_alone(sender, number).outcome is Outcome.ACCEPTED
    assert smtp_server.connections == 3


@pytest.mark.parametrize("phase", [Step.MAIL, Step.RCPT, Step.DATA, Step.END])
@pytest.mark.parametrize(
    ("reply", "outcome"), [("451 4.3.0 later", Outcome.DEFERRED), ("550 5.1.1 never", Outcome.REFUSED)]
)
def test_a_reply_to_one_message_does_not_touch_the_next(smtp_server, phase, reply, outcome):
    if phase is Step.MAIL:
        outcome = Outcome.SENDER_ERROR  # it has not heard the recipient yet
    smtp_server.answer(phase, reply)
    receipts = send(smtp_server, envelope(1), envelope(2))
    assert receipts[1].outcome is outcome
    assert receipts[2].outcome is Outcome.ACCEPTED
    assert [taken.rcpt_tos for taken in smtp_server.taken] == [("reader2@example.com",)]


def test_a_421_after_the_final_dot_is_certainly_not_accepted(smtp_server):
    smtp_server.answer(Step.END, "421 4.3.2 closing")
    receipts = send(smtp_server, envelope(1), envelope(2))
    assert [receipts[n].outcome for n in (1, 2)] == [Outcome.DEFERRED, Outcome.ACCEPTED]


@pytest.mark.parametrize("phase", [Step.MAIL, Step.RCPT, Step.DATA])
def test_a_connection_lost_before_the_message_is_not_in_doubt(smtp_server, phase):
    smtp_server.answer(phase, HANG_UP)
    receipts = send(smtp_server, envelope(1), envelope(2))
    assert [receipts[n].outcome for n in (1, 2)] == [Outcome.SENDER_ERROR, Outcome.ACCEPTED]


def test_a_connection_lost_after_the_message_is_in_doubt(smtp_server):
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    receipts = send(smtp_server, envelope(1), envelope(2))
    assert [receipts[n].outcome for n in (1, 2)] == [Outcome.UNCERTAIN, Outcome.ACCEPTED]
    assert len(smtp_server.taken_for("reader1@example.com")) == 1


def test_a_server_that_cannot_be_reached_leaves_every_message_with_us():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Sender([Relay("127.0.0.1", port, Security.NONE)], 3, timeouts=QUICK) as sender:
        receipts = by_number(sender.send([envelope(n) for n in range(5)], now))
    assert outcomes(receipts) == dict.fromkeys(range(5), Outcome.SENDER_ERROR)
    assert all("connect" in receipt.text.lower() for receipt in receipts.values())


def test_a_server_that_comes_back_is_used_again(smtp_server):
    with Sender([relay_of(smtp_server)], 2, timeouts=QUICK) as sender:
        assert send_alone(sender, 1).outcome is Outcome.ACCEPTED
        smtp_server.stop()
        assert send_alone(sender, 2).outcome is Outcome.SENDER_ERROR
        smtp_server.start()
        assert send_alone(sender, 3).outcome is Outcome.ACCEPTED


def test_where_starttls_was_stripped_nothing_is_sent(smtp_server):
    relay = Relay("127.0.0.1", smtp_server.port, Security.STARTTLS, "user", "password")
    with Sender([relay], 1, timeouts=QUICK) as sender:
        receipt = send_alone(sender, 1)
    assert receipt.outcome is Outcome.SENDER_ERROR
    assert "STARTTLS" in receipt.text
    assert smtp_server.taken == []


def test_a_server_without_a_certificate_that_we_trust_gets_nothing():
    # A port that answers a TLS greeting with plain text is as untrusted as one with a wrong certificate.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=_answer_in_clear, args=(listening,), daemon=True)
        answering.start()
        relay = Relay("127.0.0.1", listening.getsockname()[1], Security.TLS)
        with Sender([relay], 1, timeouts=QUICK) as sender:
            receipt = send_alone(sender, 1)
        answering.join(5)
    assert receipt.outcome is Outcome.SENDER_ERROR


def test_a_reply_that_never_comes_after_the_message_is_in_doubt_and_the_connection_is_not_used_again():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        greeted = []
        silent = threading.Thread(target=_fall_silent_after_the_dot, args=(listening, greeted), daemon=True)
        silent.start()
        relay = Relay("127.0.0.1", listening.getsockname()[1], Security.NONE)
        with Sender([relay], 1, timeouts=Timeouts(5, 5, final_reply=0.3, message=5)) as sender:
            outcomes = [send_alone(sender, n).outcome for n in (1, 2)]
        silent.join(5)
    assert outcomes == [Outcome.UNCERTAIN, Outcome.UNCERTAIN]
    assert len(greeted) == 2


def test_a_server_that_trickles_before_it_is_ready_meets_the_deadline_for_connecting():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        slow = threading.Thread(target=_trickle, args=(listening,), daemon=True)
        slow.start()
        relay = Relay("127.0.0.1", listening.getsockname()[1], Security.NONE)
        with Sender([relay], 1, timeouts=Timeouts(0.5, 60, 60, 60, begin=5)) as sender:
            receipt = send_alone(sender, 1)
        slow.join(5)
    assert receipt.outcome is Outcome.SENDER_ERROR


def test_without_a_mail_server_there_is_nothing_to_start():
    with pytest.raises(ValueError, match="no mail server"):
        Sender([])


def _answer_in_clear(listening):
    connection, _ = listening.accept()
    with connection:
        connection.sendall(b"220 mail.localhost\r\n")
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            assert connection.recv(1 << 16).startswith(b"never")


def _fall_silent_after_the_dot(listening, greeted):
    for _ in range(2):
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as stream:
            greeted.append(1)
            stream.write(b"220 mail.localhost\r\n")
            stream.flush()
            for line in stream:
                if line.startswith(b"."):
                    break
                if line[:4] in (b"EHLO", b"MAIL", b"RCPT"):
                    stream.write(b"250 ok\r\n")
                elif line[:4] == b"DATA":
                    stream.write(b"354 go on\r\n")
                stream.flush()
            stream.read(1)  # until the client hangs up


def _trickle(listening):
    with contextlib.suppress(OSError):  # the client hangs up when it has had enough
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"220 mail.localhost\r\n")
            connection.recv(1000)
            for _ in range(200):
                connection.sendall(b"250-still thinking\r\n")
                time.sleep(0.02)
