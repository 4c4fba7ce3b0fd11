"""Reads values that sources send: text, instants, counts and addresses that may be missing, odd or hostile."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from digest.papers.text.plaintext import plaintext

_MAX_COUNT = 10**9  # close to the limit of a database integer; no paper has as many votes


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
    """An aware instant from ISO 8601, in UTC without a time zone; None for anything else, or before arXiv existed."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value.strip())
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if 1991 <= instant.year < 2200 else None


def web_address_of(value: Any) -> str:
    """An http or https address of printable ASCII, else ""."""
    if not isinstance(value, str) or len(value) > 500:
        return ""
    value = value.strip()
    if any(not "!" <= c <= "~" or c in '<>"' for c in value):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and parts.hostname else ""
