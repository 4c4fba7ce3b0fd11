"""Bytes of the SMTP dialogue: commands and message going out, replies coming in. Pure."""

import re
from collections.abc import Iterator
from enum import Enum, auto

from digest.smtp.receipt import Phase

# A bare addr-spec that needs no quoting, so that nothing in it can end the path or the command (RFC 5321 §4.1.2).
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r]*))?\r?")
# RFC 5321 §4.5.3.1.5 allows 512 octets a line; what is far beyond any real reply is an attack or another protocol.
_LONGEST_REPLY = 8192  # octets
_MOST_LINES = 100


class ExpectedReply(Enum):
    """What a reply answers."""

    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CONTENT = auto()
    EMPTY = auto()  # the lone dot that ends a message without recipients
    RESET = auto()
    QUIT = auto()


# The commands that open a transaction, in their order.
PHASES = {ExpectedReply.MAIL: Phase.MAIL, ExpectedReply.RCPT: Phase.RCPT, ExpectedReply.DATA: Phase.DATA}


class Surprise(Exception):
    """What the server said is not SMTP; nothing after it can be trusted."""


def is_plain_address(address: str) -> bool:
    """Whether `address` can stand in an SMTP command as it is, without quoting or SMTPUTF8."""
    return _PLAIN_ADDRESS.fullmatch(address) is not None and len(address) <= 254


def commands(reverse_path: str, forward_path: str) -> tuple[bytes, bytes, bytes]:
    """MAIL, RCPT and DATA for two plain addresses."""
    mail = b"MAIL FROM:<" + reverse_path.encode("ascii") + b">\r\n"
    return mail, b"RCPT TO:<" + forward_path.encode("ascii") + b">\r\n", b"DATA\r\n"


def stuffed(message: bytes, may_have_dots: bool = True) -> tuple[bytes, bytes]:
    """`message` with its leading dots doubled, and the final dot that goes behind it (RFC 5321 §4.5.2).

    In two parts: a message without such dots, as nearly all are, is not copied.
    """
    if may_have_dots:
        message = message.replace(b"\r\n.", b"\r\n..")
        if message.startswith(b"."):
            message = b"." + message
    return message, b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"


class Replies:
    """What a server sends, however it is cut into pieces → its replies."""

    def __init__(self) -> None:
        self._rest = b""  # of a line
        self._lines: list[bytes] = []  # of a reply of several lines
        self._size = 0
        self._code = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, str]]:
        """Code and text of each reply that `data` completes, lines joined by \\n. Raises Surprise, after the good."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            reply = self._read(line)
            if reply is not None:
                yield reply
        if self._size + len(self._rest) > _LONGEST_REPLY:
            raise Surprise("its reply has no end")

    def _read(self, line: bytes) -> tuple[int, str] | None:
        found = _REPLY_LINE.fullmatch(line)
        if found is None or (self._lines and found[1] != self._code):
            raise Surprise(f"it said what is no SMTP reply: {line[:80].decode('ascii', 'replace')}")
        self._size += len(line)
        if self._size > _LONGEST_REPLY or len(self._lines) >= _MOST_LINES:
            raise Surprise("its reply has no end")
        code, separator, text = found.groups()
        self._code = code
        self._lines.append(text or b"")
        if separator == b"-":
            return None
        whole = b"\n".join(self._lines).decode("utf-8", "replace")
        self._lines = []
        self._size = 0
        return int(code), whole
