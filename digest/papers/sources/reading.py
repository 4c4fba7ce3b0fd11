"""Reads values that sources send: text, instants, counts and addresses that may be missing, odd or hostile."""

import codecs
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx2

from digest.papers.paper import canonical_address
from digest.papers.sources.source import SourceUnavailable
from digest.papers.text.plaintext import plaintext
from digest.text import parse_instant

T = TypeVar("T")
R = TypeVar("R")
MAX_SECONDS = 60.0  # of processor time for one document; 20,000 records of a feed take 20
_MAX_COUNT = 10**9  # close to the limit of a database integer; no paper has as many votes
_MARKS = (
    ("utf-8-sig", codecs.BOM_UTF8),
    ("utf-16", codecs.BOM_UTF16_LE),
    ("utf-16", codecs.BOM_UTF16_BE),
    ("utf-16-le", b"<\0"),  # XML without a byte order mark
    ("utf-16-be", b"\0<"),
)
_DECLARED = re.compile(rb"""[^>]{0,200}?\bencoding=["']([\w.:-]{1,40})""")
# Python refuses to read a whole number of more than 4,300 digits. Lists have line breaks and tabs inside of text.
JSON = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 30 else float(digits), strict=False)


def decoded(body: bytes) -> str:
    """The text of a document, in whatever encoding: UTF-8 also where another one is declared."""
    marks = [encoding for encoding, start in _MARKS if body.startswith(start)]
    declared = _DECLARED.match(body)
    for encoding in [*marks, "utf-8", *([declared[1].decode()] if declared else [])]:
        try:
            return body.decode(encoding).lstrip("\ufeff")
        except (ValueError, LookupError):
            continue
    return body.decode("utf-8", errors="cp1252")


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """The bytes that are not UTF-8, as text in the encoding that most such documents have."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("cp1252", _as_cp1252)


def per_record(read: Callable[[T], R | str], record: T) -> R | str:
    """The result of `read`, or why the record is skipped: a bad record must not stop the others."""
    try:
        return read(record)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's record does to the code that reads it
        return f"it cannot be read ({type(error).__name__})"


def in_time(records: Iterable[T]) -> Iterator[T]:
    """The records. Raises SourceUnavailable when reading them, from the first on, takes this thread too long."""
    until = time.thread_time() + MAX_SECONDS
    for record in records:
        yield record
        if time.thread_time() > until:
            raise SourceUnavailable(f"reading it took more than {MAX_SECONDS:.0f} seconds of processor time")


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
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL:
        return ""
    if not value.isascii() or " " in value:
        value = str(url)
    is_printable = all("!" <= c <= "~" and c not in '<>"' for c in value)
    return value if is_printable and url.scheme in ("http", "https") and url.host else ""
