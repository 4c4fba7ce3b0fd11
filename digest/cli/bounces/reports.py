"""The commands bounce and bounces domain-reports."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import reading
from digest.cli.output import answer, answer_each, complain, table, with_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from digest.bounces.report import Report

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Message, mbox, Maildir or folder of messages; - for stdin.")
]

Domain = Annotated[str, typer.Option("--domain", help="Only reports about this domain.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Reports to list.")]


@with_json
def bounce(files: Files) -> None:
    """Read delivery reports and complaints. Prints hard, soft, complaint or none per recipient; changes nothing."""
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
    return table([("file", "kind", "status", "recipient", "server reply"), *rows], sentences=True)


@with_json
def domain_reports(domain: Domain = "", limit: Limit = 50) -> None:
    """Show reports of receivers about your domain as a whole: DMARC, and the encryption of connections (TLS)."""
    from digest.bounces.domains.store import newest

    with reading() as connection:
        summaries = newest(connection, domain.lower(), limit)
    heading = ("until (UTC)", "kind", "domain", "reported by", "passed", "failed", "most failures")
    rows = [
        (
            f"{each.ends_at:%Y-%m-%d %H:%M}",
            each.kind,
            each.domain,
            each.reporter,
            each.passed,
            each.failed,
            ", ".join(f"{count} {name}" for name, count in list(each.failures.items())[:3]),
        )
        for each in summaries
    ]
    answer(
        [asdict(each) for each in summaries],
        lambda: table([heading, *rows], sentences=True) if rows else ["No reports have been received."],
    )
