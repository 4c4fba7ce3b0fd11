"""Windows of messages waiting to be sent. Each message gets exactly one reply."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from digest.smtp.envelope import Envelope, Phase, Reply


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 §4.5.3.2.6 asks for ten minutes after the final dot; giving up earlier causes duplicates."""

    connect: float = 30  # until the server is ready for mail: TCP, TLS, greeting, login
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
        return Reply(self.envelope.id, phase, code, text, self.window.now())

    def not_attempted(self, reason: str) -> Reply:
        return self.reply(Phase.WAITING, None, reason)
