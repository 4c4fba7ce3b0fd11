"""Progress of the issues of the last days, and the deliveries that wait.

Reads the totals of issues, and counts by small indexes what is tried again; all else of an issue was never tried. The
issue's schedule says how many are due later. `digest audit` counts every row of an unfinished issue, and fails where
the two differ.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, text

from digest.database.dialect import spelled_out
from digest.database.tables import deliveries, issue_schedule, issues
from digest.database.tables.ledger import AGAIN
from digest.issues.store import settings_of
from digest.ledger import events
from digest.ledger.deliveries import awaits_operator, is_waiting, is_with_worker
from digest.ledger.kinds import IssueKind, IssueStatus, State
from digest.ledger.totals import DEFERRED, ENDED, UNDECIDED, WAITING, Counts, counts_of, unfinished_issues

_SHOWN = timedelta(days=2)  # since the cut; older issues only while something of them waits
_EVENTS = 20  # of an issue, newest first, among which is its pause


@dataclass(frozen=True, slots=True)
class IssueProgress:
    """Deliveries of one issue by state; they add up to the candidates."""

    id: int
    date: date
    kind: IssueKind
    cut_at: datetime
    status: IssueStatus
    note: str  # why it is thin or empty
    candidates: int
    accepted: int = 0
    queued: int = 0  # never tried
    deferred: int = 0
    claimed: int = 0
    sending: int = 0
    uncertain: int = 0
    held: int = 0  # of the uncertain: those that wait for the operator
    refused: int = 0
    expired: int = 0
    quarantined: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)  # by reason
    not_queued: Mapping[str, int] = field(default_factory=dict)  # subscribers left out by the cut, by reason
    last_due_at: datetime | None = None  # the latest next attempt that is still to come
    paused_at: datetime | None = None
    paused_by: str = ""  # "" if that was not recorded
    pause_reason: str = ""

    @property
    def waiting(self) -> int:
        """Deliveries that may still be sent and that no worker holds."""
        return self.queued + self.deferred + self.uncertain - self.held

    @property
    def unfinished(self) -> int:
        return self.waiting + self.claimed + self.sending

    @property
    def refusal_rate(self) -> float:
        """The share of refusals in the final replies; 0 to 1."""
        return self.refused / (self.accepted + self.refused) if self.refused else 0.0

    def seconds_left(self, rate: float, now: datetime) -> float | None:
        """The time until the last message is accepted at `rate` messages a second; None if nobody can tell."""
        if not self.unfinished:
            return 0.0
        if not rate or self.status is not IssueStatus.RUNNING:
            return None
        until_due = (self.last_due_at - now).total_seconds() if self.last_due_at else 0.0
        return max(self.unfinished / rate, until_due)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Deliveries that wait, of all issues and of none."""

    due_of_issues: int = 0  # could go now
    due_requested: int = 0  # likewise: what someone asked for
    oldest_of_issues_at: datetime | None = None  # due since then
    oldest_requested_at: datetime | None = None
    later: int = 0  # due in the future
    deferred: int = 0  # of all that wait: after a reply "later"
    in_paused_issues: int = 0
    with_workers: int = 0  # claimed or being sent
    held: int = 0  # uncertain, kept for the operator
    quarantined: int = 0

    @property
    def due(self) -> int:
        return self.due_of_issues + self.due_requested

    @property
    def oldest_due_at(self) -> datetime | None:
        return min(filter(None, (self.oldest_of_issues_at, self.oldest_requested_at)), default=None)

    @property
    def all(self) -> int:
        """All deliveries that may still be sent."""
        return self.due + self.later + self.in_paused_issues + self.with_workers


def read_progress(connection: Connection, now: datetime) -> tuple[tuple[IssueProgress, ...], Waiting]:
    """The issues of the last two days and those with anything left to send, newest first; and all that waits.

    On PostgreSQL the connection should be REPEATABLE READ, or messages that are answered meanwhile may be missed.
    """
    which = or_(issues.c.cut_at > now - _SHOWN, issues.c.id.in_(unfinished_issues(connection)))
    columns = ("id", "date", "kind", "cut_at", "status", "note", "candidates", "settings")
    order = (issues.c.date.desc(), issues.c.id)
    rows = connection.execute(select(*(issues.c[name] for name in columns)).where(which).order_by(*order)).all()
    counts = counts_of(connection, [row.id for row in rows])
    later = _later(connection, [row.id for row in rows], now)
    shown = tuple(_progress(connection, row, counts[row.id], later[row.id]) for row in rows)
    sums: Counter[str] = Counter()
    for issue in shown:
        sums += _sums_of(issue, later[issue.id].deliveries)
    running = [issue.id for issue in shown if issue.status is IssueStatus.RUNNING and issue.waiting]
    oldest = [at for issue_id in running if (at := _first_attempt(connection, issue_id)) and at <= now]
    return shown, _with_requested(connection, sums, min(oldest, default=None), now)


@dataclass(frozen=True, slots=True)
class _Later:
    """The deliveries of an issue that wait for a later time."""

    deliveries: int = 0
    last_at: datetime | None = None


