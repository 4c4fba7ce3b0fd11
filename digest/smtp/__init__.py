"""An SMTP client that knows nothing of Digest: envelopes in, replies out."""

from digest.smtp.client import Sender
from digest.smtp.envelope import Envelope, Phase, Reply
from digest.smtp.relay import Relay, Security, is_loopback, parse_relay
from digest.smtp.window import SendObserver, Timeouts
from digest.smtp.wire import is_plain_address

__all__ = [
    "Envelope",
    "Phase",
    "Relay",
    "Reply",
    "Security",
    "SendObserver",
    "Sender",
    "Timeouts",
    "is_loopback",
    "is_plain_address",
    "parse_relay",
]
