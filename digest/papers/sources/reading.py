"""Reads values that sources send: text, instants, counts and addresses that may be missing, odd or hostile."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from digest.papers.paper import canonical_address
from digest.papers.text.plaintext import plaintext
from digest.text import parse_instant

T = TypeVar("T")
R = TypeVar("R")
_MAX_COUNT = 10**9  # close to the limit of a database integer; no paper has as many votes


def per_record(read: Callable[[T], R | str], record: T) -> R | str:
    """What `read` makes of a record, or why it is skipped: a bad record must not stop the others."""
    try:
        return read(record)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's record does to the code that reads it
        return f"it cannot be read ({type(error).__name__})"


def text_of(value: Any) -> str:
    """Readable text, "" for anything that is not a string."""
    return plaintext(value) if isinstance(value, str) else ""


def count_of(value: Any) -> int | None:
    """A count, also when it is written as digits, or None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT else None


def instant_of(value: Any) -> datetime | None:
    """The instant in UTC of a date in ISO 8601 or RFC 5322; None for anything else, or before arXiv existed."""
    instant = parse_instant(value) if isinstance(value, str) else None
    return instant.astimezone(UTC) if instant and instant.year >= 1991 else None


def web_address_of(value: Any) -> str:
    """An http or https address of printable ASCII, also when it is written without its scheme, else ""."""
    if not isinstance(value, str) or len(value) > 500:
        return ""
    value = value.strip()
    if not value.lower().startswith(("http://", "https://")):
        value = canonical_address(value)
    if any(not "!" <= c <= "~" or c in '<>"' for c in value):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and parts.hostname else ""
