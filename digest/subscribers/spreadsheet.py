"""Subscribers as CSV: our own export, and lists from other programs. Pure."""

import csv
import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from digest.subscribers.standing import tells_standing
from digest.subscribers.subscriber import Preferences, Subscriber
from digest.text import ascii_forms

PREFERENCES = tuple(field.name for field in fields(Preferences))
COLUMNS = ("email", "status", *PREFERENCES, "created_at", "confirmed_at", "suppressed")
_DELIMITERS = ",;\t|，；"
_ADDRESS = re.compile(r"[^\s,;|，；@＠﹫]+[@＠﹫][^\s,;|，；@＠﹫]+")
_HEADINGS = frozenset(
    (
        *("address", "addresses", "adresse", "subscriber", "subscribers", "courriel", "correo", "correoelectrónico"),
        *("mail", "mails", "email", "emails", "emailaddress", "emailaddresses", "mailaddress", "emailadresse"),
        *("邮箱", "邮箱地址", "电子邮箱", "电子邮件", "邮件地址", "邮件", "メール", "メールアドレス", "이메일"),
    )
)
_FORMULA = re.compile(r"'*[=+\-@\t\r]")

Row = dict[str, str]  # cells by column: one of COLUMNS, or the list's own heading


class UnreadableList(ValueError):
    """The file is not a list; the text says what to do."""


@dataclass(frozen=True, slots=True)
class SubscriberList:
    rows: list[Row]
    ignored: list[str]  # headings of columns that are not read


def read_list(content: bytes) -> SubscriberList:
    """Read CSV with any usual separator, or one address a line. Raises UnreadableList.

    The addresses are in the column that is called so, or in the one with the most addresses.
    """
    rows = _cells(_decoded(content))
    if not rows:
        return SubscriberList([], [])
    headings = [_column(cell) for cell in rows[0]]
    column = _column_of_addresses(headings, rows)
    has_heading = not any(map(_ADDRESS.fullmatch, rows[0])) and (len(rows[0]) > 1 or headings[column] in _HEADINGS)
    names = headings if has_heading else [""] * len(headings)
    names[column] = "email"
    ignored = [cell for name, cell in zip(names, rows[0], strict=True) if name and not _is_read(name)]
    # Cells without a known heading are kept as well: one of them may say that somebody left.
    keys = [name if name in COLUMNS and name not in names[:at] else f"{at}:{name}" for at, name in enumerate(names)]
    body = rows[1:] if has_heading else rows
    return SubscriberList([dict(zip(keys, row, strict=False)) for row in body], ignored)


def written(subscribers: Iterable[Subscriber], suppressed: dict[str, str]) -> Iterable[Sequence[str]]:
    """The rows of the export, the heading first; `suppressed` has reasons by recipient key."""
    yield COLUMNS
    for subscriber in subscribers:
        values = [getattr(subscriber.preferences, name) for name in PREFERENCES]
        since = (subscriber.created_at, subscriber.consent.confirmed_at, suppressed.get(subscriber.key, ""))
        yield [_harmless(_cell(value)) for value in (subscriber.email, str(subscriber.status), *values, *since)]


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError:  # an older spreadsheet: addresses are ASCII in all its encodings
        text = content.decode("latin-1")
    if "\0" in text:
        raise UnreadableList("it is not a text file; save it as CSV")
    return re.sub(r"\Asep=.[\r\n]+", "", text)  # Excel's own first line


def _cells(text: str) -> list[list[str]]:
    """The rows that are not empty, split by the separator that yields the most addresses."""
    try:
        tables = [list(csv.reader(io.StringIO(text, newline=""), delimiter=mark)) for mark in _DELIMITERS]
    except csv.Error as problem:
        raise UnreadableList(f"it is not CSV ({problem}); look for a quotation mark that is never closed") from None
    cleaned = [[[_plain(cell) for cell in row] for row in rows if any(map(str.strip, row))] for rows in tables]
    return max(cleaned, key=lambda rows: sum(bool(_ADDRESS.fullmatch(cell)) for row in rows for cell in row))


def _is_read(name: str) -> bool:
    return name in COLUMNS or tells_standing(name)


def _column(heading: str) -> str:
    """The name among COLUMNS that a heading means, or the heading without case and signs."""
    bare = "".join(filter(str.isalnum, ascii_forms(heading).casefold()))
    return _NAMES.get(bare, bare)


_NAMES = {name.replace("_", ""): name for name in COLUMNS}


def _column_of_addresses(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    def rank(at: int) -> tuple[bool, bool, int]:
        addresses = sum(bool(_ADDRESS.fullmatch(row[at])) for row in rows if len(row) > at)
        is_named = headings[at] in _HEADINGS
        return headings[at] == "email", addresses > 0 and is_named, addresses * 2 + is_named

    return max(range(len(headings)), key=rank)


def _cell(value: Any) -> str:
    """A value as text: several separated by commas, weekdays as Monday = 0, instants as ISO 8601."""
    if isinstance(value, (tuple, frozenset)):
        return ", ".join(str(part) for part in (sorted(value) if isinstance(value, frozenset) else value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet reads as a formula; _plain() undoes it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _plain(cell: str) -> str:
    return (cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell).strip()
