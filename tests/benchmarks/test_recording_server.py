"""The recording mail server: its log shows which messages were doubled, changed, lost or sent to someone else."""

import hashlib
import os
import smtplib
import socket
from datetime import UTC, datetime

import pytest

from benchmarks.installation import RecordingProcess
from benchmarks.proc import connections_to
from benchmarks.report import read_log, report_on
from benchmarks.world import SECRET, address
from digest.run import processes
from digest.subscribers.tokens import Purpose, sign

pytestmark = pytest.mark.processes

KEYS = [SECRET.encode()]
SUBSCRIBERS = {address(number): number for number in (1, 2, 3)}


@pytest.fixture
def start(tmp_path):
    """`start(reset=1.0)` starts a server that behaves so."""
    running = []

    def start_one(**manner):
        running.append(RecordingProcess(tmp_path, **manner))
        return running[-1]

    yield start_one
    for server in running:
        server.stop()


def mail(number, to=None, link_of=None, words="Ten papers."):
    """A digest as its subscriber gets it, or one that is wrong somewhere."""
    token = sign(Purpose.UNSUBSCRIBE, link_of or number, datetime(2026, 3, 4, tzinfo=UTC), KEYS)
    head = (
        f"To: {to or address(number)}",
        f"Message-ID: <digest.{number}@example.org>",
        f"List-Unsubscribe: <https://papers.example.org/u/{token}>",
    )
    return "\r\n".join([*head, "", words, ".a line that begins with a dot", ""]).encode()


def hand_over(server, *mails):
    """Send (subscriber, message) pairs over one connection each."""
    for number, message in mails:
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.sendmail("bounces@example.org", [address(number)], message)


def report_of(server):
    return report_on(list(read_log(server.log)), SUBSCRIBERS, KEYS)


def test_one_mail_each_is_a_run_without_faults(start):
    server = start()
    hand_over(server, *((number, mail(number)) for number in (1, 2, 3)))
    report = report_of(server)
    assert (report.taken, report.lost, report.extra, report.most_copies) == (3, 0, 0, 1)
    assert (report.different_bytes, report.wrong_recipient, report.shared_message_ids) == (0, 0, 0)


def test_the_hash_is_of_the_message_as_it_was_before_dots_were_doubled(start):
    server = start()
    hand_over(server, (1, mail(1)))
    (taken,) = read_log(server.log)
    assert taken.sha256 == hashlib.sha256(mail(1)).hexdigest()
    assert taken.size == len(mail(1))


def test_a_subscriber_without_a_mail_is_lost(start):
    server = start()
    hand_over(server, (1, mail(1)), (3, mail(3)))
    assert report_of(server).lost_subscribers == {address(2)}


def test_a_doubled_mail_is_counted(start):
    server = start()
    hand_over(server, (1, mail(1)), (1, mail(1)), (1, mail(1)), (2, mail(2)), (3, mail(3)))
    report = report_of(server)
    assert (report.extra, report.most_copies, report.different_bytes) == (2, 3, 0)


def test_a_byte_that_changed_in_a_copy_is_seen(start):
    server = start()
    hand_over(server, (1, mail(1)), (1, mail(1, words="Ten papers!")))
    assert (report_of(server).extra, report_of(server).different_bytes) == (1, 1)


@pytest.mark.parametrize(
    "wrong", [{"to": address(2)}, {"link_of": 2}, {"to": address(2), "link_of": 2}], ids=["to", "link", "both"]
)
def test_a_mail_with_something_of_another_subscriber_is_seen(start, wrong):
    server = start()
    hand_over(server, (1, mail(1, **wrong)))
    assert report_of(server).wrong_recipient == 1


def test_a_link_that_nobody_signed_is_seen(start):
    server = start()
    hand_over(server, (1, mail(1).replace(b"/u/", b"/u/A")))
    assert report_of(server).wrong_recipient == 1


def test_two_subscribers_whose_mails_have_one_message_id_are_seen(start):
    server = start()
    hand_over(server, (1, mail(1)), (2, mail(2).replace(b"digest.2@", b"digest.1@")))
    assert report_of(server).shared_message_ids == 1


def test_a_mail_is_noted_though_the_connection_is_reset_instead_of_an_answer(start):
    server = start(reset=1.0)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        hand_over(server, (1, mail(1)))
    report = report_of(server)
    assert (report.taken, report.resets) == (1, 1)


def test_a_deferred_mail_is_not_taken(start):
    server = start(defer=1.0)
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        hand_over(server, (1, mail(1)))
    assert report_of(server).taken == 0


def test_a_mail_is_noted_before_it_is_answered(start):
    server = start(delay=60)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        replies = client.makefile("rb")
        client.sendall(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<%b>\r\nDATA\r\n" % address(1).encode())
        while not replies.readline().startswith(b"354"):
            pass
        client.sendall(mail(1).replace(b"\r\n.a", b"\r\n..a") + b".\r\nNOOP\r\n")
        assert processes.wait_until(lambda: report_of(server).taken == 1, seconds=10)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            replies.readline()


def test_what_is_pipelined_is_answered_in_order(start):
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        begin = b"MAIL FROM:<>\r\nRCPT TO:<%b>\r\nDATA\r\n"
        client.sendall(begin % address(1).encode())
        replies = client.makefile("rb")
        assert [replies.readline()[:3] for _ in range(4)] == [b"220", b"250", b"250", b"354"]
        client.sendall(mail(1) + b".\r\n" + begin % address(2).encode())  # RFC 2920 §3.1 lets content come first
        assert [replies.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        client.sendall(mail(2) + b".\r\nQUIT\r\n")
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"221"]
    assert server.taken() == 2


def test_open_connections_of_a_process_are_counted(start):
    server = start()
    assert connections_to(server.port, os.getpid()) == 0
    with smtplib.SMTP("127.0.0.1", server.port), smtplib.SMTP("127.0.0.1", server.port):
        assert connections_to(server.port, os.getpid()) == 2
    assert connections_to(server.port, os.getpid()) == 0
