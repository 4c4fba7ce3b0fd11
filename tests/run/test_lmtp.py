"""LMTP replies 250 only after a message is processed."""

import asyncio
import smtplib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from aiosmtpd.lmtp import LMTP

from digest.run.lmtp import ReportHandler


@contextmanager
def lmtp(take: Callable[[bytes, str], object]) -> Iterator[smtplib.LMTP]:
    loop, ports = asyncio.new_event_loop(), []
    ready = threading.Event()

    def serve() -> None:
        server = loop.run_until_complete(
            loop.create_server(lambda: LMTP(ReportHandler(take), hostname="digest", loop=loop), "127.0.0.1", 0)
        )
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        loop.run_forever()
        server.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    ready.wait()
    try:
        with smtplib.LMTP("127.0.0.1", ports[0]) as client:
            yield client
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def test_a_message_is_processed_with_its_envelope_recipient() -> None:
    taken: list[tuple[bytes, str]] = []
    with lmtp(lambda message, recipient: taken.append((message, recipient))) as client:
        assert client.sendmail("", "bounces+t0ken@example.org", b"Subject: x\r\n\r\ny\r\n") == {}
    assert taken == [(b"Subject: x\r\n\r\ny\r\n", "bounces+t0ken@example.org")]


def test_a_message_that_cannot_be_stored_has_to_be_sent_again() -> None:
    def take(_message: bytes, _recipient: str) -> None:
        raise OSError("the database is away")

    with lmtp(take) as client, pytest.raises(smtplib.SMTPDataError, match=r"4\.3\.0 not processed: OSError"):
        client.sendmail("", "bounces@example.org", b"Subject: x\r\n\r\ny\r\n")


def test_a_second_recipient_is_deferred() -> None:
    with lmtp(lambda message, recipient: None) as client:
        refused = client.sendmail("", ["a@example.org", "b@example.org"], b"Subject: x\r\n\r\ny\r\n")
    assert refused == {"b@example.org": (452, b"4.5.3 one recipient at a time")}
