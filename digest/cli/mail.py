"""Commands that show a mail: preview, send-test."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.lookup import known_reader, open_database, stored_issue
from digest.cli.options import Day, DryRun, the_day
from digest.cli.output import NotReady, progress
from digest.ledger.kinds import ISSUE_OF, LISTED, IssueKind, Kind
from digest.settings import settings

if TYPE_CHECKING:
    from digest.mail.compose.context import MailContext

InLanguage = Annotated[
    str | None, typer.Option(metavar="CODE", help="The default reader's language, as zh-CN; else the operator's.")
]


class Format(StrEnum):
    """How a preview is shown."""

    RAW = "raw"
    HTML = "html"
    TEXT = "text"


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    for command in (preview, send_test):
        app.command(rich_help_panel="Mails")(command)


def preview(
    day: Day = None,
    subscriber: Annotated[
        str | None, typer.Option(help="A reader's address; the default reader when left out.")
    ] = None,
    kind: Annotated[Kind, typer.Option(help="Which mail.")] = Kind.DIGEST,
    language: InLanguage = None,
    format_: Annotated[Format, typer.Option("--format", help="The exact bytes, or one part.")] = Format.TEXT,
    open_: Annotated[
        bool,
        typer.Option("--open", help="Show it in the browser: phone and desktop, light and dark, judged by lint."),
    ] = False,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there instead of showing it.")] = None,
) -> None:
    """The exact mail of an issue for a reader; before it has begun, what it would be now."""
    from digest.mail.preview import body_of
    from digest.mail.preview_page import preview_page

    if subscriber and language:
        raise typer.BadParameter("a reader's mail is in the reader's own language", param_hint="--language")
    message = _message(day, subscriber, kind, language)
    if open_:
        return _show_in_browser(preview_page(message), output)
    shown = message if format_ is Format.RAW else body_of(message, format_.value).encode()
    if output is None:
        sys.stdout.buffer.write(shown)
    else:
        output.write_bytes(shown)
    return None


def _message(day: str | None, subscriber: str | None, kind: Kind, language: str | None) -> bytes:
    from digest import clock, wiring
    from digest.mail.preview import preview_message, preview_transactional

    desk, now = wiring.desk(settings()), clock.now()
    code = _known(language, desk)
    reader = known_reader(open_database(), subscriber) if subscriber else None
    if kind not in LISTED:
        return preview_transactional(desk, kind, reader, now, code)
    engine = open_database()
    issue = stored_issue(engine, the_day(day, now), IssueKind(ISSUE_OF[kind]))
    message = preview_message(engine, desk, issue, reader, now, code)
    if message is None:
        why = "this reader got all of it already" if issue.papers else f"it holds no papers. {issue.note}"
        raise NotReady(f"No mail is made of the issue of {issue.date}: {why}")
    return message


def _known(language: str | None, desk: "MailContext") -> str:
    """The tag as it is written here, "" for none."""
    codes = desk.renderer.languages.codes
    code = next((code for code in codes if code.lower() == (language or "").lower()), "")
    if language and not code:
        raise typer.BadParameter(f"there is no {language!r}; there are {', '.join(codes)}", param_hint="--language")
    return code


def _show_in_browser(page: str, output: Path | None) -> None:
    import tempfile
    import webbrowser

    file = output or Path(tempfile.mkdtemp(prefix="digest-preview-")) / "mail.html"
    file.write_text(page, encoding="utf-8")
    opened = webbrowser.open(file.resolve().as_uri())
    progress(f"{'Shown in the browser' if opened else 'There is no browser here; open it in one'}: {file}")


def send_test(
    address: Annotated[str, typer.Argument(help="Where to send it.")],
    day: Day = None,
    language: InLanguage = None,
    dry_run: DryRun = False,
) -> None:
    """Send one issue's mail for the default reader to an address, past the ledger, and show the server's answer."""
    from digest import clock, wiring
    from digest.mail.delivery.outcome import Outcome, receipt_of
    from digest.mail.preview import test_envelope

    if not settings().relays:
        raise NotReady("DIGEST_SMTP_URL is not set, so there is nowhere to send mail to.")
    engine = open_database()
    issue = stored_issue(engine, the_day(day, clock.now()))
    desk = wiring.desk(settings())
    envelope = test_envelope(engine, desk, issue, address, _known(language, desk), clock.now())
    if envelope is None:
        raise NotReady(f"The issue of {issue.date} holds no papers.")
    if dry_run:
        return progress(f"Would send {len(envelope.message)} bytes to {address}.")
    with wiring.sender(settings()) as sender:
        receipt = receipt_of(sender.send([envelope], clock.now)[0])
    progress(f"{receipt.outcome}: {receipt.code or ''} {receipt.text}")
    if receipt.outcome is not Outcome.ACCEPTED:
        sys.exit(1)
    return None
