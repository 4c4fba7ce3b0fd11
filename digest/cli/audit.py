"""The command audit: an issue's totals, the deliveries that were not accepted, and live progress."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import issue_or_none, reading, stored_issue
from digest.cli.options import OfKind, date_option, day_of, with_options
from digest.cli.output import answer, progress, table, with_json
from digest.ledger.kinds import IssueKind, IssueStatus, Listing
from digest.settings import settings
from digest.text import minute_of

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.audit import Audit, AuditRow, Outlook, SendingRate
    from digest.issues.issue import Issue
    from digest.ledger.events import Event

_SPEED_SECONDS = 10  # the period over which the rate is measured
_MOST_ROWS = 1000  # of --state without --limit
_CALM = 10  # counting takes at most 10 % of the time, even for large issues


OfIssue = Annotated[date | None, date_option("--issue --date", "Date of the issue.", "every issue")]
Rows = Annotated[bool, typer.Option("--rows", help="List the deliveries not accepted, with reasons.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="List at most this many rows.")]
Offset = Annotated[int, typer.Option("--offset", min=0, help="Skip this many rows first.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the issue until it is sent.")]
OfState = Annotated[
    Listing | None,
    typer.Option(
        "--state", help="List only these deliveries, of every issue without --date. “stuck”: overdue, or needs you."
    ),
]
Since = Annotated[date | None, date_option("--since", "With --state: only issues and requests from this day on.")]


def _rows(
    rows: Rows = False, state: OfState = None, since: Since = None, limit: Limit = None, offset: Offset = 0
) -> "RowOptions":
    if since is not None and state is None:
        raise typer.BadParameter("needs --state, such as --state refused", param_hint="--since")
    return RowOptions(rows, state, since, limit, offset)


@dataclass(frozen=True, slots=True)
class RowOptions:
    """The deliveries to list one by one."""

    all: bool
    state: Listing | None
    since: date | None
    limit: int | None
    offset: int


@with_json
@with_options(_rows, "listed")
def audit(listed: RowOptions, day: OfIssue = None, kind: OfKind = IssueKind.DAILY, watch: Watch = False) -> None:
    """Account for every delivery of an issue, or say why there is none. Exit code 1 when the sums do not add up."""
    if watch:
        day = day_of(day)
        _watch(day, kind)
    issue = issue_or_none(day, kind) if day is not None else None
    if day is not None and issue is None:
        _say_why_none(day, kind)
    elif listed.state is not None:
        _list(listed, listed.state, issue)
    else:
        _account(listed, issue)


def _account(rows: RowOptions, issue: "Issue | None") -> None:
    from digest.issues import audit as audits
    from digest.issues.silence import why_unsent
    from digest.issues.summaries import summary_record
    from digest.issues.withdrawing import last_change
    from digest.monitoring.days import why_held
    from digest.subscribers.admission import refused_lately

    with reading() as connection:
        now, limits = clock.now(), settings().limits
        held, held_requests = why_held(connection, limits, now), why_held(connection, limits, now, requested=True)
        full = [] if issue else refused_lately(connection, now)[0]
        listed = [audits.audit(connection, issue.id)] if issue else audits.audit_all(connection)
        details = [
            audits.explained(connection, each.issue_id, rows.limit, rows.offset) if rows.all else None
            for each in listed
        ]
        unsent = why_unsent(connection, listed[0], issue.note) if issue else ""
        change = last_change(connection, issue) if issue else None
        rate = audits.sending_rate(connection, issue.id) if issue else None
        summaries = summary_record(connection, issue.date) if issue else None
    reports = list(zip(listed, details, strict=True))
    documents = [
        sums.as_dict() | ({"rows": list(map(asdict, why))} if why is not None else {}) for sums, why in reports
    ]
    if issue:
        documents[0] |= {"nothing_sent": unsent, "changed": _changed(change), "withdrawn_at": issue.withdrawn_at}
        documents[0] |= {"rate": rate and asdict(rate), "summaries": summaries and asdict(summaries)}
    lines = (
        _of_the_issue(issue, unsent, change),
        _lines(reports, held, held_requests),
        _refused(full),
        _rate_lines(rate),
        [summaries.line] if summaries else [],
    )
    answer(documents[0] if issue else documents, lambda: chain(*lines))
    if any(sums.unexplained for sums in listed):
        sys.exit(1)


def _say_why_none(day: date, kind: IssueKind) -> None:
    """Exit code 3."""
    from digest.issues.silence import why_no_issue
    from digest.monitoring.days import why_held

    configured = settings()
    with reading() as connection:
        cut, sources = configured.cut_at, configured.sources
        why = why_no_issue(connection, kind, day, cut, clock.now(), sources)
        held = why_held(connection, configured.limits, clock.now())
    which = "" if kind is IssueKind.DAILY else f"{kind} "
    lines = [f"No {which}issue of {day} was cut: {why}."] + ([f"Besides, {held}."] if held else [])
    answer({"issue": day, "kind": kind, "no_issue": why, "sending": held}, lambda: lines)
    sys.exit(3)


def _list(wanted: RowOptions, state: Listing, issue: "Issue | None") -> None:
    from digest.issues import audit as audits
    from digest.ledger import listings

    limit = wanted.limit or _MOST_ROWS
    looked_for = listings.Search(state, issue.id if issue else None, wanted.since, limit + 1, wanted.offset)
    with reading() as connection:
        rows = audits.search(connection, looked_for, clock.now())
    shown, is_cut = rows[:limit], len(rows) > limit
    cells = [(row.occasion, row.kind, row.address or "(erased)", row.state, row.why) for row in shown]
    lines = (
        table([("day", "kind", "address", "state", "why"), *cells], sentences=True)
        if shown
        else [f"No delivery is {state}."]
    )
    more = [f"There are more; the next: --offset {wanted.offset + limit}"] if is_cut else []
    answer({"state": state, "rows": [asdict(row) for row in shown], "more": is_cut}, lambda: [*lines, *more])


def _of_the_issue(issue: "Issue | None", unsent: str, change: "Event | None") -> Iterator[str]:
    if issue and issue.withdrawn_at:
        yield f"Withdrawn from the site since {minute_of(issue.withdrawn_at)}."
    if issue and change and issue.status is not IssueStatus.RUNNING:
        yield f"{issue.status.capitalize()} {_by_whom(change)}."
    if unsent:
        yield f"Nothing was sent: {unsent}."


def _rate_lines(rate: "SendingRate | None") -> Iterator[str]:
    if rate:
        speed = f"; {rate.per_second:g} messages/s" if rate.per_second else ""
        yield f"Accepted from {rate.first_at:%Y-%m-%d %H:%M:%S} to {rate.last_at:%Y-%m-%d %H:%M:%S} UTC{speed}."


def _by_whom(change: "Event") -> str:
    by, reason = change.detail.get("by", ""), change.detail.get("reason", "")
    return f"{f'by {by} ' if by else ''}since {minute_of(change.at)}{f': {reason}' if reason else ''}"


def _changed(change: "Event | None") -> dict[str, object] | None:
    return {"what": change.what, "at": change.at, **change.detail} if change else None


def _why_issue_held(sums: "Audit") -> str:
    """Why nothing of an issue is sent, whatever is sent of others, or ""."""

    date_, today = (sums.issue or "")[:10], clock.now().date()
    if sums.status == IssueStatus.PAUSED:
        return f"the issue is paused; to go on: digest resume --date {(sums.issue or '').replace(' ', ' --kind ')}"
    is_left_over = "" < date_ < f"{today}" and sums.queued + sums.deferred
    is_warm_up = is_left_over and settings().limits.day_limit(today) is not None
    return f"left over in the warm-up: it goes after the issue of {today}" if is_warm_up else ""


def _lines(reports: "Sequence[tuple[Audit, list[AuditRow] | None]]", held: str, held_requests: str) -> Iterator[str]:
    if not reports:
        yield "No delivery was ever queued."
    for sums, why in reports:
        status = f" ({sums.status})" if sums.status not in ("", IssueStatus.RUNNING) else ""
        yield f"{f'Issue of {sums.issue}{status}' if sums.issue else 'Other deliveries'}: {sums.candidates}"
        why_all = held if sums.issue else held_requests
        if why_held := _why_issue_held(sums) or (why_all if sums.queued + sums.deferred else ""):
            yield f"  nothing is sent: {why_held}"
        for name, count in sums.as_dict().items():
            if isinstance(count, int) and count and name != "candidates":
                yield f"  {count:>7} {name}"
        for reason, count in sums.skipped.items():
            yield f"  {count:>7} skipped: {reason}"
        for reason, count in sums.not_queued.items():
            yield f"  {count:>7} not queued, and not among the {sums.candidates}: {reason}"
        if why:
            cells = [(row.recipient, row.address or "(erased)", row.state, row.why) for row in why]
            yield from table([("key", "address", "state", "why"), *cells], "  ", sentences=True)


def _refused(limits: Sequence[str]) -> Iterator[str]:
    if limits:
        yield f"Requests for an email were refused since yesterday, beyond the limits: {', '.join(limits)}"


# --- live ---


def _watch(day: date, kind: IssueKind) -> None:
    """A line each second, rewritten on a terminal, until no delivery of the issue is left."""
    from digest.issues.audit import audit, outlook
    from digest.monitoring.days import why_held

    issue = stored_issue(day, kind)
    seen: deque[tuple[float, int]] = deque()
    while True:
        started = time.monotonic()
        with reading() as connection:
            sums, left = audit(connection, issue.id), outlook(connection, issue.id)
            held = why_held(connection, settings().limits, clock.now())
        seen.append((started, sums.accepted))
        _show(_watch_line(sums, left, _speed(seen), held or left.halted), last=not left.deliveries)
        if not left.deliveries:
            return
        time.sleep(max(1.0, _CALM * (time.monotonic() - started)))


def _speed(seen: "deque[tuple[float, int]]") -> float:
    """The recent rate of accepted messages per second, from the counts at several instants."""
    while len(seen) > 2 and seen[0][0] < seen[-1][0] - _SPEED_SECONDS:
        seen.popleft()
    (first, before), (last, now) = seen[0], seen[-1]
    return (now - before) / (last - first) if last > first else 0.0


def _watch_line(sums: "Audit", left: "Outlook", speed: float, halted: str) -> str:
    parts = [f"{sums.accepted}/{sums.candidates} accepted", f"{speed:.0f} messages/s"]
    for count, what in ((sums.deferred, "deferred"), (sums.refused, "refused"), (sums.uncertain, "in doubt")):
        parts += [f"{count} {what}"] if count else []
    parts.append(halted if halted and left.deliveries else _expected_end(left, speed))
    return " · ".join(parts)


def _expected_end(left: "Outlook", speed: float) -> str:
    """When the last mail will be done: not before it is due, and not before those in front of it are."""
    if not left.deliveries:
        return "done"
    now = clock.now()
    last = max(left.last_attempt_at or now, now + timedelta(seconds=left.deliveries / speed if speed else 0))
    when = f", the last about {minute_of(last)}" if last > now else ""
    return f"{left.deliveries} to come{when}"


def _show(line: str, last: bool) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line}\x1b[K" + ("\n" if last else ""))
        sys.stderr.flush()
    else:
        progress(line)
