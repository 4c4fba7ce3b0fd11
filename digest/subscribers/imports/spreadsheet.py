"""Subscribers as CSV and JSON: our own exports, and lists from other programs. Pure."""

import csv
import io
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import takewhile, zip_longest
from typing import Any

from digest.subscribers.imports.listed_status import tells_status
from digest.subscribers.subscriber import Preferences, Subscriber
from digest.text import ascii_forms

PREFERENCES = tuple(field.name for field in fields(Preferences))
COLUMNS = ("email", "status", *PREFERENCES, "created_at", "confirmed_at", "suppressed")
_DELIMITERS = ",;\t|，；"
_END = "\x1f"
_ADDRESS = re.compile(
    r"(?:[^<>]*(?P<named><)|mailto:)?\s*(?P<address>[^\s,;|，；<>@＠﹫]+[@＠﹫][^\s,;|，；<>@＠﹫]+)(?(named)\s*>)"
)
_HEADING = re.compile("mail|address|adresse|subscriber|courriel|correo|邮|郵|メール|메일")
_NAME_OF_ADDRESS = re.compile("(subscriber|contact|user|member|primary)?e?mail(addresse?)?|邮箱")  # not from_email
_FORMULA = re.compile(r"'*[=+\-@\t\r]")

Row = Sequence[tuple[str, str]]  # (column, cell); a column is one of COLUMNS, or another in lower case without signs


class UnreadableList(ValueError):
    """The file is not a list; the text says what to do."""


@dataclass(frozen=True, slots=True)
class SubscriberList:
    rows: list[Row]
    ignored: list[str]  # headings of columns that are not read


def read_list(content: bytes) -> SubscriberList:
    """Read CSV with any usual separator, one address a line, or JSON. Raises UnreadableList.

    The addresses are in the column that is called so, or in the one with the most addresses.
    """
    text = _decoded(content)
    if text.lstrip()[:1] in ("{", "["):
        records = [*_from_json(text)]
        if not records and text.strip() not in ("[]", "{}"):
            raise UnreadableList('it is JSON without addresses; call each "email", or save it as CSV')
        names = [*dict.fromkeys(name for record in records for name, _ in record if name != "email")]
        return SubscriberList([[(_column(name), cell) for name, cell in row] for row in records], _unread(names))
    rows = _cells(text)
    if not rows:
        return SubscriberList([], [])
    rows = rows[_heading(rows) :]
    names = [_column(cell) for cell in rows[0]]
    at = _column_of_addresses(names, rows)
    is_heading = len(names) > 1 or _HEADING.search(names[0]) or rows[0][0].isalpha()
    if any(map(_ADDRESS.fullmatch, rows[0])) or not is_heading:
        return SubscriberList([person for row in rows for person in _without_heading(row)], [])
    names = ["email" if index == at else "" if name == "email" else name for index, name in enumerate(names)]
    # Cells of other columns are kept as well: one of them may say that somebody left.
    return SubscriberList(
        [[*zip_longest(names, row, fillvalue="")] for row in rows[1:]], _unread(rows[0][:at] + rows[0][at + 1 :])
    )


def bare_address(text: str) -> str:
    """The address in `Name <address>`, or `text` as it is."""
    match = _ADDRESS.fullmatch(text.strip())
    return match["address"] if match else text.strip()


def written(subscribers: Iterable[Subscriber], suppressed: dict[str, str]) -> Iterable[Sequence[str]]:
    """The rows of the export, the heading first; `suppressed` has reasons by recipient key."""
    yield COLUMNS
    for subscriber in subscribers:
        values = [getattr(subscriber.preferences, name) for name in PREFERENCES]
        since = (subscriber.created_at, subscriber.consent.confirmed_at, suppressed.get(subscriber.key, ""))
        yield [_harmless(_cell(value)) for value in (subscriber.email, str(subscriber.status), *values, *since)]


