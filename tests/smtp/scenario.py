"""What the tests of the sender share: messages, a clock that stands, and how to send."""

from collections.abc import Iterable
from contextlib import contextmanager
from datetime import UTC, datetime

from digest.smtp import Sender, Timeouts
from digest.smtp.envelope import Envelope, Outcome
from digest.smtp.relay import Relay, Security

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
def sending(*servers, connections=1, per_connection=100, timeouts=QUICK, notes=None):
    """A sender to these servers; it is closed without patience."""
    relays = [server if isinstance(server, Relay) else relay_of(server) for server in servers]
    sender = Sender(relays, connections, per_connection, timeouts, *([] if notes is None else [notes]))
    try:
        yield sender
    finally:
        sender.close(patience=0.5)


def by_number(receipts):
    found = {receipt.delivery_id: receipt for receipt in receipts}
    assert len(found) == len(receipts), "more than one receipt for an envelope"
    return found


def send(server, *window, **how):
    """The receipts, by number."""
    with sending(server, **how) as sender:
        return by_number(sender.send(window, now))


def outcomes(receipts):
    return {number: receipt.outcome for number, receipt in receipts.items()}


ACCEPTED, DEFERRED, REFUSED = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REFUSED
OURS, UNKNOWN, UNBEGUN = Outcome.SENDER_ERROR, Outcome.UNCERTAIN, Outcome.NOT_ATTEMPTED
