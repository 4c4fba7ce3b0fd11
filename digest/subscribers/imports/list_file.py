"""Reads a list of people from a file: our own export, or CSV and JSON of other programs. Never holds all of it, except
JSON that is not written line by line.
"""

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, takewhile, zip_longest
from typing import BinaryIO

from digest.subscribers.imports.columns import FREE_TEXT, Row, columns_of, is_for_addresses, plain, unread
from digest.subscribers.imports.json_list import UnreadableList, by_line, documents_in, names_in, people_in
from digest.subscribers.imports.listed_status import ListedStatus, status_of_file

_CHUNK = 1 << 20  # bytes
_SAMPLE = 100_000  # characters from which the columns are found
_SAMPLED_ROWS = 1000
_DELIMITERS = ",;\t|，；"
_END = "\x1f"
_ADDRESS = re.compile(
    r"(?:[^<>]*(?P<named><)|mailto:)?\s*(?P<address>[^\s,;|，；<>@＠﹫]+[@＠﹫][^\s,;|，；<>@＠﹫]+)(?(named)\s*>)"
)
_HEADING = re.compile("mail|address|adresse|subscriber|courriel|correo|邮|郵|メール|메일")
_NOT_TEXT = "it is not a text file; save it as CSV"


class ListFile:
    """A list in a file, which can be read several times. Raises UnreadableList."""

    def __init__(self, file: BinaryIO, name: str = "") -> None:
        self._file = file
        self.encoding, self.sha256 = _encoding_of(file)
        self.status: ListedStatus = status_of_file(name)  # of everyone in it, or stricter
        self.unit = "line"  # unit of the numbers in rows()
        self.ignored: list[str] = []  # headings of ignored columns
        with _opened(file, self.encoding) as text:
            sample = text.read(_SAMPLE)
        if self.encoding != "utf-16" and "\0" in sample:
            raise UnreadableList(_NOT_TEXT)
        self._is_json = sample.lstrip()[:1] in ("{", "[")
        self._documents: list[object] | None = None
        if self._is_json:
            self._find_documents(sample)
        else:
            self._find_columns(sample)

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield each person with the number of their line or entry."""
        if self._documents is not None:
            yield from enumerate(people_in(self._documents), start=1)
            return
        with _opened(self._file, self.encoding) as text:
            yield from by_line(text) if self._is_json else self._from_csv(text)

    def _find_documents(self, sample: str) -> None:
        with _opened(self._file, self.encoding) as text:
            lines = by_line(text)
            try:
                first = [row for _, row in zip(range(_SAMPLED_ROWS), (row for _, row in lines), strict=False)]
            except UnreadableList:
                first = []
        if not first:
            self.unit = "entry"
            with _opened(self._file, self.encoding) as text:
                self._documents = documents_in(text.read())
            first = [*people_in(self._documents)]
            if not first and sample.strip() not in ("[]", "{}"):
                raise UnreadableList('it is JSON without addresses; call each "email", or save it as CSV')
        self.ignored = names_in(first)

    def _find_columns(self, sample: str) -> None:
        self._delimiter, rows = _best_cells(sample)
        self._before = _heading(rows)
        self._names: list[str] | None = None
        rows = rows[self._before :]
        if not rows:
            return
        names = columns_of(rows[0])
        at = _column_of_addresses(names, rows)
        is_heading = len(names) > 1 or _HEADING.search(names[0]) or rows[0][0].isalpha()
        if any(map(_ADDRESS.fullmatch, rows[0])) or not is_heading:
            return
        self._names = ["email" if index == at else "" if name == "email" else name for index, name in enumerate(names)]
        self.ignored = unread(rows[0][:at] + rows[0][at + 1 :])

    def _from_csv(self, text: Iterable[str]) -> Iterator[tuple[int, Row]]:
        # Other columns are kept as well: one of them may say that someone left.
        names, skipped = self._names, self._before + (self._names is not None)
        for line, row in _csv_rows(text, self._delimiter):
            if not any(map(str.strip, row)):
                continue
            if skipped:
                skipped -= 1
            elif names is None:
                for person in _without_heading([plain(cell).strip() for cell in row]):
                    yield line, person
            else:
                yield line, _with_heading(names, row)


def _with_heading(names: Sequence[str], row: Sequence[str]) -> Row:
    cells = [plain(cell) if cell[:1] == "'" else cell for cell in row]
    pairs = zip_longest(names, cells, fillvalue="") if len(cells) != len(names) else zip(names, cells, strict=True)
    return [(name, cell if name in FREE_TEXT else cell.strip()) for name, cell in pairs]


def bare_address(text: str) -> str:
    """Return the address in `Name <address>`, or `text` unchanged."""
    text = text.strip()
    if "<" not in text and ":" not in text:
        return text
    match = _ADDRESS.fullmatch(text)
    return match["address"] if match else text


# --- text ---


def _encoding_of(file: BinaryIO) -> tuple[str, str]:
    """Return the encoding and the SHA-256 of a file, in one reading."""
    file.seek(0)
    head, digest = file.read(4096), hashlib.sha256()
    encoding = _encoding_by_head(head)
    decoder = codecs.getincrementaldecoder(encoding)()
    chunk = head
    while chunk:
        digest.update(chunk)
        if encoding == "utf-8-sig":
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:  # of an older spreadsheet
                encoding = "cp1252"
        if b"\0" in chunk and not encoding.startswith("utf-16"):
            raise UnreadableList(_NOT_TEXT)
        chunk = file.read(_CHUNK)
    return encoding, digest.hexdigest()


def _encoding_by_head(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = head[::2].count(0), head[1::2].count(0)  # half of the bytes of ASCII letters in UTF-16
    if odd > 4 * even and odd > len(head) // 16:
        return "utf-16-le"
    return "utf-16-be" if even > 4 * odd and even > len(head) // 16 else "utf-8-sig"


class _opened:  # noqa: N801 - used like a function
    """Open the text of a file from its beginning; the file stays open afterwards."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        file.seek(0)
        # Addresses are ASCII in all encodings of older spreadsheets.
        self._text = io.TextIOWrapper(file, encoding, errors="replace", newline="")

    def __enter__(self) -> io.TextIOWrapper:
        return self._text

    def __exit__(self, *_: object) -> None:
        self._text.detach()


