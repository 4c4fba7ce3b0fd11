"""The bytes of the SMTP dialogue: commands and messages out, replies in. Pure."""

import re
from collections.abc import Iterator
from enum import Enum, auto

from digest.smtp.envelope import Phase

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
    EMPTY = auto()  # the lone dot that ends a message without recipients
    RESET = auto()
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
