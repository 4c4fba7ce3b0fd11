"""The commands preview and send-test."""

import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.lookup import known_subscriber, open_database, stored_issue
from digest.cli.options import Day, DryRun, day_of
from digest.cli.output import NotReady, progress
from digest.ledger.kinds import ISSUE_OF, LISTED, IssueKind, Kind
from digest.settings import settings

if TYPE_CHECKING:
    from digest.mail.compose.composer import MailContext

InLanguage = Annotated[
    str | None, typer.Option(metavar="CODE", help="Language without --subscriber.", show_default="DIGEST_LANGUAGE")
]


class Format(StrEnum):
    """Of a preview."""

    RAW = "raw"
    HTML = "html"
    TEXT = "text"


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    for command in (preview, send_test):
        app.command(rich_help_panel="Deliveries")(command)


def preview(
    day: Day = None,
    subscriber: Annotated[str | None, typer.Option(help="Address.", show_default="someone without interests")] = None,
    kind: Annotated[Kind, typer.Option(help="Kind of message.")] = Kind.DIGEST,
    language: InLanguage = None,
    format_: Annotated[Format, typer.Option("--format", help="The exact bytes, or one part.")] = Format.TEXT,
    open_: Annotated[
        bool,
        typer.Option("--open", help="Open it in a browser: phone and desktop, light and dark, with lint."),
    ] = False,
) -> None:
    """Print the message that a subscriber was sent; before it was sent, the message as it would be now."""
    from digest.mail.preview import body_of, preview_page

    if subscriber and language:
        raise typer.BadParameter("a subscriber's message is in the subscriber's own language", param_hint="--language")
    message = _message(day, subscriber, kind, language)
    if open_:
        return _open_in_browser(preview_page(message))
    sys.stdout.buffer.write(message if format_ is Format.RAW else body_of(message, format_.value).encode())
    return None


def _message(day: date | None, subscriber: str | None, kind: Kind, language: str | None) -> bytes:
    from digest import clock, wiring
    from digest.mail.preview import preview_message, preview_transactional

    context, now = wiring.mail_context(settings()), clock.now()
    code = _language_code(language, context)
    recipient = known_subscriber(open_database(), subscriber) if subscriber else None
    if kind not in LISTED:
        return preview_transactional(context, kind, recipient, now, code)
    engine = open_database()
    issue = stored_issue(engine, day_of(day), IssueKind(ISSUE_OF[kind]))
    message = preview_message(engine, context, issue, recipient, now, code)
    if message is None:
        why = "this subscriber already got all of its papers" if issue.papers else f"it has no papers. {issue.note}"
        raise NotReady(f"The issue of {issue.date} makes no message: {why}")
    return message


def _language_code(language: str | None, context: "MailContext") -> str:
    """The tag as the catalogues write it, "" for none."""
    codes = context.renderer.languages.codes
    code = next((code for code in codes if code.lower() == (language or "").lower()), "")
    if language and not code:
        available = ", ".join(codes)
        raise typer.BadParameter(f"unknown language {language!r} (available: {available})", param_hint="--language")
    return code


def _open_in_browser(page: str) -> None:
    import tempfile
    import webbrowser

    file = Path(tempfile.mkdtemp(prefix="digest-preview-")) / "message.html"
    file.write_text(page, encoding="utf-8")
    opened = webbrowser.open(file.resolve().as_uri())
    progress(f"{'Opened in the browser' if opened else 'No browser found; open this file in one'}: {file}")


def send_test(
    address: Annotated[str, typer.Argument(help="Recipient of the message.")],
    day: Day = None,
    language: InLanguage = None,
    dry_run: DryRun = False,
) -> None:
    """Send an issue to one address, bypassing the ledger, and print the server's reply."""
    from digest import clock, wiring
    from digest.mail.delivery.outcome import Outcome, receipt_of
    from digest.mail.preview import test_envelope

    if not settings().relays:
        raise NotReady("DIGEST_SMTP_URL is not set.")
    engine = open_database()
    issue = stored_issue(engine, day_of(day))
    context = wiring.mail_context(settings())
    envelope = test_envelope(engine, context, issue, address, _language_code(language, context), clock.now())
    if envelope is None:
        raise NotReady(f"The issue of {issue.date} has no papers.")
    if dry_run:
        return progress(f"Would send {len(envelope.message)} bytes to {address}.")
    with wiring.sender(settings()) as sender:
        receipt = receipt_of(sender.send([envelope], clock.now)[0])
    progress(f"{receipt.outcome}: {receipt.code or ''} {receipt.text}")
    if receipt.outcome is not Outcome.ACCEPTED:
        sys.exit(1)
    return None