def _later(connection: Connection, issue_ids: Collection[int], now: datetime) -> Mapping[int, _Later]:
    """By issue: those that its schedule has still to come, which nobody can have claimed, and those that wait again."""
    scheduled, again = issue_schedule.c, deliveries.c
    by_schedule = select(scheduled.issue_id, func.sum(scheduled.deliveries), func.max(scheduled.at)).where(
        scheduled.issue_id.in_(issue_ids), scheduled.at > now
    )
    waits = or_(again.state == State.QUEUED, again.finished_at.is_(None))
    by_rows = select(again.issue_id, func.count(), func.max(again.next_attempt_at)).where(
        text(AGAIN), again.issue_id.in_(issue_ids), again.next_attempt_at > now, waits
    )
    later: dict[int, _Later] = defaultdict(_Later)
    for query in (by_schedule.group_by(scheduled.issue_id), by_rows.group_by(again.issue_id)):
        for issue_id, number, last_at in connection.execute(query):
            before = later[issue_id]
            last = max(filter(None, (before.last_at, last_at)))
            later[issue_id] = _Later(before.deliveries + int(number), last)
    return later


def _first_attempt(connection: Connection, issue_id: int) -> datetime | None:
    """The earliest next attempt of an issue, found by an index."""
    mine = and_(deliveries.c.issue_id.is_not(None), deliveries.c.issue_id == issue_id)
    query = select(deliveries.c.next_attempt_at).where(is_waiting(), mine)
    return connection.execute(query.order_by(deliveries.c.next_attempt_at, deliveries.c.id).limit(1)).scalar()


def _progress(connection: Connection, row: Any, counts: Counts, later: _Later) -> IssueProgress:
    numbers: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for (state, reason), number in counts.items():
        if state is State.SKIPPED:
            skipped[reason] += number
        else:
            numbers[DEFERRED if reason == DEFERRED else str(state)] += number
    paused = _pause(connection, row) if row.status == IssueStatus.PAUSED else {}
    return IssueProgress(
        row.id,
        row.date,
        IssueKind(row.kind),
        row.cut_at,
        IssueStatus(row.status),
        row.note,
        row.candidates,
        held=counts[State.UNCERTAIN, UNDECIDED],
        skipped=dict(skipped),
        not_queued=dict(settings_of(row.settings).left_out),
        last_due_at=later.last_at,
        **numbers,  # type: ignore[arg-type]
        **paused,
    )


def _pause(connection: Connection, row: Any) -> dict[str, Any]:
    """Instant, operator and reason of the pause of an issue, as far as they were recorded."""
    for event in events.latest(connection, _EVENTS, f"issue:{row.date}"):
        kind = event.detail.get("kind", str(IssueKind.DAILY))
        if event.what == IssueStatus.PAUSED and kind == row.kind:
            return {
                "paused_at": event.at,
                "paused_by": event.detail.get("by", ""),
                "pause_reason": event.detail.get("reason", ""),
            }
    return {}


def _sums_of(issue: IssueProgress, later: int) -> Counter[str]:
    """The share of an issue in Waiting."""
    sums = Counter(held=issue.held, with_workers=issue.claimed + issue.sending)
    if issue.status is IssueStatus.PAUSED:
        sums["in_paused_issues"] = issue.waiting
    elif issue.status is IssueStatus.RUNNING:
        later = min(later, issue.waiting)
        sums.update(deferred=issue.deferred, later=later, due_of_issues=issue.waiting - later)
    return sums


def _with_requested(
    connection: Connection, sums: Counter[str], oldest_of_issues: datetime | None, now: datetime
) -> Waiting:
    """Add what belongs to no issue, of which there is little, and what is quarantined anywhere."""
    requested = deliveries.c.issue_id.is_(None)
    is_deferred = and_(deliveries.c.state == State.QUEUED, deliveries.c.attempts > 0)
    is_held, next_attempt_at = awaits_operator(), deliveries.c.next_attempt_at
    columns = (
        func.count().filter(is_deferred).label("deferred"),
        func.count().filter(is_held).label("held"),
        func.count().filter(~is_held, next_attempt_at > now).label("later"),
        func.count().filter(~is_held, next_attempt_at <= now).label("due_requested"),
        func.min(next_attempt_at).filter(~is_held, next_attempt_at <= now).label("oldest"),
    )
    waits, ended = (spelled_out(deliveries.c.state, states) for states in (WAITING, ENDED))
    *counts, oldest = connection.execute(select(*columns).where(waits, requested)).one()
    sums.update(dict(zip(("deferred", "held", "later", "due_requested"), counts, strict=True)))
    with_workers = select(func.count()).where(is_with_worker(), requested)
    sums["with_workers"] += connection.execute(with_workers).scalar_one()
    quarantined = select(func.count()).where(ended, deliveries.c.state == State.QUARANTINED)
    sums["quarantined"] = connection.execute(quarantined).scalar_one()
    return Waiting(oldest_of_issues_at=oldest_of_issues, oldest_requested_at=oldest, **sums)
