"""The commands pause, resume, cancel, withdraw and retry. Workers obey within seconds."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import hint_workers, open_database, reading, stored_issue
from digest.cli.options import Day, DryRun, OfKind, Why, date_option, day_of
from digest.cli.output import NotReady, report, with_json
from digest.ledger.kinds import IssueKind, IssueStatus, SkipReason
from digest.text import minute_of

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.issue import Issue

OfIssue = Annotated[date | None, date_option("--date --issue", "Date of the issue.", "every issue")]
Sending = Annotated[bool, typer.Option("--sending", help="All email, whatever its issue and kind.")]
Domain = Annotated[str, typer.Option("--domain", help="With --sending: only email to this destination.")]


@with_json
def pause(
    day: Day = None,
    kind: OfKind = IssueKind.DAILY,
    sending: Sending = False,
    domain: Domain = "",
    reason: Why = "",
    dry_run: DryRun = False,
) -> None:
    """Pause an issue, or with --sending all email, until it is resumed. Messages already on the wire still go out."""
    if _is_about_sending(day, sending, domain):
        _pause_sending(domain, reason or "no reason given", dry_run)
    else:
        _set_status(day, kind, IssueStatus.PAUSED, dry_run, reason)


@with_json
def resume(
    day: Day = None,
    kind: OfKind = IssueKind.DAILY,
    sending: Sending = False,
    domain: Domain = "",
    dry_run: DryRun = False,
) -> None:
    """Resume a paused issue, or with --sending all email, even if the mail server's refusals paused it."""
    if _is_about_sending(day, sending, domain):
        _resume_sending(domain, dry_run)
    else:
        _set_status(day, kind, IssueStatus.RUNNING, dry_run)


@with_json
def cancel(day: Day = None, kind: OfKind = IssueKind.DAILY, reason: Why = "", dry_run: DryRun = False) -> None:
    """Cancel an issue for good: every delivery not yet sent is skipped."""
    _set_status(day, kind, IssueStatus.CANCELLED, dry_run, reason)


