"""The plain values that pass between rendering, composing and sending."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from digest.issues.issue import Issue
from digest.issues.selection.selection import Selection
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import Kind
from digest.smtp.envelope import Envelope
from digest.subscribers.subscriber import Recipient


@dataclass(frozen=True, slots=True)
class Branding:
    """What the operator shows in every message. `public_url` has no slash at its end."""

    title: str
    public_url: str
    postal_address: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Senders:
    """Who our messages come from: `bulk` for issues, `transactional` for what somebody has just asked for."""

    bulk: str
    transactional: str
    reply_to: str
    reverse_path: str  # envelope sender, where failures are reported


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to compose: for whom, and of an issue which papers."""

    delivery: Delivery
    reader: Recipient
    issue: Issue | None = None
    selection: Selection | None = None

    @property
    def language(self) -> str:
        """Of a message of an issue: chosen with its papers, or for "" the operator's at the cut."""
        assert self.issue is not None
        return self.issue.language_for(self.selection.language if self.selection else "")


@dataclass(frozen=True, slots=True)
class MessageParts:
    """A rendered message. `html` has its styles inlined; lines end in \\n."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Headers:
    """What the header section needs beside the subject. Addresses are bare, URLs plain ASCII."""

    sender: str  # From, as "Name <address>"
    reply_to: str  # "" for the sender
    to: str
    date: datetime
    message_id: str  # without angle brackets
    kind: Kind
    occasion: str
    unsubscribe_url: str  # RFC 8058: https (http on loopback), takes the one-click POST
    archive_url: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message ready to be sent."""

    envelope: Envelope
    message_id: str
    sha256: str

    @classmethod
    def of(cls, envelope: Envelope, message_id: str) -> "OutgoingMessage":
        return cls(envelope, message_id, hashlib.sha256(envelope.message).hexdigest())
