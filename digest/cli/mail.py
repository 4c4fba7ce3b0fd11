"""The commands preview and send-test."""

import sys
import tempfile
import webbrowser
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from digest import clock
from digest.cli.lookup import known_subscriber, open_database, require_mail_server, stored_issue, valid_address
from digest.cli.options import Day, DryRun, day_of
from digest.cli.output import NotReady, print_json, progress, report, with_json, writes_json
from digest.language import Languages
from digest.ledger.kinds import ISSUE_OF, LISTED, IssueKind, Kind
from digest.resources import resource
from digest.settings import settings
from digest.smtp import Phase


def _language(text: str) -> str:
    """The tag as the catalogues write it."""
    codes = {code.lower(): code for code in Languages(resource("locale")).codes}
    if text.lower() not in codes:
        raise typer.BadParameter(f"unknown code {text!r} (available: {', '.join(codes.values())})")
    return codes[text.lower()]


InLanguage = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", parser=_language, help="Language without --subscriber.", show_default="DIGEST_LANGUAGE"
    ),
]


_ABOUT = {
    Phase.MAIL: ("at MAIL FROM", "check DIGEST_MAIL_FROM, DIGEST_BOUNCE_ADDRESS and DIGEST_SMTP_URL"),
    Phase.RCPT: ("at RCPT TO", "check the recipient's address"),
    Phase.DATA: ("at DATA", "check the message with digest lint"),
    Phase.CONTENT: ("at the end of the message", "check it with digest lint"),
}


class Format(StrEnum):
    """Of a preview."""

    RAW = "raw"
    HTML = "html"
    TEXT = "text"


@with_json
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
    message = _message(day, subscriber, kind, language or "")
    if open_:
        return _open_in_browser(preview_page(message))
    content = message if format_ is Format.RAW else body_of(message, format_.value).encode()
    if writes_json():
        text = content.decode(errors="replace")
        return print_json({"kind": kind, "subscriber": subscriber, "format": format_, "content": text})
    sys.stdout.buffer.write(content)
    return None


def _message(day: date | None, subscriber: str | None, kind: Kind, language: str) -> bytes:
    from digest import wiring
    from digest.mail.preview import preview_message, preview_transactional

    context, now = wiring.mail_context(settings()), clock.now()
    recipient = known_subscriber(subscriber) if subscriber else None
    if kind not in LISTED:
        return preview_transactional(context, kind, recipient, now, language)
    issue = stored_issue(day_of(day), IssueKind(ISSUE_OF[kind]), whole=True)
    message = preview_message(open_database(), context, issue, recipient, now, language)
    if message is None:
        why = "this subscriber already got all of its papers" if issue.papers else f"it has no papers. {issue.note}"
        raise NotReady(f"The issue of {issue.date} makes no message: {why}")
    return message


def _open_in_browser(page: str) -> None:
    file = Path(tempfile.mkdtemp(prefix="digest-preview-")) / "message.html"
    file.write_text(page, encoding="utf-8")
    opened = webbrowser.open(file.resolve().as_uri())
    progress(f"{'Opened in the browser' if opened else 'No browser found; open this file in one'}: {file}")


@with_json
def send_test(
    address: Annotated[str, typer.Argument(help="Recipient of the message.")],
    day: Day = None,
    language: InLanguage = None,
    dry_run: DryRun = False,
) -> None:
    """Send an issue to one address, bypassing the ledger, and print the server's reply."""
    from digest import wiring
    from digest.mail.delivery.outcome import Outcome, receipt_of
    from digest.mail.preview import test_envelope

    require_mail_server()
    address = valid_address(address)
    issue, context = stored_issue(day_of(day), whole=True), wiring.mail_context(settings())
    envelope = test_envelope(open_database(), context, issue, address, language or "", clock.now())
    if envelope is None:
        raise NotReady(f"The issue of {issue.date} has no papers.")
    if dry_run:
        document = {"address": address, "bytes": len(envelope.message), "dry_run": True}
        return report(document, f"Would send {len(envelope.message)} bytes to {address}.")
    with wiring.sender(settings()) as sender:
        reply = sender.send([envelope], clock.now)[0]
    receipt = receipt_of(reply)
    outcome = "not sent" if receipt.outcome is Outcome.SENDER_ERROR else receipt.outcome
    about = ""
    if receipt.code and not reply.is_acceptance and reply.phase in _ABOUT:
        step, remedy = _ABOUT[reply.phase]
        about = f"({step}: {'try again later' if receipt.code < 500 else remedy})"
    document = {"address": address, "outcome": outcome, "code": receipt.code, "reply": receipt.text, "dry_run": False}
    report(document, " ".join(filter(None, [f"{outcome}:", str(receipt.code or ""), receipt.text, about])))
    if receipt.outcome is not Outcome.ACCEPTED:
        sys.exit(1)
    return None
