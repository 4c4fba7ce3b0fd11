"""The commands preview, send-test, send-test-alarm and lint."""

import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.lookup import known_subscriber, open_database, require_mail_server, stored_issue, valid_address
from digest.cli.options import Day, DryRun, day_of
from digest.cli.output import NotReady, answer, complain, print_json, progress, report, with_json, writes_json
from digest.ledger.kinds import ISSUE_OF, LISTED, IssueKind, Kind
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the SMTP client
    from digest.lint import LintReport
    from digest.smtp import Envelope, Phase

_SHOWN = 3  # problems of one rule


def language_tag(text: str) -> str:
    """The tag as the catalogues write it."""
    from digest.language import Languages
    from digest.resources import resource

    codes = {code.lower(): code for code in Languages(resource("locale")).codes}
    if text.lower() not in codes:
        raise typer.BadParameter(f"unknown code {text!r} (available: {', '.join(codes.values())})")
    return codes[text.lower()]


def language_option(help_: str) -> Any:
    """An option that takes the tag of a language."""
    return typer.Option("--language", metavar="CODE", parser=language_tag, help=help_, show_default="DIGEST_LANGUAGE")


InLanguage = Annotated[str | None, language_option("Language of the message.")]


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
    language: Annotated[str | None, language_option("Language without --subscriber.")] = None,
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
        return open_in_browser(preview_page(message))
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


def _about(phase: "Phase") -> tuple[str, str]:
    """The step of the SMTP session at which a message was rejected, and what to check then."""
    from digest.smtp import Phase

    return {
        Phase.MAIL: ("at MAIL FROM", "check DIGEST_MAIL_FROM, DIGEST_BOUNCE_ADDRESS and DIGEST_SMTP_URL"),
        Phase.RCPT: ("at RCPT TO", "check the recipient's address"),
        Phase.DATA: ("at DATA", "check the message with digest lint"),
        Phase.CONTENT: ("at the end of the message", "check it with digest lint"),
    }.get(phase, ("", ""))


def open_in_browser(page: str) -> None:
    file = Path(tempfile.mkdtemp(prefix="digest-preview-")) / "message.html"
    file.write_text(page, encoding="utf-8")
    opened = webbrowser.open(file.resolve().as_uri())
    progress(f"{'Opened in the browser' if opened else 'No browser found; open this file in one'}: {file}")


@with_json
def send_test_alarm(dry_run: DryRun = False) -> None:
    """Send a test alarm by every channel that is set, and print the result of each. Exit code 1 if one failed."""
    from digest.monitoring.alarms.alarm import Alarm
    from digest.monitoring.alarms.channels import announce, channel_names
    from digest.monitoring.checks import Level, Problem

    names = channel_names(settings())
    if not names:
        raise NotReady("No channel is set: DIGEST_ALARM_TO, DIGEST_ALARM_WEBHOOK_URL or DIGEST_ALARM_COMMAND.")
    if dry_run:
        return report({"channels": names}, f"Would send a test alarm by {' and '.join(names)}.")
    test = Problem(Level.WARNING, "test", "", "this is a test; nothing is wrong", "There is nothing to do.")
    results = announce(settings(), [Alarm(test)])
    answer(results, lambda: [f"{name}: {problem or 'sent'}" for name, problem in results.items()])
    if any(results.values()):
        sys.exit(1)
    return None


@with_json
def send_test(
    address: Annotated[str, typer.Argument(help="Recipient of the message.")],
    day: Day = None,
    language: InLanguage = None,
    dry_run: DryRun = False,
) -> None:
    """Send an issue to one address, bypassing the ledger, and print the server's reply."""
    from digest import wiring
    from digest.mail.preview import sample_envelope

    require_mail_server()
    address = valid_address(address)
    issue, context = stored_issue(day_of(day), whole=True), wiring.mail_context(settings())
    envelope = sample_envelope(open_database(), context, issue, address, language or "", clock.now())
    if envelope is None:
        raise NotReady(f"The issue of {issue.date} has no papers.")
    send_once(envelope, dry_run)


def send_once(envelope: "Envelope", dry_run: bool) -> None:
    """Send a message outside of the ledger, and report the server's reply. Exit code 1 unless it took the message."""
    from digest import wiring
    from digest.mail.delivery.outcome import Outcome, receipt_of

    address = envelope.forward_path
    if dry_run:
        document = {"address": address, "bytes": len(envelope.message), "dry_run": True}
        return report(document, f"Would send {len(envelope.message)} bytes to {address}.")
    with wiring.sender(settings()) as sender:
        reply = sender.send([envelope], clock.now)[0]
    receipt = receipt_of(reply)
    outcome = "not sent" if receipt.outcome is Outcome.SENDER_ERROR else receipt.outcome
    about = ""
    step, remedy = _about(reply.phase)
    if receipt.code and not reply.is_acceptance and step:
        about = f"({step}: {'try again later' if receipt.code < 500 else remedy})"
    document = {"address": address, "outcome": outcome, "code": receipt.code, "reply": receipt.text, "dry_run": False}
    report(document, " ".join(filter(None, [f"{outcome}:", str(receipt.code or ""), receipt.text, about])))
    if receipt.outcome is not Outcome.ACCEPTED:
        sys.exit(1)
    return None


# --- lint ---


@with_json
def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Messages as sent (RFC 5322).")],
) -> None:
    """Check whether messages, yours or others', are fit to send, by the rules in docs/mail-rules.md."""
    from digest.lint import lint as judge

    reports = [(str(file), judge(_message_in(file))) for file in files]
    document = [
        {"file": file, "passed": report.passed, "of": report.of, "failed": report.failed} for file, report in reports
    ]
    answer(document, lambda: (line for file, report in reports for line in _lint_lines(file, report)))
    if any(report.failed for _, report in reports):
        sys.exit(1)


def _message_in(file: Path) -> bytes:
    """Exit code 2 if the file cannot be read."""
    try:
        return file.read_bytes()
    except OSError as problem:
        complain(f"{file} cannot be read: {problem.strerror}", 2)


def _lint_lines(file: str, report: "LintReport") -> Iterator[str]:
    """A line for each broken rule: what is wrong and what to do."""
    for rule, problems in report.problems.items():
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        yield f"{file}: {rule.id}: {'; '.join(problems[:_SHOWN])}{more}. {rule.remedy}"
    yield f"{file}: passed {report.passed} of the {report.of} rules for a {report.kind} mail"
