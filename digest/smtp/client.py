"""Sends windows of messages over a few open connections.

A connection that failed, timed out or was cancelled is closed and never used again. The event loop runs on a thread of
its own; nothing outside this package is asynchronous.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from math import inf
from types import TracebackType
from typing import Self

from digest import machine_clock
from digest.smtp.relay import Relay
from digest.smtp.submission import Envelope, Reply, SendObserver, SubmittedWindow, Timeouts

_DEFAULT_TIMEOUTS = Timeouts()


class Sender:
    """Keeps its connections open between windows. Use it as a context manager, or close() it."""

    def __init__(
        self,
        relays: Sequence[Relay],
        connections: int = 4,
        messages_per_connection: int = 100,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        observer: SendObserver | None = None,
        is_about_sender: Callable[[Reply], bool] = lambda _reply: False,
    ) -> None:
        """`is_about_sender`: whether a reply rejects whatever we send; a few in a row stop all sending.

        Raises ValueError without a relay.
        """
        # Here, because aiosmtplib is slow to load, and every command reads the settings, which import this package.
        from digest.smtp.pool import ConnectionPool

        if not relays:
            raise ValueError("no mail server is set")
        self._begin_seconds = timeouts.begin
        self._pool = ConnectionPool(relays, connections, messages_per_connection, timeouts, observer, is_about_sender)
        self._is_open = True
        self._open_lock = threading.Lock()
        self._loop = self.start_loop()

    def submit(
        self, window: Sequence[Envelope], now: Callable[[], datetime], begin_until: float = inf
    ) -> Future[list[Reply]]:
        """Send each message once, over the connections that all windows share. Returns at once, from any thread.

        `begin_until`: on machine_clock.monotonic(); what has not begun by then stays unsent. The result has exactly
        one reply to each envelope, in no particular order; it is never an exception.
        """
        begin_until = min(machine_clock.monotonic() + self._begin_seconds, begin_until)
        submitted = SubmittedWindow(window, now, begin_until)
        with self._open_lock:
            if self._is_open:
                self._loop.call_soon_threadsafe(self._pool.submit, submitted)
                return submitted.replies
        for message in submitted.messages:
            submitted.resolve(message.not_attempted("the sender is closed"))
        return submitted.replies

    def send(self, window: Sequence[Envelope], now: Callable[[], datetime]) -> list[Reply]:
        """Send each message once, and wait for all replies."""
        return self.submit(window, now).result()

    def close(self, patience: float = 20) -> None:
        """Begin nothing more, wait up to `patience` seconds for what is on the wire, and end the thread."""
        with self._open_lock:
            if not self._is_open:
                return
            self._is_open = False
        self.end_loop(asyncio.run_coroutine_threadsafe(self._pool.close(patience), self._loop))

    # --- what a simulation overrides, whose loop is nobody's thread ---

    def start_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the connections, running."""
        loop = new_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="smtp", daemon=True)
        self._thread.start()
        return loop

    def end_loop(self, closed: Future[None]) -> None:
        """End the loop once the pool is `closed`."""
        closed.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop if it is installed: it halves the cost of a message."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