# --- CSV ---


def _csv_rows(text: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the number of their first line."""
    lines = iter(text)
    first = next(lines, "")
    if re.fullmatch(r"sep=.[\r\n]*", first):  # Excel's own first line
        first = "\n"
    reader = csv.reader(chain((first,), lines, ("\n", _END)), delimiter=delimiter)
    line, last = 1, [_END]
    try:
        for row in reader:
            last = row
            if row != [_END]:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as problem:
        raise UnreadableList(f"it is not CSV ({problem}); look for a quotation mark that is never closed") from None
    if last != [_END]:  # it became part of a cell
        raise UnreadableList(f"a quotation mark is never closed; check {last[-1].splitlines()[0][:40]!r}")


def _best_cells(sample: str) -> tuple[str, list[list[str]]]:
    """Return the separator that yields the most addresses, and the first rows that are not empty."""
    text = re.sub(r"\Asep=.[\r\n]+", "", sample)
    is_whole = len(sample) < _SAMPLE
    best, most = (_DELIMITERS[0], list[list[str]]()), -1
    for delimiter in _DELIMITERS:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        rows = rows if is_whole or len(rows) < 2 else rows[:-1]  # the last may be cut
        cells = [[plain(cell).strip() for cell in row] for row in rows if any(map(str.strip, row))]
        addresses = sum(bool(_ADDRESS.fullmatch(cell)) for row in cells for cell in row)
        if addresses > most:
            best, most = (delimiter, cells[:_SAMPLED_ROWS]), addresses
    return best


def _heading(rows: Sequence[Sequence[str]]) -> int:
    """Return the index of the row with the headings: some programs write a title above it."""
    before = takewhile(lambda row: not any(map(_ADDRESS.fullmatch, row)), rows)
    has_name = (any(map(is_for_addresses, row)) for row in before)
    return next((at for at, is_heading in enumerate(has_name) if is_heading), 0)


def _without_heading(row: Sequence[str]) -> Iterator[Row]:
    """Return the people in a row: one per cell if it has only addresses."""
    cells = [*filter(None, row)]
    addresses = [*filter(_ADDRESS.fullmatch, cells)] or [""]
    for address in addresses if len(addresses) == len(cells) else addresses[:1]:
        yield [("email", address), *(("", cell) for cell in cells if cell != address)]


def _column_of_addresses(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    def rank(at: int) -> tuple[int, int, int]:
        addresses = sum(bool(_ADDRESS.fullmatch(row[at])) for row in rows if len(row) > at)
        name = 2 if names[at] == "email" else bool(_HEADING.search(names[at]))
        return name if addresses else 0, addresses, name

    return max(range(len(names)), key=rank)
