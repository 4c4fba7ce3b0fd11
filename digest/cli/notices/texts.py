"""Shared by the commands of notices: reads stored notices and text files, and composes their message."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from digest import clock
from digest.cli.lookup import open_database, reading
from digest.cli.output import NotReady
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.issue import Issue, NoticeText
    from digest.mail.notices import Notice


def stored_notice(number: int) -> "Notice":
    from digest.mail.notices import notice_of

    with reading() as connection:
        stored = notice_of(connection, number)
    if stored is None:
        raise NotReady(f"There is no notice {number}. To list them: digest notice list")
    return stored


def texts_of(subjects: list[str], files: list[Path], languages: list[str]) -> "dict[str, NoticeText]":
    """The texts by language. Raises typer.BadParameter."""
    from digest.mail.notices import BadNotice, checked

    languages = languages or [settings().language]
    if not len(subjects) == len(files) == len(languages) == len(set(languages)):
        raise typer.BadParameter("give a --subject, a --file and a different --language for each", param_hint="--file")
    try:
        return checked(
            {code: (subject, _read(file)) for code, subject, file in zip(languages, subjects, files, strict=True)}
        )
    except BadNotice as problem:
        raise typer.BadParameter(str(problem), param_hint="--file") from None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise typer.BadParameter(f"{file} cannot be read: {problem.strerror}", param_hint="--file") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not in UTF-8", param_hint="--file") from None


def add_draft(texts: "dict[str, NoticeText]") -> int:
    from digest.database.engine import transaction
    from digest.mail.notices import add_notice

    with transaction(open_database()) as connection:
        return add_notice(connection, texts, clock.now())


def issue_of(texts: "dict[str, NoticeText]") -> "Issue":
    from digest.mail.notices import as_issue
    from digest.settings.composing import frozen_settings

    return as_issue(texts, frozen_settings(settings()), clock.now())


def message_of(issue: "Issue", language: str) -> bytes:
    from digest import wiring
    from digest.mail.preview import preview_message

    message = preview_message(open_database(), wiring.mail_context(settings()), issue, None, clock.now(), language)
    assert message is not None
    return message


def lint_lines(issue: "Issue") -> list[str]:
    """A line for each rule that the message breaks, by language."""
    return [line for language in sorted(issue.settings.notice) for line in _findings(issue, language)]


def _findings(issue: "Issue", language: str) -> Iterator[str]:
    from digest.lint import lint

    for rule, problems in lint(message_of(issue, language)).problems.items():
        yield f"{language}: {rule.id}: {'; '.join(problems)}. {rule.remedy}"
