"""Envelopes for a mail server, and its replies."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Envelope:
    """An RFC 5321 envelope and the exact bytes (CRLF lines, not yet dot-stuffed) that follow DATA.

    `may_have_dots`: whether a line may begin with a dot. False saves searching the message for such lines.
    """

    id: int
    reverse_path: str
    forward_path: str
    message: bytes
    may_have_dots: bool = True


class Phase(StrEnum):
    """The stage at which an attempt ended."""

    WAITING = "waiting"  # no byte of this message was sent, and nothing was learned about it
    SESSION = "connecting"  # connect, EHLO, TLS, AUTH
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"  # before 354
    CONTENT = "message content"  # the message was on the wire


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of an attempt to send one envelope."""

    id: int  # of the envelope
    phase: Phase
    code: int | None  # None: the attempt ended without a reply, and `text` is the reason
    text: str  # as the server sent it, lines joined by \n
    at: datetime

    @property
    def is_acceptance(self) -> bool:
        """True if the server took responsibility. Only a reply to the final dot can do so (RFC 5321 §4.1.1.4)."""
        return self.phase is Phase.CONTENT and self.code is not None and 200 <= self.code < 300
