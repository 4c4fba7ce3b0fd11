"""What goes to a mail server, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
    SENDER_ERROR = (
        "sender error"  # nothing to do with the recipient: no connection, TLS, login, policy against the sender
    )
    NOT_ATTEMPTED = "not attempted"  # not one byte of this message was sent, and nothing was learned about it
    UNCERTAIN = "uncertain"  # the connection ended after the message was on the wire and before the answer


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
