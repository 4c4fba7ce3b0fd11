"""What waits to be sent: windows of messages, each of which gets exactly one receipt."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from digest.smtp.envelope import Envelope, Outcome, Receipt


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 §4.5.3.2.6: ten minutes for the reply to the final dot; giving up earlier makes doubles."""

    connect: float = 30  # until the server is ready for mail: TCP, TLS, greeting, login
    command: float = 300
    final_reply: float = 600
    message: float = 660  # for one message in all, however slowly the server trickles
    begin: float = 2  # a message whose turn has not come this long after its window was submitted is not begun


class SendObserver(Protocol):
    """A record of what is on the wire, that outlives the process. Called on the sender's thread."""

    def began(self, delivery_id: int) -> None:
        """Before the first byte of this message's content is written. If it raises, the message is not begun."""
        ...

    def answered(self, receipt: Receipt) -> None:
        """The outcome of a begun message is known; nothing else was begun on its connection since."""
        ...


class NoObserver:
    """Nothing is remembered."""

    def began(self, delivery_id: int) -> None:
        """Nothing."""

    def answered(self, receipt: Receipt) -> None:
        """Nothing."""


class SubmittedWindow:
    """Messages that were submitted together. `receipts` is done when each has one."""

    __slots__ = ("_given", "_size", "begin_until", "now", "receipts", "turns")

    def __init__(
        self,
        envelopes: Sequence[Envelope],
        now: Callable[[], datetime],
        begin_until: float,
        given: Sequence[Receipt] = (),
    ) -> None:
        """`begin_until`: on the monotonic clock, in seconds; `given`: receipts that are known without sending."""
        self.now = now
        self.begin_until = begin_until
        self.turns = [PendingMessage(envelope, self) for envelope in envelopes]
        self.receipts: Future[list[Receipt]] = Future()
        self.receipts.set_running_or_notify_cancel()  # it cannot be cancelled: what is on the wire is on the wire
        self._given = list(given)
        self._size = len(given) + len(envelopes)
        if not envelopes:
            self.receipts.set_result(self._given)

    def give(self, receipt: Receipt) -> None:
        """The receipt of one of its messages."""
        self._given.append(receipt)
        if len(self._given) == self._size:
            self.turns = []  # a circle of references would keep the messages until the next full garbage collection
            self.receipts.set_result(self._given)


class PendingMessage:
    """One message, waiting or on its way."""

    __slots__ = ("begun", "envelope", "window")

    def __init__(self, envelope: Envelope, window: SubmittedWindow) -> None:
        self.envelope = envelope
        self.window = window
        self.begun = False

    def unbegun(self, why: str) -> Receipt:
        """The receipt of a message of which not one byte was sent."""
        return Receipt(self.envelope.delivery_id, Outcome.NOT_ATTEMPTED, None, "", why, self.window.now())


class Owner(Protocol):
    """Who gives the messages out to the connections, and takes their receipts."""

    def take(self, ahead: float) -> PendingMessage | None:
        """The next message, that could be begun in `ahead` seconds."""
        ...

    def begin(self, turn: PendingMessage) -> str:
        """Its content is about to be written; "", or why it must not be."""
        ...

    def settle(self, turn: PendingMessage, result: Receipt) -> None:
        """What became of it."""
        ...

    def put_back(self, turn: PendingMessage) -> None:
        """Nothing became of it, and not for its own sake."""
        ...

    def idle(self, session: "Connected") -> None:
        """It has nothing to do."""
        ...

    def retire(self, session: "Connected") -> None:
        """It had nothing to do for a long time."""
        ...

    def ended(self, session: "Connected") -> None:
        """It takes no more messages."""
        ...


class Connected(Protocol):
    """An open connection, as its owner sees it."""

    def work(self) -> bool:
        """Begin with what waits; whether there was something. Only while it is idle."""
        ...

    def leave(self) -> None:
        """Say goodbye. Only while it is idle."""
        ...

    def withdraw(self, now: float) -> None:
        """Give up a message that is not begun and would begin too late."""
        ...

    def end(self, problem: str) -> None:
        """Hang up, at once and for good."""
        ...
