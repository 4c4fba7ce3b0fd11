"""How the command line speaks: results on stdout, everything else on stderr, one JSON document with --json."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NoReturn

import typer


class NotReady(Exception):
    """Something that the command needs is missing; the message says what to do. Exit code 3."""


def complain(message: str, code: int) -> NoReturn:
    """Say what is wrong on stderr and exit with `code`."""
    for line in message.splitlines():
        sys.stderr.write(f"digest: {line}\n")
    sys.exit(code)


def progress(line: str) -> None:
    """One line of progress on stderr."""
    typer.echo(line, err=True)


def answer(as_json: bool, document: Any, lines: Callable[[], Iterable[str]]) -> None:
    """The result: `document` as one JSON document, or `lines` for people."""
    if as_json:
        typer.echo(json.dumps(document, default=_plain, ensure_ascii=False))
    else:
        for line in lines():
            typer.echo(line)


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows as lines with aligned columns; the first row is the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, frozenset | set | tuple):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
