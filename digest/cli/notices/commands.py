"""The commands notice write, send, list, preview, test and cancel: what an operator tells all subscribers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.lookup import hint_workers, open_database, reading, require_mail_server, valid_address
from digest.cli.mail import Format, InLanguage, language_tag, open_in_browser, send_once
from digest.cli.notices.texts import add_draft, issue_of, lint_lines, message_of, stored_notice, texts_of
from digest.cli.options import DryRun, Why, number_parser, with_options
from digest.cli.output import answer, complain, print_json, report, table, with_json, writes_json
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.issue import NoticeText
    from digest.mail.notices import Notice

notice = typer.Typer(help="Notices to all subscribers.", no_args_is_help=True)

_number = number_parser("digest notice list")
Number = Annotated[int, typer.Argument(metavar="NUMBER", parser=_number, help="As in digest notice list.")]
Subjects = Annotated[list[str], typer.Option("--subject", help="Subject. Repeat it for each language.")]
Files = Annotated[
    list[Path],
    typer.Option("--file", help="File with the text, in plain text with a blank line between paragraphs."),
]
InLanguages = Annotated[
    list[str],
    typer.Option(
        "--language",
        metavar="CODE",
        parser=language_tag,
        help="Language of the subject and text at the same position.",
        show_default="DIGEST_LANGUAGE",
    ),
]
_LISTED = 50


Texts = dict[str, "NoticeText"]  # by language


def _given_texts(subject: Subjects = [], file: Files = [], language: InLanguages = []) -> Texts:  # noqa: B006
    """Of the options; empty without any."""
    return texts_of(subject, file, language) if subject or file else {}


@notice.command()
@with_json
@with_options(_given_texts, "texts")
def write(texts: Texts, dry_run: DryRun = False) -> None:
    """Keep a notice as a draft, and check it as a message."""
    if not texts:
        raise typer.BadParameter("give a --subject and a --file", param_hint="--subject")
    problems = lint_lines(issue_of(texts))
    number = None if dry_run else add_draft(texts)
    document = {"notice": number, "languages": sorted(texts), "lint": problems, "dry_run": dry_run}
    first = f"Would be kept as a draft, in {', '.join(sorted(texts))}."
    if number:
        first = f"Draft {number} is kept. To see it: digest notice preview {number}"
    report(document, first, *problems)


@notice.command()
@with_json
@with_options(_given_texts, "texts")
def send(
    texts: Texts,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", parser=_number, help="Of a draft.")] = None,
    subscribers: Annotated[
        int | None,
        typer.Option(
            "--subscribers", metavar="N", help="Number of recipients, as --dry-run prints it: a guard against slips."
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Although the same was sent within a day.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Send a draft, or a subject and a text, to all subscribers who are confirmed, not paused and not suppressed."""
    from digest.mail.notices import count_recipients

    if (number is None) == (not texts):
        raise typer.BadParameter("name a draft by its number, or give --subject and --file", param_hint="NUMBER")
    texts = dict(stored_notice(number).texts) if number else texts
    with reading() as connection:
        count, left_out = count_recipients(connection, clock.now())
    document: dict[str, Any] = {"notice": number, "subscribers": count, "left_out": left_out, "dry_run": dry_run}
    others = "".join(f" Not to {n:,}: {reason}." for reason, n in left_out.items())
    if dry_run:
        problems = lint_lines(issue_of(texts))
        return report(document | {"lint": problems}, f"Would go to {count:,} subscribers.{others}", *problems)
    _confirm(count, subscribers)
    number = _send(number, texts, again)
    lines = [f"Notice {number} is sent to {count:,} subscribers.{others}", "To follow it: digest audit --kind notice"]
    return report(document | {"notice": number}, *lines)


def _send(number: int | None, texts: "dict[str, NoticeText]", again: bool) -> int:
    """Write a notice unless it has a number, and send it. Exit code 1 if it was sent before."""
    from digest.database.engine import transaction
    from digest.mail.notices import SentLately, add_notice, send_notice

    now = clock.now()
    try:
        with transaction(open_database()) as connection:
            number = number or add_notice(connection, texts, now)
            is_sent = send_notice(connection, number, now, again)
    except SentLately as problem:
        complain(f"{problem}. To send it once more: --again", 1)
    if not is_sent:
        complain(f"Notice {number} was sent before. Nothing changed.", 1)
    hint_workers()
    return number


