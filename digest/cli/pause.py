"""Commands that hold mails back and let them go on: pause, resume, cancel, retry. Workers obey within seconds."""

from datetime import date
from typing import Annotated, Any

import typer

from digest.cli.lookup import open_database, stored_issue
from digest.cli.options import Day, DryRun, Json, Which, the_day
from digest.cli.output import answer, progress
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.settings import settings

Sending = Annotated[bool, typer.Option("--sending", help="All mail, of whatever issue and kind.")]
Domain = Annotated[str, typer.Option("--domain", help="With --sending: only mail to this destination.")]
Reason = Annotated[str, typer.Option("--reason", help="With --sending: why, for whoever looks at it later.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    for command in (pause, resume, cancel):
        app.command(rich_help_panel="Papers and issues")(command)
    app.command(rich_help_panel="Mails")(retry)


def pause(
    day: Day = None,
    kind: Which = IssueKind.DAILY,
    sending: Sending = False,
    domain: Domain = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Hold back the mails of an issue that have not begun, or with --sending all mails, until they are resumed."""
    if not _about_sending(day, sending, domain, reason):
        return _halt(day, kind, IssueStatus.PAUSED, dry_run, as_json)
    return _pause_sending(domain, reason or "paused by the operator", dry_run, as_json)


def resume(
    day: Day = None,
    kind: Which = IssueKind.DAILY,
    sending: Sending = False,
    domain: Domain = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let a paused issue go on; with --sending, let all mails go on, also when a mail server's refusals paused them."""
    if not _about_sending(day, sending, domain, ""):
        return _halt(day, kind, IssueStatus.RUNNING, dry_run, as_json)
    return _resume_sending(domain, dry_run, as_json)


def cancel(day: Day = None, kind: Which = IssueKind.DAILY, dry_run: DryRun = False, as_json: Json = False) -> None:
    """End an issue: what has not begun is skipped, for good."""
    _halt(day, kind, IssueStatus.CANCELLED, dry_run, as_json)


def retry(
    day: Day = None,
    kind: Which = IssueKind.DAILY,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Those that may have arrived and were held: the same bytes once more.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Queue quarantined mails again, composed anew; with --uncertain those in doubt. Of one issue, or all of them."""
    from digest import clock
    from digest.database.engine import transaction
    from digest.ledger import deliveries, transitions

    count, again = deliveries.count_quarantined, transitions.retry
    if uncertain:
        count, again = deliveries.count_uncertain, transitions.retry_uncertain
    engine = open_database()
    issue_id = stored_issue(engine, the_day(day, clock.now()), kind).id if day else None
    with transaction(engine) as connection:
        mails = count(connection, issue_id) if dry_run else again(connection, clock.now(), issue_id)
    if not dry_run:
        _hint_workers()
    which = "mails in doubt" if uncertain else "quarantined mails"
    document = {"mails": mails, "uncertain": uncertain, "dry_run": dry_run}
    _say(as_json, document, f"{mails} {which} {'would be' if dry_run else 'are'} queued again.")


def _halt(day: str | None, kind: IssueKind, status: IssueStatus, dry_run: bool, as_json: bool) -> None:
    from digest import clock
    from digest.issues.publish import halt

    engine = open_database()
    date_ = the_day(day, clock.now())
    was = stored_issue(engine, date_, kind).status
    may_change = was not in (status, IssueStatus.CANCELLED)
    changed = may_change if dry_run else bool(halt(engine, date_, status, clock.now(), kind))
    if changed and not dry_run and status is IssueStatus.RUNNING:
        _hint_workers()
    document = {"issue": date_, "was": was, "status": status if changed else was, "dry_run": dry_run}
    _say(as_json, document, _halted_line(date_, was, status, changed, dry_run))


def _halted_line(day: date, was: IssueStatus, status: IssueStatus, changed: bool, dry_run: bool) -> str:
    if not changed:
        return f"Nothing {'would change' if dry_run else 'changed'}: the issue of {day} is {was}."
    return f"The issue of {day} is {was} and would be {status}." if dry_run else f"The issue of {day} is {status}."


# --- all sending ---


def _about_sending(day: str | None, sending: bool, domain: str, reason: str) -> bool:
    if sending and day:
        raise typer.BadParameter("is about one issue, --sending about all mail; give one of them", param_hint="--date")
    if not sending and (domain or reason):
        name = "--domain" if domain else "--reason"
        raise typer.BadParameter("goes with --sending", param_hint=name)
    return sending


def _pause_sending(domain: str, reason: str, dry_run: bool, as_json: bool) -> None:
    from digest import clock
    from digest.mail.pauses import EVERYTHING, pause_by_hand

    scope = domain.lower() or EVERYTHING
    if not dry_run:
        pause_by_hand(open_database(), scope, reason, clock.now())
    document = {"scope": scope, "paused": True, "reason": reason, "dry_run": dry_run}
    done = "would be paused" if dry_run else "is paused"
    back = f"digest resume --sending{f' --domain {scope}' if domain else ''}"
    _say(as_json, document, f"{_what(domain)} {done} until: {back}")


def _resume_sending(domain: str, dry_run: bool, as_json: bool) -> None:
    from digest import clock
    from digest.mail.pauses import EVERYTHING, pause_of
    from digest.mail.pauses import resume as let_go

    scope, now, engine = domain.lower() or EVERYTHING, clock.now(), open_database()
    pause = pause_of(engine, scope, now)
    if not dry_run:
        let_go(engine, scope, now)
        _hint_workers()
    was = {"since": pause.since, "until": pause.until, "reason": pause.reason} if pause else None
    document = {"scope": scope, "paused": bool(was and dry_run), "was": was, "dry_run": dry_run}
    if pause is None:
        return _say(as_json, document, f"{_what(domain)} is not paused.")
    done = "would go on" if dry_run else "goes on"
    return _say(as_json, document, f"{_what(domain)} {done}. It was paused for: {pause.reason}")


def _what(domain: str) -> str:
    return f"Mail to {domain.lower()}" if domain else "All sending"


def _say(as_json: bool, document: dict[str, Any], line: str) -> None:
    if as_json:
        answer(as_json, document, list)
    else:
        progress(line)


def _hint_workers() -> None:
    from digest import hints

    hints.hint(settings().redis_url.get_secret_value())
