"""Output of commands: results on stdout, everything else on stderr, one JSON document with --json."""

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import date
from typing import Annotated, Any, NoReturn

import typer

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
    typer.echo(line, err=True)


def with_json(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the option --json, which makes answer() print one document."""

    @functools.wraps(command)
    def run(as_json: bool = False, **options: Any) -> None:
        _as_json.set(as_json)
        command(**options)

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
        for line in lines():
            typer.echo(line)


def report(document: Any, line: str) -> None:
    """Print what a command did: `document` with --json, `line` on stderr otherwise."""
    if _as_json.get():
        print_json(document)
    else:
        progress(line)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, default=_plain, ensure_ascii=False))


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows as lines with aligned columns; the first row is the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def _plain(value: Any) -> object:
    """A date as ISO 8601, a set as a sorted list."""
    return value.isoformat() if isinstance(value, date) else sorted(value)
