"""The command bounce: what delivery reports say."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.output import answer_each, complain, table, with_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from digest.bounces.report import Report

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Message, mbox, Maildir or folder of messages; - for stdin.")
]


@with_json
def bounce(files: Files) -> None:
    """Read delivery reports and complaints: for each recipient hard, soft, complaint or none. Changes nothing."""
    for file in files:
        if str(file) != "-" and not file.exists():
            complain(f"{file} does not exist", 2)
    answer_each(_reports(files), _document, _lines)


def _reports(files: list[Path]) -> "Iterator[tuple[str, Report]]":
    from digest.bounces.reading import read

    for file in files:
        for message in _messages(file):
            for report in read(message):
                yield file.name, report


def _messages(file: Path) -> Iterator[bytes]:
    from digest.bounces.intake.files import messages_at, messages_in

    try:
        yield from messages_in(sys.stdin.buffer) if str(file) == "-" else messages_at(file)
    except OSError as problem:
        complain(f"{file} cannot be read: {problem.strerror}", 2)


def _document(item: "tuple[str, Report]") -> dict[str, Any]:
    report = item[1]
    return {"kind": report.kind, "status": report.status, "recipient": report.recipient}


def _lines(items: "Iterable[tuple[str, Report]]") -> list[str]:
    rows = [
        (name, report.kind, report.status or "", report.recipient or "", report.diagnostic) for name, report in items
    ]
    return table([("file", "kind", "status", "recipient", "the server said"), *rows], sentences=True)
