"""Text → quoted-printable (RFC 2045 §6.7), whole or in pieces with holes between them.

What comes out is its own relaxed canonical form (RFC 6376 §3.4.4): no blank ends a line or follows another. No line
begins with a dot or with "From ", which some servers on the way would change.
"""

import re
from collections.abc import Iterator

SOFT = b"=\r\n"  # a line break that is none
LONGEST = 76

# U+FDD0 … U+FDEF are for internal use: no text may hold them, and text.py takes them away.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_HOLE = re.compile(f"(?:<!--)?{_OPEN}([a-z_]+){_CLOSE}(?:-->)?")
_TO_ENCODE = re.compile(rb"[^\n -<>-~]| (?=\n|\Z)|(?<= ) ")

Pieces = tuple[str, ...]  # literal, name of a hole, literal, …, literal


def placeholder(name: str) -> str:
    """A mark in a text where a value of its reader will stand."""
    return f"{_OPEN}{name}{_CLOSE}"


def row_placeholder(name: str) -> str:
    """The same between the rows of an HTML table, where only a comment may stand."""
    return f"<!--{placeholder(name)}-->"


def split(text: str) -> Pieces:
    """`text` parted at its holes, as it is."""
    return tuple(_HOLE.split(text))


def encoded_pieces(text: str) -> Pieces:
    """`text` parted at its holes and encoded, so that each hole is on a line of its own.

    What is put into a hole is encoded with `encoded_value`, or empty, or whole lines.
    """
    pieces = list(split(text))
    last = len(pieces) - 1
    for at in range(0, last + 1, 2):
        literal = pieces[at]
        opening = SOFT if at > 0 and not literal.startswith("\n") else b""
        closing = SOFT if at < last and literal and not literal.endswith("\n") else b""
        encoded = encoded_value(literal)
        pieces[at] = (opening + encoded + closing).decode("ascii")
    return tuple(pieces)


def encoded_value(text: str) -> bytes:
    """What may be put into a hole: a soft line break still fits behind it."""
    return quoted_printable(text, LONGEST - 1)


def quoted_printable(text: str, longest: int = LONGEST) -> bytes:
    """`text` in CRLF lines of at most `longest` characters. Raises UnicodeEncodeError for lone surrogates."""
    content = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    safe = _TO_ENCODE.sub(lambda found: b"=%02X" % found.group()[0], content)
    return b"\r\n".join(SOFT.join(_broken(line, longest)) for line in safe.split(b"\n"))


def _broken(line: bytes, longest: int) -> Iterator[bytes]:
    """An encoded line in parts that a soft line break joins."""
    rest = _started(line)
    while len(rest) > longest:
        end = longest - 1
        # Not within =XX.
        end = rest.find(b"=", end - 2, end) if b"=" in rest[end - 2 : end] else end
        yield rest[:end]
        rest = _started(rest[end:])
    yield rest


def _started(line: bytes) -> bytes:
    """The dot would be doubled on the wire; some mail stores put ">" before "From "."""
    if line.startswith(b"."):
        return b"=2E" + line[1:]
    return b"=46rom " + line[5:] if line.startswith(b"From ") else line
