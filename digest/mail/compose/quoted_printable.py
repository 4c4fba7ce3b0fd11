"""Encodes text as quoted-printable (RFC 2045 §6.7), whole or in pieces with placeholders between them.

The result is its own relaxed canonical form (RFC 6376 §3.4.4): no line ends in a blank, and no blank follows another.
No line begins with a dot or with "From ", which some servers on the way would change.
"""

import re
from collections.abc import Iterator

SOFT = b"=\r\n"  # a line break that the decoder removes
LONGEST = 76

# U+FDD0 … U+FDEF are noncharacters: no text should have them, and digest/text.py removes them.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_PLACEHOLDER = re.compile(f"(?:<!--)?{_OPEN}([a-z_]+){_CLOSE}(?:-->)?")
_TO_ENCODE = re.compile(rb"[^\n -<>-~]| (?=\n|\Z)|(?<= ) ")

Pieces = tuple[str, ...]  # literal, name of a placeholder, literal, …, literal


def placeholder(name: str) -> str:
    """A placeholder for a value that differs between subscribers."""
    return f"{_OPEN}{name}{_CLOSE}"


def row_placeholder(name: str) -> str:
    """A placeholder between rows of an HTML table, where only a comment is allowed."""
    return f"<!--{placeholder(name)}-->"


def split(text: str) -> Pieces:
    return tuple(_PLACEHOLDER.split(text))


def encoded_pieces(text: str) -> Pieces:
    """Split and encode `text`, each placeholder on a line of its own.

    Placeholders are replaced by the result of `encoded_value`, by nothing, or by whole lines.
    """
    pieces = list(split(text))
    last = len(pieces) - 1
    for index in range(0, last + 1, 2):
        literal = pieces[index]
        opening = SOFT if index > 0 and not literal.startswith("\n") else b""
        closing = SOFT if index < last and literal and not literal.endswith("\n") else b""
        pieces[index] = (opening + encoded_value(literal) + closing).decode("ascii")
    return tuple(pieces)


def encoded_value(text: str) -> bytes:
    """Encode a value for a placeholder, with room for a soft line break after it."""
    return quoted_printable(text, LONGEST - 1)


def quoted_printable(text: str, longest: int = LONGEST) -> bytes:
    """Encode in CRLF lines of at most `longest` characters. Raises UnicodeEncodeError for lone surrogates."""
    content = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    safe = _TO_ENCODE.sub(lambda match: b"=%02X" % match.group()[0], content)
    return b"\r\n".join(SOFT.join(_soft_broken(line, longest)) for line in safe.split(b"\n"))


def _soft_broken(line: bytes, longest: int) -> Iterator[bytes]:
    rest = _safe_start(line)
    while len(rest) > longest:
        end = longest - 1
        # Not within =XX.
        end = rest.find(b"=", end - 2, end) if b"=" in rest[end - 2 : end] else end
        yield rest[:end]
        rest = _safe_start(rest[end:])
    yield rest


def _safe_start(line: bytes) -> bytes:
    """Encode a leading dot, which SMTP would double, and "From ", before which some mail stores put ">"."""
    if line.startswith(b"."):
        return b"=2E" + line[1:]
    return b"=46rom " + line[5:] if line.startswith(b"From ") else line
