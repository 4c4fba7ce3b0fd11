"""Opens a message within fixed limits on size, number of parts and depth. Never raises for a malformed message."""

import re
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from functools import lru_cache
from html import unescape

MAX_MESSAGE = 2_000_000  # bytes to read of a message; DMARC reports may be large
MAX_BYTES = 256 * 1024  # a report comes before the message that it quotes
MAX_TEXT = 32 * 1024
MAX_PARTS = 40
MAX_DIAGNOSTIC = 500  # characters to keep of a server's reply
MAX_LINE = 1000  # the limit of SMTP; mail servers write no longer lines for people

_TYPES = re.compile(rb"content-type\s*:", re.IGNORECASE)
_TAGS = re.compile(r"<(?:style|script)\b[^>]{0,500}>[^<]*|<[^<>]{0,500}>", re.IGNORECASE)
_BREAKS = re.compile(r"<(?:br|p|div|tr|td|li|h\d)\b[^<>]{0,500}>", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    kind: str  # content type, lower case
    text: str


@dataclass(frozen=True)
class OpenedMessage:
    parsed: Message
    parts: tuple[Part, ...]
    raw: bytes  # up to the size limit

    def header(self, name: str) -> str:
        """Return the first header of that name, decoded, on one line; empty if there is none."""
        raw = (value for key, value in self.parsed.raw_items() if key.lower() == name.lower())
        return decoded(next(raw, ""))

    @property
    def quotes_message(self) -> bool:
        """True if a message is attached."""
        payload = self.parsed.get_payload()
        parts = payload if self.parsed.get_content_maintype() == "multipart" and isinstance(payload, list) else []
        return any(isinstance(part, Message) and part.get_content_type() == "message/rfc822" for part in parts)

    def of_kind(self, *kinds: str) -> list[str]:
        return [part.text for part in self.parts if part.kind in kinds]


@lru_cache(maxsize=1)  # read() and is_automatic() open the same message
def open_message(message: bytes) -> OpenedMessage:
    message = _bounded(message)
    try:
        parsed = BytesParser(policy=compat32).parsebytes(message)
        parts = tuple(_parts(parsed))
    except (ValueError, LookupError, AttributeError, TypeError, IndexError, RecursionError):  # of the email package
        parsed, parts = Message(), (Part("text/plain", message.decode("utf-8", "replace")),)
    return OpenedMessage(parsed, parts, message)


def short(text: str) -> str:
    """Return the first lines, each cut to MAX_LINE, so that searching them takes bounded time."""
    return "\n".join(line[:MAX_LINE] for line in text[:MAX_TEXT].splitlines())


def printable(text: str, most: int = MAX_DIAGNOSTIC) -> str:
    """Return one line without control characters, which a database might refuse."""
    words = "".join(char if char.isprintable() else " " for char in text[: most * 8])
    return " ".join(words.split())[:most]


def decoded(value: object) -> str:
    """Return a header as text; invalid bytes become replacement characters."""
    text = " ".join(str(value)[:MAX_LINE].split())
    if "=?" not in text:
        return _as_utf8(text)
    try:
        pieces = [
            piece if isinstance(piece, str) else _text(piece, charset or "utf-8")
            for piece, charset in decode_header(text)
        ]
    except (ValueError, LookupError):
        return text
    return " ".join("".join(pieces).split())


def _bounded(message: bytes) -> bytes:
    """Cut the message at the limits, and convert line ends to LF."""
    message = message[:MAX_BYTES].replace(b"\r\n", b"\n").lstrip(b"\n")
    for number, found in enumerate(_TYPES.finditer(message)):
        if number == MAX_PARTS:
            return message[: found.start()]
    return message


_FIELDS = ("message/delivery-status", "message/global-delivery-status", "message/feedback-report")


def _parts(parsed: Message) -> list[Part]:
    parts: list[Part] = []
    waiting = [parsed]
    while waiting and len(parts) < MAX_PARTS:
        part = waiting.pop(0)
        kind, payload = part.get_content_type().lower(), part.get_payload()
        if kind in _FIELDS:
            parts.append(Part(kind.replace("global-", ""), _blocks(part)))
        elif kind.startswith("multipart/") and isinstance(payload, list):
            waiting[:0] = [inner for inner in payload if isinstance(inner, Message)]
        elif not isinstance(payload, list):  # the parts of a quoted message are not the report's
            kind = "text/plain" if kind.startswith("multipart/") else kind  # a multipart without its boundaries
            parts.append(Part(kind, _content(part, kind)))
    return parts


def _blocks(part: Message) -> str:
    """Return the field blocks of a delivery status as text; the email package has split them into messages."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return _content(part, "text/plain")
    if part.get("Content-Transfer-Encoding", "7bit").strip().lower() in ("base64", "quoted-printable"):
        whole = Message()
        whole["Content-Transfer-Encoding"] = part["Content-Transfer-Encoding"]
        whole.set_payload("\n\n".join(_fields(block) for block in payload if isinstance(block, Message)))
        return _content(whole, "text/plain")
    return "\n\n".join(_fields(block) for block in payload if isinstance(block, Message))


def _fields(block: Message) -> str:
    lines = "\n".join(f"{name}: {_as_utf8(str(value))}" for name, value in block.raw_items())
    payload = block.get_payload()
    return f"{lines}\n{payload}".lstrip("\n") if payload and isinstance(payload, str) else lines


def _as_utf8(raw: str) -> str:
    """A header in which the email package has kept the bytes that are not ASCII."""
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _content(part: Message, kind: str) -> str:
    payload = part.get_payload(decode=True)
    text = _text(payload if isinstance(payload, bytes) else b"", part.get_param("charset") or "utf-8")
    return as_text(text) if kind == "text/html" else text


def as_text(html: str) -> str:
    """Convert HTML to text, with a line for each block."""
    return unescape(_TAGS.sub("", _BREAKS.sub("\n", html)))


def _text(content: bytes, charset: object) -> str:
    name = str(charset).strip("\"' ").lower()
    if name.startswith("iso-2022") and b"\x1b" not in content:
        name = "utf-8"
    try:
        return content.decode(name, "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")
