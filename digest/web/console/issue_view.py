"""The progress of an issue in the console: a bar of its deliveries and its legend."""

from dataclasses import dataclass
from datetime import datetime

from digest.issues.audit import COUNTED, Audit
from digest.issues.issue import Issue
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.monitoring.progress import IssueProgress

BAR_WIDTH = 1000  # units of the drawing


@dataclass(frozen=True, slots=True)
class BarPart:
    """Some deliveries of an issue, in a part of the bar from `x` on."""

    label: str
    style: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class IssueView:
    """One issue on a page."""

    progress: IssueProgress
    bar: tuple[BarPart, ...]
    time_left: str  # "" if there is nothing left, or nobody can tell

    @property
    def path(self) -> str:
        """The address of its page, after that of the console."""
        return f"/issues/{self.progress.date}/{self.progress.kind}"

    @property
    def title(self) -> str:
        kind = self.progress.kind
        if kind is IssueKind.NOTICE:
            return f"Notice of {self.progress.date}"
        return f"Issue of {self.progress.date}{'' if kind is IssueKind.DAILY else f', {kind}'}"

    @property
    def is_paused(self) -> bool:
        return self.progress.status is IssueStatus.PAUSED

    @property
    def is_cancelled(self) -> bool:
        return self.progress.status is IssueStatus.CANCELLED

    @property
    def is_finished(self) -> bool:
        return not self.progress.unfinished


def view_of(progress: IssueProgress, rate: float | None, now: datetime) -> IssueView:
    """`rate`: messages that are accepted in a second."""
    left = progress.seconds_left(rate or 0.0, now)
    return IssueView(progress, _bar(progress), in_words(left) if left else "")


def progress_of(issue: Issue, sums: Audit, held: int = 0) -> IssueProgress:
    """The same of an issue of any age; `held`: uncertain deliveries that wait for the operator."""
    return IssueProgress(
        issue.id,
        issue.date,
        IssueKind(issue.kind),
        issue.cut_at,
        issue.status,
        issue.note,
        issue.candidates,
        held=held,
        skipped=sums.skipped,
        not_queued=sums.not_queued,
        **{name: getattr(sums, name) for name in COUNTED},
    )


def _bar(issue: IssueProgress) -> tuple[BarPart, ...]:
    counts = (
        ("accepted", "accepted", issue.accepted),
        ("being sent", "sending", issue.claimed + issue.sending),
        ("waiting", "waiting", issue.queued),
        ("tried, to be tried again", "waiting", issue.deferred),
        ("uncertain", "failed", issue.uncertain),
        ("refused", "failed", issue.refused),
        ("quarantined", "failed", issue.quarantined),
        ("expired", "failed", issue.expired),
        ("skipped", "skipped", sum(issue.skipped.values())),
    )
    unit, x, parts = BAR_WIDTH / max(1, issue.candidates), 0.0, []
    for label, style, count in counts:
        if count:
            parts.append(BarPart(label, style, count, round(x, 2), round(count * unit, 2)))
            x += count * unit
    return tuple(parts)


def in_words(seconds: float) -> str:
    """A time in one or two units."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    parts = [f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in units if number]
    return " ".join(parts[:2])