@with_json
def withdraw(
    day: Day = None,
    kind: OfKind = IssueKind.DAILY,
    reason: Why = "",
    undo: Annotated[bool, typer.Option("--undo", help="Show it again; cancelled messages stay unsent.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Take an issue off the site and its feeds, and cancel what is unsent. Its papers stay in the archive."""
    from digest.issues import withdrawing

    issue, engine, now = stored_issue(day_of(day), kind), open_database(), clock.now()
    may_change = (issue.withdrawn_at is None) != undo
    if may_change and not dry_run:
        if undo:
            withdrawing.show_again(engine, issue.id, now)
        else:
            withdrawing.withdraw(engine, issue.id, reason, now)
    after = stored_issue(issue.date, kind)
    is_withdrawn = may_change != undo if dry_run else after.withdrawn_at is not None
    document = {"issue": issue.date, "status": after.status, "withdrawn": is_withdrawn, "dry_run": dry_run}
    report(document, *_withdrawn_lines(after, undo, may_change, dry_run))


@with_json
def retry(
    day: OfIssue = None,
    kind: OfKind = IssueKind.DAILY,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Those that may have arrived and were held; sends the same bytes again.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Queue quarantined deliveries again, composed anew. Without --date, of every issue."""
    from digest.database.engine import transaction
    from digest.ledger import events, listings, transitions

    count, again = listings.count_quarantined, transitions.retry
    if uncertain:
        count, again = listings.count_uncertain, transitions.retry_uncertain
    issue_id = stored_issue(day, kind).id if day else None
    now, subject = clock.now(), f"issue:{day}" if day else "sending"
    with transaction(open_database()) as connection:
        number = count(connection, issue_id) if dry_run else again(connection, now, issue_id)
        if number and not dry_run:
            events.record(connection, now, subject, "retried", {"deliveries": number, "uncertain": uncertain})
    if not dry_run:
        hint_workers()
    document = {"mails": number, "uncertain": uncertain, "dry_run": dry_run}
    which = "uncertain" if uncertain else "quarantined"
    report(document, f"{number} {which} deliveries {'would be' if dry_run else 'are'} queued again.")


def _withdrawn_lines(issue: "Issue", undo: bool, may_change: bool, dry_run: bool) -> list[str]:
    which = _named(issue.date, IssueKind(issue.kind))
    if not may_change:
        state = "is not withdrawn" if undo else "is withdrawn already"
        return [f"Nothing {'would change' if dry_run else 'changed'}: {which} {state}."]
    is_ = "would be" if dry_run else "is"
    if undo:
        cancelled = " It stays cancelled: lists of issues and feeds leave it out."
        return [f"{_capital(which)} {is_} shown again.{cancelled if issue.status is IssueStatus.CANCELLED else ''}"]
    undo_by = f"digest withdraw --undo --date {issue.date}" + _kind_option(IssueKind(issue.kind))
    line = f"{_capital(which)} {is_} withdrawn: no page or feed {'would show' if dry_run else 'shows'} it."
    return [f"{line}{_unsent(issue.date, IssueKind(issue.kind), dry_run)}", f"To show it again: {undo_by}"]


def _named(day: date, kind: IssueKind) -> str:
    return f"the {'' if kind is IssueKind.DAILY else f'{kind} '}issue of {day}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _kind_option(kind: IssueKind) -> str:
    return "" if kind is IssueKind.DAILY else f" --kind {kind}"


def _set_status(given: date | None, kind: IssueKind, status: IssueStatus, dry_run: bool, reason: str = "") -> None:
    from digest.issues.publish import halt

    day = day_of(given)
    was = stored_issue(day, kind).status
    may_change = was not in (status, IssueStatus.CANCELLED)
    changed = may_change if dry_run else bool(halt(open_database(), day, status, clock.now(), kind, reason))
    if changed and not dry_run and status is IssueStatus.RUNNING:
        hint_workers()
    line = f"Nothing {'would change' if dry_run else 'changed'}: {_named(day, kind)} is {was}."
    if changed:
        line = f"{_capital(_named(day, kind))} is {f'{was} and would be ' if dry_run else ''}{status}."
    if changed and status is IssueStatus.CANCELLED:
        line += _unsent(day, kind, dry_run)
    report({"issue": day, "was": was, "status": status if changed else was, "dry_run": dry_run}, line)


def _unsent(day: date, kind: IssueKind, dry_run: bool) -> str:
    """Say how many deliveries a cancellation takes back, and how many were sent before."""
    from digest.issues.audit import audit

    with reading() as connection:
        sums = audit(connection, stored_issue(day, kind).id)
    unsent = sums.queued + sums.deferred + sums.claimed + sums.skipped.get(SkipReason.CANCELLED, 0)
    gone = sums.accepted + sums.sending + sums.uncertain
    return f" {'Would not be' if dry_run else 'Not'} sent: {unsent}; sent before: {gone}."


# --- all sending ---


def _is_about_sending(day: date | None, sending: bool, domain: str) -> bool:
    if sending and day:
        raise typer.BadParameter("use --date for one issue or --sending for all email, not both", param_hint="--date")
    if not sending and domain:
        raise typer.BadParameter("needs --sending", param_hint="--domain")
    return sending


def _pause_sending(domain: str, reason: str, dry_run: bool) -> None:
    from digest.mail.pauses import EVERYTHING, pause_by_hand

    scope = domain.lower() or EVERYTHING
    if not dry_run:
        pause_by_hand(open_database(), scope, reason, clock.now())
    document = {"scope": scope, "paused": True, "reason": reason, "dry_run": dry_run}
    command = f"digest resume --sending{f' --domain {scope}' if domain else ''}"
    report(document, f"{_subject(domain)} {'would be' if dry_run else 'is'} paused. To resume: {command}")


def _resume_sending(domain: str, dry_run: bool) -> None:
    from digest.mail import pauses

    scope, now, engine = domain.lower() or pauses.EVERYTHING, clock.now(), open_database()
    paused = pauses.pause_of(engine, scope, now)
    if not dry_run:
        try:
            pauses.resume(engine, scope, now)
        except pauses.NotSettled as problem:
            raise NotReady(str(problem)) from None
        hint_workers()
    was = None
    if paused:
        was = {"since": paused.since, "until": paused.until, "reason": paused.reason, "by": paused.by}
    line = f"{_subject(domain)} is not paused."
    if paused:
        resumed = "would resume" if dry_run else "resumes"
        by = f" by {paused.by}" if paused.by else ""
        line = f"{_subject(domain)} {resumed}. It was paused{by} since {minute_of(paused.since)}: {paused.reason}"
    report({"scope": scope, "paused": bool(paused and dry_run), "was": was, "dry_run": dry_run}, line)


def _subject(domain: str) -> str:
    return f"Email to {domain.lower()}" if domain else "All sending"
