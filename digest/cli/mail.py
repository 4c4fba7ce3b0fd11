"""Commands about mails: preview, send-test, audit, retry."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.lookup import known_reader, open_database, stored_issue
from digest.cli.options import Day, DryRun, Json, the_day
from digest.cli.say import NotReady, answer, progress
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.store.ledger import Audit


class Format(StrEnum):
    """How a preview is shown."""

    RAW = "raw"
    HTML = "html"
    TEXT = "text"


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    for command in (preview, send_test, audit, retry):
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


def audit(
    day: Annotated[
        str | None, typer.Option("--issue", metavar="DATE", help="The issue; all of them when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What became of every mail of an issue. Exit code 1 when the sums do not add up."""
    from digest import clock
    from digest.store.database import reading
    from digest.store.ledger import audit as audit_of
    from digest.store.ledger import audit_all

    engine = open_database()
    if day is not None:
        issue = stored_issue(engine, the_day(day, clock.now()))
        with reading(engine) as connection:
            audits = [audit_of(connection, issue.id)]
        document: object = audits[0].as_dict()
    else:
        with reading(engine) as connection:
            audits = audit_all(connection)
        document = [one.as_dict() for one in audits]
    answer(as_json, document, lambda: _audit_lines(audits))
    if any(one.unexplained for one in audits):
        sys.exit(1)


def retry(day: Day = None, dry_run: DryRun = False) -> None:
    """Queue quarantined mails again, composed anew: of one issue, or all of them."""
    from digest import clock, hints
    from digest.store import ledger
    from digest.store.database import transaction

    engine = open_database()
    issue_id = stored_issue(engine, the_day(day, clock.now())).id if day else None
    with transaction(engine) as connection:
        count = ledger.count_quarantined(connection, issue_id)
        if not dry_run:
            ledger.retry(connection, clock.now(), issue_id)
    if not dry_run:
        hints.hint(settings().redis_url.get_secret_value())
    progress(f"{count} quarantined mails {'would be' if dry_run else 'are'} queued again.")


def _audit_lines(audits: list["Audit"]) -> Iterator[str]:
    if not audits:
        yield "No mail was ever queued."
    for one in audits:
        yield f"Issue of {one.issue}: {one.candidates} mails" if one.issue else f"Other mails: {one.candidates}"
        for name, count in one.as_dict().items():
            if isinstance(count, int) and count and name != "candidates":
                yield f"  {count:>7} {name}"
        for reason, count in one.skipped.items():
            yield f"  {count:>7} skipped: {reason}"
