"""An SMTP connection: commands and messages out, through a buffer whose end is known; replies in; a deadline."""

import asyncio
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum, auto
from math import inf

from digest import machine_clock
from digest.smtp.submission import Phase

# A bare addr-spec that needs no quoting, so that nothing in it can end the path or the command (RFC 5321 §4.1.2).
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r]*))?\r?")
# RFC 5321 §4.5.3.1.5 allows 512 octets a line; anything far longer is an attack or another protocol.
_MAX_REPLY_BYTES = 8192
_MAX_REPLY_LINES = 100


class ExpectedReply(Enum):
    """The command or content that a reply belongs to."""

    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CONTENT = auto()
    RESET = auto()  # of the transaction: RSET, or the lone dot that ends a message without recipients
    QUIT = auto()


# The commands that open a transaction, in order.
PHASES = {ExpectedReply.MAIL: Phase.MAIL, ExpectedReply.RCPT: Phase.RCPT, ExpectedReply.DATA: Phase.DATA}


class ProtocolError(Exception):
    """The server sent something that is not SMTP; nothing after it can be trusted."""


def is_plain_address(address: str) -> bool:
    """Return True if `address` can be used in an SMTP command without quoting or SMTPUTF8."""
    return _PLAIN_ADDRESS.fullmatch(address) is not None and len(address) <= 254


def commands(reverse_path: str, forward_path: str) -> tuple[bytes, bytes, bytes]:
    """MAIL, RCPT and DATA for two plain addresses."""
    mail = b"MAIL FROM:<" + reverse_path.encode("ascii") + b">\r\n"
    return mail, b"RCPT TO:<" + forward_path.encode("ascii") + b">\r\n", b"DATA\r\n"


def dot_stuffed(message: bytes, may_have_dots: bool = True) -> tuple[bytes, bytes]:
    """Double the leading dots of `message`. Returns it and the final dot (RFC 5321 §4.5.2).

    In two parts, so that a message without such dots, as nearly all are, is not copied.
    """
    if may_have_dots:
        message = message.replace(b"\r\n.", b"\r\n..")
        if message.startswith(b"."):
            message = b"." + message
    return message, b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"


class Replies:
    """Parses what a server sends, however it is cut into pieces."""

    def __init__(self) -> None:
        self._rest = b""  # an incomplete line
        self._lines: list[bytes] = []  # of an incomplete reply
        self._size = 0
        self._code = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, str]]:
        """Code and text of each reply that `data` completes, lines joined by \\n. Raises ProtocolError,
        after yielding the valid replies before it."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            reply = self._read(line)
            if reply is not None:
                yield reply
        if self._size + len(self._rest) > _MAX_REPLY_BYTES:
            raise ProtocolError("the reply has no end")

    def _read(self, line: bytes) -> tuple[int, str] | None:
        match = _REPLY_LINE.fullmatch(line)
        if match is None or (self._lines and match[1] != self._code):
            raise ProtocolError(f"not an SMTP reply: {line[:80].decode('ascii', 'replace')}")
        self._size += len(line)
        if self._size > _MAX_REPLY_BYTES or len(self._lines) >= _MAX_REPLY_LINES:
            raise ProtocolError("the reply has no end")
        code, separator, text = match.groups()
        self._code = code
        self._lines.append(text or b"")
        if separator == b"-":
            return None
        whole = b"\n".join(self._lines).decode("utf-8", "replace")
        self._lines = []
        self._size = 0
        return int(code), whole


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
        self._timer = self._loop.call_later(due - machine_clock.monotonic(), self._check)

    def _check(self) -> None:
        self._timer_at, self._timer = inf, None
        if machine_clock.monotonic() >= self._due:
            self._on_due()
        elif self._due < inf:
            self._start_timer(self._due)


class BufferedConnection(asyncio.Protocol):
    """Tracks whether all written data has left the transport. (TLS hides its own buffer.)"""

    def __init__(self, transport: asyncio.Transport) -> None:
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
