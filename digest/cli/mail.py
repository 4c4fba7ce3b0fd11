"""Commands that show a mail: preview, send-test."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from digest.cli.lookup import known_reader, open_database, stored_issue
from digest.cli.options import Day, DryRun, the_day
from digest.cli.say import NotReady, progress
from digest.settings import settings


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
    format_: Annotated[Format, typer.Option("--format", help="The exact bytes, or one part.")] = Format.TEXT,
) -> None:
    """The exact mail of an issue for a reader; before it has begun, what it would be now."""
    from digest import clock, wiring
    from digest.mail.preview import body_of, preview_message

    engine = open_database()
    issue = stored_issue(engine, the_day(day, clock.now()))
    reader = known_reader(engine, subscriber) if subscriber else None
    message = preview_message(engine, wiring.desk(settings()), issue, reader, clock.now())
    if message is None:
        why = "this reader got all of it already" if issue.papers else f"it holds no papers. {issue.note}"
        raise NotReady(f"No mail is made of the issue of {issue.date}: {why}")
    sys.stdout.buffer.write(message if format_ is Format.RAW else body_of(message, format_.value).encode())


def send_test(
    address: Annotated[str, typer.Argument(help="Where to send it.")],
    day: Day = None,
    dry_run: DryRun = False,
) -> None:
    """Send one issue's mail for the default reader to an address, past the ledger, and show the server's answer."""
    from digest import clock, wiring
    from digest.mail.message import Outcome
    from digest.mail.preview import test_envelope

    if not settings().relays:
        raise NotReady("DIGEST_SMTP_URL is not set, so there is nowhere to send mail to.")
    engine = open_database()
    issue = stored_issue(engine, the_day(day, clock.now()))
    envelope = test_envelope(engine, wiring.desk(settings()), issue, address, clock.now())
    if envelope is None:
        raise NotReady(f"The issue of {issue.date} holds no papers.")
    if dry_run:
        return progress(f"Would send {len(envelope.message)} bytes to {address}.")
    with wiring.sender(settings()) as sender:
        receipt = sender.send([envelope], clock.now)[0]
    progress(f"{receipt.outcome}: {receipt.code or ''} {receipt.text}")
    if receipt.outcome is not Outcome.ACCEPTED:
        sys.exit(1)
    return None
