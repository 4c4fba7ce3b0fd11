"""The plain values that pass between rendering, composing, sending and the ledger."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a mail is for. With the occasion and the recipient it names exactly one mail, ever."""

    DIGEST = "digest"
    WEEKLY = "weekly"
    CATCH_UP = "catch-up"  # in the place of a digest or a weekly, after a pause
    CONFIRMATION = "confirmation"
    ALREADY = "already"  # somebody signed up an address that is confirmed
    LINK = "link"  # "mail me my link"
    GOODBYE = "goodbye"  # after an unsubscription on a page of ours


OF_ISSUE = {"daily": Kind.DIGEST, "weekly": Kind.WEEKLY, "catch-up": Kind.CATCH_UP}  # by the kind of the issue
ISSUE_OF = {mail: issue for issue, mail in OF_ISSUE.items()}
LISTED = frozenset(OF_ISSUE.values())  # what goes to the list; the others answer one person


@dataclass(frozen=True, slots=True)
class Letter:
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


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321 envelope and the exact bytes (CRLF lines, not yet dot-stuffed) that follow DATA.

    `may_have_dots`: whether a line of it may begin with a dot; False spares the sender to search the message for them.
    """

    delivery_id: int
    reverse_path: str
    forward_path: str
    message: bytes
    may_have_dots: bool = True


class Outcome(StrEnum):
    """What an attempt came to."""

    ACCEPTED = "accepted"  # 2yz after the final dot
    DEFERRED = "deferred"  # 4yz and 552: this message, later
    REFUSED = "refused"  # other 5yz: this message, never
    OURS = "ours"  # nothing to do with the recipient: no connection, TLS, login, policy against the sender
    UNBEGUN = "not begun"  # not one byte of this message was sent, and nothing was learned about it
    UNKNOWN = "unknown"  # the connection ended after the message was on the wire and before the answer


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the mail server answered to one attempt (RFC 5321 §4.2, RFC 3463)."""

    delivery_id: int
    outcome: Outcome
    code: int | None  # three-digit reply
    enhanced: str  # "5.1.1", "" where the server gave none
    text: str  # the reply, one line, at most 500 characters
    at: datetime
    address_is_bad: bool = False  # the refusal says that this address cannot receive mail: suppress it
