"""Messages as they are submitted, in windows, and the mail server's replies: exactly one to each message."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

_SHORTEST_NAME = 3  # characters before the @; fewer are part of many words and name nobody


@dataclass(frozen=True, slots=True)
class Envelope:
    """An RFC 5321 envelope and the exact bytes (CRLF lines, not yet dot-stuffed) that follow DATA.

    `may_have_dots`: whether a line may begin with a dot. False saves searching the message for such lines.
    `is_evidence`: whether a refusal of its recipient may say something about the sender.
    """

    id: int
    reverse_path: str
    forward_path: str
    message: bytes
    may_have_dots: bool = True
    is_evidence: bool = True


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
    text: str  # as the server sent it, without the name of the recipient; lines joined by \n
    at: datetime

    @property
    def is_acceptance(self) -> bool:
        """True if the server took responsibility. Only a reply to the final dot can do so (RFC 5321 §4.1.1.4)."""
        return self.phase is Phase.CONTENT and self.code is not None and 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 §4.5.3.2.6 asks for ten minutes after the final dot; giving up earlier causes duplicates."""

    connect: float = 45  # until the server is ready for mail: TCP, TLS, greeting, login
    command: float = 300
    final_reply: float = 600
    message: float = 660  # for one message in all, however slowly the server trickles
    begin: float = 2  # a message that has waited this long since its window was submitted is not begun


class SendObserver(Protocol):
    """Keeps a record of messages on the wire outside this process. Called on the sender's thread."""

    def began(self, envelope_id: int) -> None:
        """Called before the first byte of this message's content is written. If it raises, the message is not begun."""
        ...

    def answered(self, reply: Reply) -> None:
        """Called when the reply to a begun message is known, before its connection begins another."""
        ...


class SubmittedWindow:
    """Messages that were submitted together. `replies` is done when each has one."""

    __slots__ = ("_resolved", "_size", "begin_until", "messages", "now", "replies")

    def __init__(self, envelopes: Sequence[Envelope], now: Callable[[], datetime], begin_until: float) -> None:
        """`begin_until`: on the monotonic clock."""
        self.now = now
        self.begin_until = begin_until
        self.messages = [PendingMessage(envelope, self) for envelope in envelopes]
        self.replies: Future[list[Reply]] = Future()
        self.replies.set_running_or_notify_cancel()  # it cannot be cancelled: what is on the wire is on the wire
        self._resolved: list[Reply] = []
        self._size = len(envelopes)
        if not envelopes:
            self.replies.set_result(self._resolved)

    def resolve(self, reply: Reply) -> None:
        """Take the reply to one of its messages."""
        self._resolved.append(reply)
        if len(self._resolved) == self._size:
            self.messages = []  # a reference cycle would keep the messages until the next full garbage collection
            self.replies.set_result(self._resolved)


class PendingMessage:
    """One message, waiting or on its way."""

    __slots__ = ("begun", "envelope", "window")

    def __init__(self, envelope: Envelope, window: SubmittedWindow) -> None:
        self.envelope = envelope
        self.window = window
        self.begun = False

    def reply(self, phase: Phase, code: int | None, text: str) -> Reply:
        return Reply(self.envelope.id, phase, code, without_recipient(text, self.envelope), self.window.now())

    def not_attempted(self, reason: str) -> Reply:
        return self.reply(Phase.WAITING, None, reason)


def without_recipient(text: str, envelope: Envelope) -> str:
    """`text` without the address of the recipient, and without the part before its @: replies like to repeat them.

    So the records of an attempt name nobody, whoever keeps them and for how long.
    """
    address = envelope.forward_path
    local = address.rpartition("@")[0]
    named = address if len(local) < _SHORTEST_NAME else local
    if named.casefold() not in text.casefold():
        return text
    return re.sub(rf"(?<![^\W_]){re.escape(named)}(?![^\W_])(@[\w.-]+)?", "…", text, flags=re.IGNORECASE)
