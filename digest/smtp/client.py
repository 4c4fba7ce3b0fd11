"""Sending windows of messages over a few open connections: the door to the only asynchronous code of the house.

Comes in: a window of envelopes. Goes out: one receipt for each. A connection that failed, timed out or was cancelled is
closed and never used again. The loop runs on a thread of its own; what it does is in smtp_pool.py and smtp_session.py.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from digest.smtp.envelope import Envelope, Outcome, Receipt
from digest.smtp.pool import ConnectionPool
from digest.smtp.receipt import Phase
from digest.smtp.relay import Relay
from digest.smtp.window import NoObserver, SendObserver, SubmittedWindow, Timeouts
from digest.smtp.wire import is_plain_address

__all__ = ["SendObserver", "Sender", "Timeouts", "is_plain_address"]

_USUAL = Timeouts()
_NO_NOTES = NoObserver()


class Sender:
    """Sends windows of messages over a few connections that it keeps open. Use as a context manager, or close() it."""

    def __init__(
        self,
        relays: Sequence[Relay],
        connections: int = 4,
        messages_per_connection: int = 100,
        timeouts: Timeouts = _USUAL,
        notes: SendObserver = _NO_NOTES,
    ) -> None:
        """`notes` is told what is begun and answered. Raises ValueError without a relay: nowhere to send to."""
        if not relays:
            raise ValueError("no mail server is set")
        self._begin = timeouts.begin
        self._pool = ConnectionPool(relays, connections, messages_per_connection, timeouts, notes)
        self._loop = new_loop()
        self._open = True
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True)
        self._thread.start()

    def submit(self, window: Sequence[Envelope], now: Callable[[], datetime]) -> Future[list[Receipt]]:
        """Send each message once, over the connections that all windows share. Returns at once, from any thread.

        The result holds exactly one receipt for each envelope, in no particular order; it never is an exception.
        """
        problems = [_problem(envelope) for envelope in window]
        fit = [envelope for envelope, problem in zip(window, problems, strict=True) if problem is None]
        known = [_unfit(one, problem, now()) for one, problem in zip(window, problems, strict=True) if problem]
        submitted = SubmittedWindow(fit, now, time.monotonic() + self._begin, known)
        with self._door:
            if self._open:
                self._loop.call_soon_threadsafe(self._pool.submit, submitted)
                return submitted.receipts
        for turn in submitted.turns:
            submitted.give(turn.unbegun("the sender is closed"))
        return submitted.receipts

    def send(self, window: Sequence[Envelope], now: Callable[[], datetime]) -> list[Receipt]:
        """Send each message once, and wait until it is known what became of them."""
        return self.submit(window, now).result()

    def close(self, patience: float = 20) -> None:
        """Begin nothing more, wait `patience` seconds at most for what is on the wire, and end the thread."""
        with self._door:
            if not self._open:
                return
            self._open = False
        self._run(self._pool.close(patience))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one: it halves the cost of a message."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _problem(envelope: Envelope) -> Phase | None:
    if not is_plain_address(envelope.forward_path):
        return Phase.RCPT
    return None if is_plain_address(envelope.reverse_path) else Phase.MAIL


def _unfit(envelope: Envelope, problem: Phase, at: datetime) -> Receipt:
    outcome = Outcome.REFUSED if problem is Phase.RCPT else Outcome.SENDER_ERROR
    text = f"{problem}: this address cannot stand in an SMTP command"
    return Receipt(envelope.delivery_id, outcome, None, "", text, at)
