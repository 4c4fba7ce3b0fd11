"""The command lint."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.output import answer, complain, with_json

if TYPE_CHECKING:  # the help text should not wait for the parser of HTML
    from digest.lint import LintReport

_SHOWN = 3  # problems of one rule


@with_json
def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Messages as sent (RFC 5322).")],
) -> None:
    """Check whether messages, yours or others', are fit to send, by the rules in docs/mail-rules.md."""
    from digest.lint import lint as judge

    reports = [(str(file), judge(_content(file))) for file in files]
    document = [
        {"file": file, "passed": report.passed, "of": report.of, "failed": report.failed} for file, report in reports
    ]
    answer(document, lambda: (line for file, report in reports for line in _lines(file, report)))
    if any(report.failed for _, report in reports):
        sys.exit(1)


def _content(file: Path) -> bytes:
    """Exit code 2 if the file cannot be read."""
    try:
        return file.read_bytes()
    except OSError as problem:
        complain(f"{file} cannot be read: {problem.strerror}", 2)


def _lines(file: str, report: "LintReport") -> Iterator[str]:
    """A line for each broken rule: what is wrong and what to do."""
    for rule, problems in report.problems.items():
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        yield f"{file}: {rule.id}: {'; '.join(problems[:_SHOWN])}{more}. {rule.remedy}"
    yield f"{file}: passed {report.passed} of the {report.of} rules for a {report.kind} mail"
