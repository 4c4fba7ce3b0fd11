"""Commands that read mails from files and change nothing: lint."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.options import Json
from digest.cli.output import answer, complain

if TYPE_CHECKING:
    from digest.lint import LintReport

_SHOWN = 3  # problems of one rule


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Mails")(lint)


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Mails as they are sent (RFC 5322).")],
    as_json: Json = False,
) -> None:
    """Is a mail fit to send? Judge the exact bytes of anybody's mail by the rules of docs/mail-rules.md."""
    from digest.lint import lint as judge

    verdicts = [(str(file), judge(message)) for file, message in zip(files, _contents(files), strict=True)]
    document = [
        {"file": file, "passed": verdict.passed, "of": verdict.of, "failed": verdict.failed}
        for file, verdict in verdicts
    ]
    answer(as_json, document, lambda: (line for file, verdict in verdicts for line in _lines(file, verdict)))
    if any(verdict.failed for _, verdict in verdicts):
        sys.exit(1)


def _contents(files: list[Path]) -> list[bytes]:
    """What the files hold. Exit code 2 for one that cannot be read."""
    found = []
    for file in files:
        try:
            found.append(file.read_bytes())
        except OSError as problem:
            complain(f"{file} cannot be read: {problem.strerror}", 2)
    return found


def _lines(file: str, verdict: "LintReport") -> Iterator[str]:
    """A line for each rule that is broken: what is wrong, and what to do."""
    for rule, problems in verdict.problems.items():
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        yield f"{file}: {rule.id}: {'; '.join(problems[:_SHOWN])}{more}. {rule.remedy}"
    yield f"{file}: passed {verdict.passed} of the {verdict.of} rules for a {verdict.kind} mail"