def _confirm(count: int, given: int | None) -> None:
    """Raises typer.BadParameter unless the person knows how many subscribers get it."""
    if given is None and sys.stdin.isatty():
        given = typer.prompt(f"This goes to {count:,} subscribers. Type the number to send it", type=int, err=True)
    if given != count:
        raise typer.BadParameter(f"it would go to {count} subscribers; write that number", param_hint="--subscribers")


@notice.command("list")
@with_json
def list_() -> None:
    """List the newest notices and what became of them."""
    from digest.mail.notices import latest_notices

    with reading() as connection:
        notices = latest_notices(connection, _LISTED)
    rows = [("number", "state", "written", "by", "languages", "subject")]
    rows += [
        (
            str(each.id),
            _state(each),
            f"{each.created_at:%Y-%m-%d %H:%M}",
            each.by,
            ", ".join(sorted(each.texts)),
            each.subject,
        )
        for each in notices
    ]
    answer(
        [_document(each) for each in notices],
        lambda: table(rows, sentences=True) if notices else ["No notice was written yet."],
    )


def _document(notice: "Notice") -> dict[str, Any]:
    return {
        "notice": notice.id,
        "state": notice.state,
        "issue": notice.date,
        "status": notice.status,
        "by": notice.by,
        "written_at": notice.created_at,
        "sent_at": notice.sent_at,
        "texts": {language: {"subject": each.subject, "text": each.text} for language, each in notice.texts.items()},
    }


def _state(notice: "Notice") -> str:
    return f"{notice.status}, issue of {notice.date}" if notice.status else str(notice.state)


@notice.command()
@with_json
def preview(
    number: Number,
    language: InLanguage = None,
    format_: Annotated[Format, typer.Option("--format", help="The exact bytes, or one part.")] = Format.TEXT,
    open_: Annotated[
        bool, typer.Option("--open", help="Open it in a browser: phone and desktop, light and dark, with lint.")
    ] = False,
) -> None:
    """Print the message that subscribers get."""
    from digest.mail.preview import body_of, preview_page

    message = message_of(issue_of(dict(stored_notice(number).texts)), language or "")
    if open_:
        return open_in_browser(preview_page(message))
    content = message if format_ is Format.RAW else body_of(message, format_.value).encode()
    if writes_json():
        return print_json({"notice": number, "format": format_, "content": content.decode(errors="replace")})
    sys.stdout.buffer.write(content)
    return None


@notice.command("test")
@with_json
def send_test(
    number: Number,
    address: Annotated[str, typer.Argument(help="Recipient of the message.")],
    language: InLanguage = None,
    dry_run: DryRun = False,
) -> None:
    """Send a notice to one address, bypassing the ledger, and print the server's reply."""
    from digest import wiring
    from digest.mail.preview import sample_envelope

    require_mail_server()
    address, issue = valid_address(address), issue_of(dict(stored_notice(number).texts))
    context = wiring.mail_context(settings())
    envelope = sample_envelope(open_database(), context, issue, address, language or "", clock.now())
    assert envelope is not None
    send_once(envelope, dry_run)


@notice.command()
@with_json
def cancel(number: Number, reason: Why = "", dry_run: DryRun = False) -> None:
    """Take a sent notice back before it is queued; later, cancel what is unsent of it."""
    from digest.database.engine import transaction
    from digest.issues.publish import halt
    from digest.ledger.kinds import IssueKind, IssueStatus
    from digest.mail.notices import take_back

    notice, now, changed = stored_notice(number), clock.now(), False
    is_running = notice.status in (IssueStatus.RUNNING, IssueStatus.PAUSED)
    may_change = is_running or (notice.issue_id is None and notice.sent_at is not None)
    if may_change and not dry_run:
        with transaction(open_database()) as connection:
            changed = take_back(connection, number, now)
        notice = stored_notice(number)
        if not changed and notice.date:
            changed = bool(halt(open_database(), notice.date, IssueStatus.CANCELLED, now, IssueKind.NOTICE, reason))
            notice = stored_notice(number)
    document = _document(notice) | {"changed": changed, "dry_run": dry_run}
    if not may_change:
        return report(document, f"Nothing {'would change' if dry_run else 'changed'}: it is {_state(notice)}.")
    if dry_run:
        return report(document, f"Notice {number}, now {_state(notice)}, would not be sent any further.")
    return report(document, f"Notice {number} is not sent any further. It is now: {_state(notice)}.")
