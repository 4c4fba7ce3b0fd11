"""Output of commands: results on stdout, everything else on stderr, one JSON document with --json.

Lines for people are at most WIDTH columns wide; JSON has every value whole.
"""

import functools
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import date
from typing import Annotated, Any, NoReturn, TypeVar

import typer

T = TypeVar("T")
WIDTH = 120  # columns
_NARROWEST = 10  # that a column of a table is made
_AT_ONCE = 100  # lines that a pipe gets without delay; of more, it gets many at a time
_GAP = "  "
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_as_json: ContextVar[bool] = ContextVar("as_json", default=False)


class NotReady(Exception):
    """The command needs something that is missing; the message says what to do. Exit code 3."""


def complain(message: str, code: int) -> NoReturn:
    """Print an error and exit with `code`."""
    for line in message.splitlines():
        sys.stderr.write(f"digest: {line}\n")
    sys.exit(code)


def progress(line: str) -> None:
    for part in wrapped(line):
        typer.echo(part, err=True)


def with_json(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the option --json, which makes answer() print one document."""

    @functools.wraps(command)
    def run(as_json: bool = False, **options: Any) -> None:
        before = _as_json.set(as_json)
        try:
            command(**options)
        finally:
            _as_json.reset(before)

    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Json)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    run.__annotations__ = command.__annotations__ | {"as_json": _Json}
    return run


def answer(document: Any, lines: Callable[[], Iterable[str]]) -> None:
    """Print the result: `document` with --json, `lines` otherwise."""
    if _as_json.get():
        print_json(document)
    else:
        print_lines(lines())


def answer_each(
    items: Iterable[T], document: Callable[[T], object], lines: Callable[[Iterable[T]], Iterable[str]]
) -> None:
    """Print many results as they are read: one list of documents with --json, `lines` of them otherwise."""
    if not _as_json.get():
        print_lines(lines(items))
        return
    begin = "["
    for item in items:
        _write(begin + _encoded(document(item)), at_once=begin == "[")
        begin = ","
    _write("[]" if begin == "[" else "]")


def writes_json() -> bool:
    """True if the command was called with --json."""
    return _as_json.get()


def report(document: Any, *lines: str) -> None:
    """Print what a command did: `document` with --json, `lines` on stderr otherwise."""
    if _as_json.get():
        print_json(document)
    else:
        for line in lines:
            progress(line)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(_encoded(document))


def print_lines(lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        for part in wrapped(line):
            _write(part, at_once=number < _AT_ONCE)


def print_whole(lines: Iterable[str]) -> None:
    """Print lines without wrapping them, so that they can be copied."""
    for line in lines:
        _write(line)


# --- for people ---


def table(rows: Sequence[Sequence[object]], indent: str = "", sentences: bool = False) -> list[str]:
    """Rows as lines with aligned columns; the first row is the heading. The widest columns are shortened to fit.

    With `sentences`, those of the last column are whole: they go on in further lines, in their column.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(columns_of(row[column]) for row in texts) for column in range(len(texts[0]))]
    room = WIDTH - len(indent) - len(_GAP) * (len(widths) - 1)
    if sentences:
        last = min(widths[-1], max(room // 3, room - sum(widths[:-1])))
        fitted = [*_fitted(widths[:-1], room - last), last]
        return [indent + line for row in texts for line in _lines_of(row, fitted)]
    fitted = _fitted(widths, room)
    return [indent + row_of(row, fitted) for row in texts]


def _fitted(widths: list[int], room: int) -> list[int]:
    """The widths, of which the largest are made smaller until all of them fit."""
    while sum(widths) > room and (widest := max(widths)) > _NARROWEST:
        next_widest = max((width for width in widths if width < widest), default=_NARROWEST)
        too_much = -(-(sum(widths) - room) // widths.count(widest))
        widths = [min(width, max(_NARROWEST, next_widest, widest - too_much)) for width in widths]
    return widths


def _lines_of(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    width = widths[-1] if row[-1].isascii() else max(1, widths[-1] // 2)
    parts = textwrap.wrap(row[-1], width, break_on_hyphens=False) or [""]
    blank = [""] * (len(row) - 1)
    return [row_of([*(blank if number else row[:-1]), part], widths) for number, part in enumerate(parts)]


def row_of(cells: Sequence[object], widths: Sequence[int]) -> str:
    """One line of a table, whose cells are cut in the middle where they are longer than their column."""
    texts = [shortened(_text(cell), width) for cell, width in zip(cells, widths, strict=True)]
    padded = [text + " " * (width - columns_of(text)) for text, width in zip(texts, widths, strict=True)]
    return _GAP.join(padded).rstrip()


def shortened(text: str, width: int) -> str:
    """`text` without its middle, if it is wider than `width` columns."""
    if columns_of(text) <= width:
        return text
    head, tail = text, text
    while columns_of(head) > width - width // 3 - 1:
        head = head[:-1]
    while columns_of(tail) > width // 3:
        tail = tail[1:]
    return f"{head}…{tail}"


def columns_of(text: str) -> int:
    """The columns that a terminal needs for `text`: two for a Chinese character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrapped(text: str) -> list[str]:
    """The lines of `text`; of one that is too wide, the rest goes on further in."""
    return [part for line in text.split("\n") for part in _narrow(line)]


def _narrow(line: str) -> list[str]:
    if columns_of(line) <= WIDTH:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    width = WIDTH * len(line) // columns_of(line)
    return textwrap.wrap(line, width, subsequent_indent=indent, replace_whitespace=False, break_on_hyphens=False)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def _write(line: str, at_once: bool = False) -> None:
    sys.stdout.write(f"{line}\n")
    if at_once:
        sys.stdout.flush()


def _encoded(document: Any) -> str:
    return json.dumps(document, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> object:
    """A date as ISO 8601, a set as a sorted list."""
    return value.isoformat() if isinstance(value, date) else sorted(value)
