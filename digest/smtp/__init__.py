"""An SMTP client that knows nothing of Digest: envelopes in, replies out."""

from digest.smtp.client import Sender
from digest.smtp.connection import is_plain_address
from digest.smtp.probe import Probe, probe
from digest.smtp.relay import Relay, Security, is_loopback, parse_relay, split_server
from digest.smtp.submission import Envelope, Phase, Reply, SendObserver, Timeouts

__all__ = [
    "Envelope",
    "Phase",
    "Probe",
    "Relay",
    "Reply",
    "Security",
    "SendObserver",
    "Sender",
    "Timeouts",
    "is_loopback",
    "is_plain_address",
    "parse_relay",
    "probe",
    "split_server",
]
