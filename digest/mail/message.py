"""Plain values that rendering, composing and sending pass on."""

from dataclasses import dataclass
from datetime import datetime

from digest.issues.issue import Issue
from digest.issues.selection import Selection
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import Kind
from digest.smtp import Envelope
from digest.subscribers.address_change.change import AddressChange
from digest.subscribers.subscriber import Recipient


class UnfitMessage(ValueError):
    """A value that does not fit into a message."""


@dataclass(frozen=True, slots=True)
class Branding:
    """The operator's name and addresses in every message. `public_url` ends without a slash;
    "" if there are no pages, as for `digest once`."""

    title: str
    public_url: str
    postal_address: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Senders:
    """Senders of messages: `bulk` for issues, `transactional` for what someone has just asked for."""

    bulk: str
    transactional: str
    reply_to: str
    reverse_path: str  # envelope sender: bounces go there
    signs_reverse_path: bool = False  # with a token of the delivery (return_paths.py)
    unsubscribe_address: str = ""  # gets a token of the subscriber; "" if nobody reads such email


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to compose: its delivery and subscriber and, for an issue, the papers chosen."""

    delivery: Delivery
    subscriber: Recipient
    issue: Issue | None = None
    selection: Selection | None = None
    change: AddressChange | None = None  # that the message is about


def language_of(draft: Draft) -> str:
    """The language chosen with the papers, else the operator's at the cut. Only for an issue."""
    assert draft.issue is not None
    chosen = draft.selection.language if draft.selection else ""
    return chosen or draft.issue.settings.language


@dataclass(frozen=True, slots=True)
class MessageParts:
    """A rendered message: styles inlined in `html`, lines ending in \\n."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Headers:
    """Values of the header section except the subject. Addresses are bare, URLs plain ASCII."""

    sender: str  # From, as "Name <address>"
    reply_to: str  # "" for the sender
    to: str
    date: datetime
    message_id: str  # without angle brackets
    kind: Kind
    occasion: str
    unsubscribe_url: str  # RFC 8058: https (http on loopback), accepts the one-click POST; "" without pages
    unsubscribe_address: str = ""
    archive_url: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    envelope: Envelope
    message_id: str
    sha256: str  # of the bytes, which a retry has to repeat
