"""What a session needs of its loop and its transport: an alarm that is cheap to put off, and to know what has left."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf


class Deadline:
    """Rings once it is due. Putting it off costs nothing: one timer runs behind the due instants."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._due = inf
        self._timer_at = inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float) -> None:
        """Ring at `due` on the monotonic clock, in seconds; inf: not at all."""
        self._due = due
        if due < self._timer_at:
            self._start_timer(due)

    def stop(self) -> None:
        """It never rings again."""
        self._due = inf
        if self._timer is not None:
            self._timer.cancel()

    def _start_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(due - time.monotonic(), self._look)

    def _look(self) -> None:
        self._timer_at, self._timer = inf, None
        if time.monotonic() >= self._due:
            self._ring()
        elif self._due < inf:
            self._start_timer(self._due)


class BufferedConnection(asyncio.Protocol):
    """An open transport, and whether the end of what was written has left it. (TLS hides its own buffer.)"""

    def take_over(self, transport: asyncio.Transport) -> None:
        """From another protocol."""
        self.transport = transport
        self._unsent = False
        self._behind = 0
        # Any byte that the kernel did not take is told by pause_writing.
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_protocol(self)

    def pause_writing(self) -> None:
        """The kernel did not take everything."""
        self._unsent = True

    def resume_writing(self) -> None:
        """Now it has."""
        self._unsent = False

    def write(self, *data: bytes, behind: int = 0) -> bool:
        """Send `data`, whose last `behind` octets may as well not arrive. False when nothing of it was sent."""
        self._behind = behind
        self.transport.writelines(data)
        if self.transport.is_closing():  # the connection had been reset before
            self._unsent, self._behind = True, 0
            return False
        return True

    def is_cut_off(self) -> bool:
        """Whether the end of what was written (but for what is behind it) has not left; if so, it never will."""
        if not self._unsent:
            return False
        if self._behind and self.transport.get_write_buffer_size() <= self._behind:
            return False  # perhaps only that is left: in doubt
        _stop_sending(self.transport)
        return True


def _stop_sending(transport: asyncio.Transport) -> None:
    # An aborted transport may still flush its buffer in the same round of the loop.
    handle = transport.get_extra_info("socket")
    with suppress(OSError), socket.socket(fileno=os.dup(handle.fileno())) as same:
        same.shutdown(socket.SHUT_WR)
