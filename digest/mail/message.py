"""The plain values that pass between rendering, composing, sending and the ledger."""

from dataclasses import dataclass
from datetime import datetime

from digest.ledger.kinds import Kind


@dataclass(frozen=True, slots=True)
class MessageParts:
    """A rendered mail: what a person reads. `html` has its styles inlined; lines end in \\n."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Headers:
    """What the header section needs beside the letter. Addresses are bare, URLs plain ASCII."""

    sender: str  # From, as "Name <address>"
    to: str
    date: datetime
    message_id: str  # without angle brackets
    kind: Kind
    occasion: str
    list_domain: str  # right side of List-Id
    unsubscribe_url: str  # RFC 8058: https (http on loopback), takes the one-click POST
    unsubscribe_mailto: str = ""
    archive_url: str = ""
    reply_to: str = ""
