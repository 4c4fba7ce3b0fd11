"""Why nothing was sent: why a date has no issue, or why an issue reached nobody."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, func, select

from digest.database.tables import issues, subscribers
from digest.issues.audit import Audit
from digest.issues.issue import NOT_CUT
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus, Status
from digest.papers.collecting import SourceHealth, SourceRun, first_run_at, last_runs
from digest.text import minute_of


def why_no_issue(
    connection: Connection, kind: str, day: date, cut: time, now: datetime, sources: Collection[str]
) -> str:
    """Why no issue of `kind` was cut on `day`, in one sentence, from what was stored. Issues are cut at `cut` UTC."""
    cut_at = datetime.combine(day, cut, UTC)
    if now < cut_at:
        return f"it is cut on {cut_at:%Y-%m-%d} at {cut_at:%H:%M} UTC"
    if kind == IssueKind.NOTICE:
        return "no notice was sent on that day: digest notice list"
    if kind != IssueKind.DAILY:
        return f"nobody was due a {kind} issue on that day, or the day has no issue at all: digest audit --date {day}"
    first = connection.execute(select(func.min(issues.c.date)).where(issues.c.kind == kind)).scalar()
    if first is not None and day >= first:
        return _of_sources(connection, day, cut_at, now, sources)
    before = f"the first issue is of {first}" if first else "no issue was ever cut"
    return f"{before}; {_of_sources(connection, day, cut_at, now, sources)}"


def _of_sources(connection: Connection, day: date, cut_at: datetime, now: datetime, sources: Collection[str]) -> str:
    if not sources:
        return "no source of papers is chosen (DIGEST_SOURCES)"
    until = min(now, datetime.combine(day + timedelta(days=1), time(0), UTC))
    runs = last_runs(connection, until, sources, since=cut_at - timedelta(days=1))
    tried = events.latest(connection, 1, f"issue:{day}", NOT_CUT)
    if not runs and not tried:
        first_at = first_run_at(connection, sources)
        if first_at is not None and first_at > until:
            return f"no source had been read by then; the first reading was on {first_at:%Y-%m-%d at %H:%M} UTC"
        return f"no source was read in the day before the cut at {cut_at:%H:%M} UTC: the scheduler did not run"
    failing = [run for run in runs if run.outcome is SourceHealth.FAILING]
    if failing and len(failing) == len(runs):
        return f"no source could be read: {_listed(failing)}"
    if tried:
        reason = str(tried[0].detail.get("reason", "")).rstrip(".")
        return f"there was no paper to send when the scheduler tried at {tried[0].at:%H:%M} UTC: {reason}"
    if max(run.started_at for run in runs) < cut_at:
        read = _listed(runs)
        return f"the scheduler did not run after the cut was due at {cut_at:%H:%M} UTC; before that it read {read}"
    if failing:
        return f"there was no paper to send, and a source failed; the last readings: {_listed(runs)}"
    return f"the scheduler read the sources ({_listed(runs)}), but did not cut; its log says why"


def _listed(runs: Collection[SourceRun]) -> str:
    return "; ".join(f"{run.source} {minute_of(run.started_at)}, {run.outcome}: {run.message}" for run in runs)


def why_unsent(connection: Connection, sums: Audit, note: str) -> str:
    """Why nobody got an issue, or "" if somebody did, or if it waits (which the audit says by itself)."""
    if sums.accepted or sums.queued or sums.deferred or sums.claimed or sums.sending:
        return ""
    if sums.status == IssueStatus.CANCELLED:
        return "the issue was cancelled before anything was sent"
    if sums.candidates:
        reasons = {**sums.skipped, **{name: n for name in ("refused", "expired") if (n := getattr(sums, name))}}
        most = max(reasons, key=lambda name: reasons[name], default="")
        return f"{reasons[most]} of {sums.candidates} messages: {most}" + (f". {note}" if note else "") if most else ""
    cut_at = select(issues.c.cut_at).where(issues.c.id == sums.issue_id).scalar_subquery()
    is_confirmed = (subscribers.c.status == str(Status.CONFIRMED)) & (subscribers.c.confirmed_at <= cut_at)
    confirmed = connection.execute(select(func.count()).select_from(subscribers).where(is_confirmed)).scalar_one()
    if not confirmed:
        return "there was no confirmed subscriber at the cut"
    left_out = ", ".join(f"{count} {reason}" for reason, count in sums.not_queued.items())
    weekday = "the others chose other weekdays" if left_out else "all of them chose other weekdays"
    return f"none of {confirmed} confirmed subscribers was due: {left_out + '; ' if left_out else ''}{weekday}"