def _decoded(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    if b"\0" in content[:2]:  # without the mark
        encoding = "utf-16-le" if content[:1] != b"\0" else "utf-16-be"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:  # an older spreadsheet: addresses are ASCII in all its encodings
        text = content.decode("latin-1")
    if "\0" in text:
        raise UnreadableList("it is not a text file; save it as CSV")
    return re.sub(r"\Asep=.[\r\n]+", "", text)  # Excel's own first line


def _from_json(text: str) -> Iterator[Row]:
    """Every object with an address: `subscribers list --json`, a subscriber's own data, other programs' lists."""
    rest = _parsed(text)
    while rest:
        part = rest.pop(0)
        if isinstance(part, dict) and isinstance(part.get("subscriber"), dict):
            part = part["subscriber"] | {"suppressed": part.get("suppressed")}
        if isinstance(part, list):
            yield from ([("email", text)] for text in part if isinstance(text, str) and _ADDRESS.fullmatch(text))
        if isinstance(part, dict) and (name := _name_of_address(part)):
            part = {"email": part[name]} | {other: value for other, value in part.items() if other != name}
            groups = [part, *(part[name] for name in ("preferences", "consent") if isinstance(part.get(name), dict))]
            yield [(name, _cell(value)) for group in groups for name, value in group.items()]
        elif isinstance(part, (dict, list)):
            rest[:0] = part.values() if isinstance(part, dict) else part


def _parsed(text: str) -> list[Any]:
    """One JSON document, or one in each line."""
    for documents in ([text], filter(str.strip, text.splitlines())):
        with suppress(ValueError, RecursionError):
            return [json.loads(document) for document in documents]
    raise UnreadableList("it begins like JSON, but is not complete; export it again, or save it as CSV")


def _name_of_address(part: dict[str, Any]) -> str:
    """The name that an object gives to its address; "" if it has none."""
    names = [name for name in part if _NAME_OF_ADDRESS.fullmatch(_column(name))]
    return min(names, key=lambda name: not _ADDRESS.fullmatch(str(part[name]).strip()), default="")


def _cells(text: str) -> list[list[str]]:
    """The rows that are not empty, split by the separator that yields the most addresses."""
    try:
        tables = [list(csv.reader(io.StringIO(f"{text}\n{_END}", newline=""), delimiter=mark)) for mark in _DELIMITERS]
    except csv.Error as problem:
        raise UnreadableList(f"it is not CSV ({problem}); look for a quotation mark that is never closed") from None
    rows = max(tables, key=lambda rows: sum(bool(_ADDRESS.fullmatch(_plain(cell))) for row in rows for cell in row))
    if (last := rows.pop()) != [_END]:  # it became part of a cell
        raise UnreadableList(f"a quotation mark is never closed; look at {last[-1].splitlines()[0][:40]!r}")
    return [[_plain(cell) for cell in row] for row in rows if any(map(str.strip, row))]


def _heading(rows: Sequence[Sequence[str]]) -> int:
    """The index of the row with the headings: some programs write a title above it."""
    before = takewhile(lambda row: not any(map(_ADDRESS.fullmatch, row)), rows)
    has_name = (any(_NAME_OF_ADDRESS.fullmatch(_column(cell)) for cell in row) for row in before)
    return next((at for at, is_heading in enumerate(has_name) if is_heading), 0)


def _without_heading(row: Sequence[str]) -> Iterator[Row]:
    """The people in a row: each, if it has addresses alone."""
    cells = [*filter(None, row)]
    addresses = [*filter(_ADDRESS.fullmatch, cells)] or [""]
    for address in addresses if len(addresses) == len(cells) else addresses[:1]:
        yield [("email", address), *(("", cell) for cell in cells if cell != address)]


def _unread(headings: Iterable[str]) -> list[str]:
    """The headings whose columns are not read; the one with the addresses is left out."""
    names = {heading: _column(heading) for heading in headings}
    return [heading for heading, name in names.items() if name and not (name in COLUMNS[1:] or tells_status(name))]


def _column(heading: str) -> str:
    """The name among COLUMNS that a heading means, or the heading without case and signs."""
    bare = "".join(filter(str.isalnum, ascii_forms(heading).casefold()))
    return _NAMES.get(bare, bare)


_NAMES = {name.replace("_", ""): name for name in COLUMNS}


def _column_of_addresses(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    def rank(at: int) -> tuple[int, int, int]:
        addresses = sum(bool(_ADDRESS.fullmatch(row[at])) for row in rows if len(row) > at)
        name = 2 if names[at] == "email" else bool(_HEADING.search(names[at]))
        return name if addresses else 0, addresses, name

    return max(range(len(names)), key=rank)


def _cell(value: Any) -> str:
    """A value as text: several separated by commas, weekdays as Monday = 0, instants as ISO 8601."""
    if isinstance(value, (tuple, frozenset, list)):
        return ", ".join(str(part) for part in (sorted(value) if isinstance(value, frozenset) else value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet reads as a formula; _plain() undoes it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _plain(cell: str) -> str:
    return (cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell).strip()
