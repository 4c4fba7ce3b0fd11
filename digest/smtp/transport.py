"""The transport under a session: a deadline that is cheap to postpone, and what has left the send buffer."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf


class Deadline:
    """Calls back once it has passed. Postponing it costs nothing: one timer follows the due times."""

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._due = inf
        self._timer_at = inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float) -> None:
        """Call back at `due` on the monotonic clock, in seconds; inf: never."""
        self._due = due
        if due < self._timer_at:
            self._start_timer(due)

    def stop(self) -> None:
        self._due = inf
        if self._timer is not None:
            self._timer.cancel()

    def _start_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(due - time.monotonic(), self._check)

    def _check(self) -> None:
        self._timer_at, self._timer = inf, None
        if time.monotonic() >= self._due:
            self._on_due()
        elif self._due < inf:
            self._start_timer(self._due)


class BufferedConnection(asyncio.Protocol):
    """Tracks whether all written data has left the transport. (TLS hides its own buffer.)"""

    def take_over(self, transport: asyncio.Transport) -> None:
        """Take the transport from another protocol."""
        self.transport = transport
        self._unsent = False
        self._behind = 0
        # pause_writing() then reports any byte that the kernel did not take.
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_protocol(self)

    def pause_writing(self) -> None:
        self._unsent = True

    def resume_writing(self) -> None:
        self._unsent = False

    def write(self, *data: bytes, behind: int = 0) -> bool:
        """Send `data`; the loss of its last `behind` bytes does no harm. Returns False if none of it was sent."""
        self._behind = behind
        self.transport.writelines(data)
        if self.transport.is_closing():  # the connection had been reset before
            self._unsent, self._behind = True, 0
            return False
        return True

    def is_cut_off(self) -> bool:
        """Return True if the written data, apart from the bytes behind it, has not all left. It then never will."""
        if not self._unsent:
            return False
        if self._behind and self.transport.get_write_buffer_size() <= self._behind:
            return False  # perhaps only those are left: uncertain
        _stop_sending(self.transport)
        return True


def _stop_sending(transport: asyncio.Transport) -> None:
    # An aborted transport may still flush its buffer in the same iteration of the loop.
    handle = transport.get_extra_info("socket")
    with suppress(OSError), socket.socket(fileno=os.dup(handle.fileno())) as same:
        same.shutdown(socket.SHUT_WR)
