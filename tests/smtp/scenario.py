"""Messages, a clock that stands still, and how to send them."""

from collections.abc import Iterable
from contextlib import contextmanager
from datetime import UTC, datetime

from digest.mail.delivery.outcome import Outcome, is_about_sender, receipt_of
from digest.smtp import Envelope, Relay, Security, Sender, Timeouts

QUICK = Timeouts(connect=5, command=5, final_reply=5, message=10, begin=5)


def now():
    return datetime(2026, 3, 4, 7, tzinfo=UTC)


def address(number):
    return f"reader{number}@example.com"


def envelope(number, body=b"Hello\r\n"):
    message = b"Subject: no. %d\r\n\r\n" % number + body
    return Envelope(number, "bounces@example.org", address(number), message)


def envelopes(numbers: Iterable[int]):
    return [envelope(number) for number in numbers]


def relay_of(server, security=Security.NONE, **more):
    return Relay("127.0.0.1", server.port, security, **more)


@contextmanager
def sending(*servers, connections=1, per_connection=100, timeouts=QUICK, observer=None):
    """A sender to these servers; it is closed without patience."""
    relays = [server if isinstance(server, Relay) else relay_of(server) for server in servers]
    sender = Sender(relays, connections, per_connection, timeouts, observer, is_about_sender)
    try:
        yield sender
    finally:
        sender.close(patience=0.5)


def by_number(replies):
    """The receipts of these replies, by the number of their envelope."""
    receipts = {reply.id: receipt_of(reply) for reply in replies}
    assert len(receipts) == len(replies), "more than one reply to an envelope"
    return receipts


def send(server, *window, **how):
    """The receipts, by number."""
    with sending(server, **how) as sender:
        return by_number(sender.send(window, now))


def outcomes(receipts):
    return {number: receipt.outcome for number, receipt in receipts.items()}


def send_alone(sender, number):
    """The receipt of one message."""
    return by_number(sender.send([envelope(number)], now))[number]


ACCEPTED, DEFERRED, REFUSED = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REFUSED
SENDER_ERROR, UNCERTAIN, NOT_ATTEMPTED = Outcome.SENDER_ERROR, Outcome.UNCERTAIN, Outcome.NOT_ATTEMPTED
