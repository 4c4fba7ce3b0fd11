"""The command lint."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.output import answer, complain, with_json

if TYPE_CHECKING:
    from digest.lint import LintReport

_SHOWN = 3  # problems of one rule


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Deliveries")(with_json(lint))


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Messages as sent (RFC 5322).")],
) -> None:
    """Check whether messages, yours or others', are fit to send, by the rules in docs/mail-rules.md."""
    from digest.lint import lint as judge

    reports = [(str(file), judge(message)) for file, message in zip(files, _contents(files), strict=True)]
    document = [
        {"file": file, "passed": report.passed, "of": report.of, "failed": report.failed} for file, report in reports
    ]
    answer(document, lambda: (line for file, report in reports for line in _lines(file, report)))
    if any(report.failed for _, report in reports):
        sys.exit(1)


def _contents(files: list[Path]) -> list[bytes]:
    """Of each file. Exit code 2 for one that cannot be read."""
    contents = []
    for file in files:
        try:
            contents.append(file.read_bytes())
        except OSError as problem:
            complain(f"{file} cannot be read: {problem.strerror}", 2)
    return contents


def _lines(file: str, report: "LintReport") -> Iterator[str]:
    """A line for each broken rule: what is wrong and what to do."""
    for rule, problems in report.problems.items():
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        yield f"{file}: {rule.id}: {'; '.join(problems[:_SHOWN])}{more}. {rule.remedy}"
    yield f"{file}: passed {report.passed} of the {report.of} rules for a {report.kind} mail"
