"""Day by day: the issue and what became of it, or why nothing was sent."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select

from digest.database.tables import issues
from digest.issues.audit import Audit, audit
from digest.issues.issue import Issue
from digest.issues.silence import why_no_issue, why_unsent
from digest.issues.store import issues_between
from digest.issues.withdrawing import WITHDRAWN, last_change
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus, State
from digest.ledger.totals import is_unfinished, issues_without_totals
from digest.mail.pauses import EVERYTHING, current
from digest.mail.throttle.limits import Limits
from digest.mail.throttle.requested import why_hour_full
from digest.mail.throttle.warm_up import why_full
from digest.monitoring.progress import IssueProgress, ended_rows, read_progress
from digest.papers.collecting import first_run_at
from digest.settings import Settings

COUNTED = ("accepted", "queued", "deferred", "claimed", "sending", "uncertain", "refused", "expired", "quarantined")
COUNTED_AT_ONCE = 50_000  # deliveries of an issue; for more, a page does not count what waits


@dataclass(frozen=True, slots=True)
class DayReport:
    """An issue of a day; without one, why none was cut."""

    day: date
    issue: Issue | None
    sums: Audit | None  # of the issue
    why: str  # why nothing was sent, or not everything; "" if there is nothing to explain

    @property
    def waiting(self) -> int:
        """Messages that are not finished."""
        sums = self.sums
        return sums.queued + sums.deferred + sums.claimed + sums.sending if sums else 0

    @property
    def is_being_sent(self) -> bool:
        """True if nobody counted how many of those that wait were accepted."""
        return self.waiting > COUNTED_AT_ONCE and self.sums is not None and not self.sums.accepted

    @property
    def skipped(self) -> int:
        return sum(self.sums.skipped.values()) if self.sums else 0

    @property
    def others(self) -> int:
        """Expired, quarantined or uncertain."""
        return self.sums.expired + self.sums.quarantined + self.sums.uncertain if self.sums else 0


def days(connection: Connection, settings: Settings, first: date, last: date, now: datetime) -> list[DayReport]:
    """Each day from `first` to `last`, newest first. A day has a further report for its weekly or catch-up issue."""
    stored = issues_between(connection, first, last)
    sums = issue_sums(connection, stored, now, COUNTED_AT_ONCE)
    held = why_held(connection, settings.limits, now)
    reports = [
        DayReport(issue.date, issue, sums[issue.id], _why(connection, issue, sums[issue.id], held)) for issue in stored
    ]
    cut = {issue.date for issue in stored if issue.kind == IssueKind.DAILY}
    for day in (last - timedelta(days=back) for back in range((last - first).days + 1)):
        if day not in cut:
            why = why_no_issue(connection, IssueKind.DAILY, day, settings.cut_at, now, settings.sources)
            reports.append(DayReport(day, None, None, why))
    return sorted(reports, key=lambda report: (report.day, _is_daily(report)), reverse=True)


def _is_daily(report: DayReport) -> bool:
    return report.issue is None or report.issue.kind == IssueKind.DAILY


def first_day(connection: Connection, sources: Collection[str], today: date) -> date:
    """The day of the first reading of a source or of the first issue: nothing can be said about earlier ones."""
    first_issue = connection.execute(select(func.min(issues.c.date))).scalar()
    first_read_at = first_run_at(connection, sources)
    return min(filter(None, (first_issue, first_read_at and first_read_at.date())), default=today)


def issue_sums(
    connection: Connection, chosen: Sequence[Issue], now: datetime, most: int | None = None
) -> dict[int, Audit]:
    """The sums of issues by their id: stored ones, or counted by the indexes of what is not accepted.

    A page can't wait until a million messages are counted. If an unfinished issue has more candidates than `most`, all
    messages that may have been accepted count as queued.
    """
    uncounted = set(issues_without_totals(connection)).intersection(issue.id for issue in chosen)
    unfinished = {issue_id for issue_id in uncounted if is_unfinished(connection, issue_id)}
    exact = {issue.id for issue in chosen if issue.id in unfinished and (most is None or issue.candidates <= most)}
    progress = {each.id: each for each in read_progress(connection, now)[0]} if exact else {}
    sums = {}
    for issue in chosen:
        if issue.id in progress and issue.id in exact:
            sums[issue.id] = _of_progress(progress[issue.id])
        elif issue.id in uncounted:
            sums[issue.id] = _of_ended(connection, issue, issue.id in unfinished)
        else:
            sums[issue.id] = audit(connection, issue.id)
    return sums


def _of_progress(issue: IssueProgress) -> Audit:
    return Audit(
        str(issue.date),
        issue.candidates,
        issue_id=issue.id,
        status=issue.status,
        skipped=dict(issue.skipped),
        not_queued=dict(issue.not_queued),
        **{name: getattr(issue, name) for name in COUNTED},
    )


def _of_ended(connection: Connection, issue: Issue, is_unfinished: bool) -> Audit:
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for _, state, reason, count in ended_rows(connection, [issue.id]):
        (skipped if state == State.SKIPPED else counts)[reason if state == State.SKIPPED else state] += count
    counts["queued" if is_unfinished else "accepted"] = issue.candidates - counts.total() - skipped.total()
    left_out = dict(issue.settings.left_out)
    return Audit(
        str(issue.date),
        issue.candidates,
        issue_id=issue.id,
        status=issue.status,
        skipped=dict(skipped),
        not_queued=left_out,
        **counts,
    )


def why_held(connection: Connection, limits: Limits, now: datetime, requested: bool = False) -> str:
    """Why no email of an issue is sent now, or, with `requested`, none that someone asked for; or ""."""
    pause = next((pause for pause in current(connection, now) if pause.scope == EVERYTHING), None)
    if pause:
        by = f" by {pause.by}" if pause.by else ""
        return f"all sending is paused{by} since {pause.since:%Y-%m-%d %H:%M} UTC: {pause.reason}"
    return (why_hour_full if requested else why_full)(connection, limits, now)


def _why(connection: Connection, issue: Issue, sums: Audit, held: str) -> str:
    """Why an issue was not sent to everybody, with the person behind it."""
    reasons = []
    if issue.withdrawn_at is not None:
        reasons.append(_by_whom("withdrawn from the site", last_change(connection, issue, WITHDRAWN)))
    if issue.status is not IssueStatus.RUNNING and (sums.accepted < sums.candidates or not sums.candidates):
        reasons.append(_by_whom(str(issue.status), last_change(connection, issue)))
    elif held and sums.queued + sums.deferred:
        reasons.append(held)
    elif unsent := why_unsent(connection, sums, issue.note):
        reasons.append(unsent)
    return "; ".join(reasons)


def _by_whom(what: str, change: events.Event | None) -> str:
    if change is None:
        return what
    by, reason = change.detail.get("by", ""), change.detail.get("reason", "")
    return f"{what}{f' by {by}' if by else ''} at {change.at:%Y-%m-%d %H:%M} UTC{f': {reason}' if reason else ''}"
