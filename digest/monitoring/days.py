"""Day by day: the issue and what became of it, or why nothing was sent."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select

from digest.database.tables import issues
from digest.issues.audit import Audit, issue_sums
from digest.issues.issue import Issue
from digest.issues.silence import why_no_issue, why_unsent
from digest.issues.store import issues_between
from digest.issues.withdrawing import WITHDRAWN, last_change
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.mail.pauses import EVERYTHING, current
from digest.mail.throttle.limits import Limits
from digest.mail.throttle.requested import why_hour_full
from digest.mail.throttle.warm_up import why_full
from digest.papers.collecting import first_run_at
from digest.settings import Settings
from digest.text import minute_of


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
    def skipped(self) -> int:
        return sum(self.sums.skipped.values()) if self.sums else 0

    @property
    def others(self) -> int:
        """Expired, quarantined or uncertain."""
        return self.sums.expired + self.sums.quarantined + self.sums.uncertain if self.sums else 0


def days(connection: Connection, settings: Settings, first: date, last: date, now: datetime) -> list[DayReport]:
    """Each day from `first` to `last`, newest first. A day has a further report for its weekly or catch-up issue."""
    stored = issues_between(connection, first, last)
    sums = issue_sums(connection, stored)
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


def why_held(connection: Connection, limits: Limits, now: datetime, requested: bool = False) -> str:
    """Why no email of an issue is sent now, or, with `requested`, none that someone asked for; or ""."""
    pause = next((pause for pause in current(connection, now) if pause.scope == EVERYTHING), None)
    if pause:
        by = f" by {pause.by}" if pause.by else ""
        return f"all sending is paused{by} since {minute_of(pause.since)}: {pause.reason}"
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
    return f"{what}{f' by {by}' if by else ''} at {minute_of(change.at)}{f': {reason}' if reason else ''}"
