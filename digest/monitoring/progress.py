"""Progress of the issues of the last days, and the deliveries that wait.

Counts only deliveries that are not accepted, by partial indexes; the other candidates of an issue are accepted.
`digest audit` counts every row, and fails where the two differ.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from digest.database.dialect import use_indexes
from digest.database.tables import deliveries, issues
from digest.issues.store import settings_of
from digest.ledger import events
from digest.ledger.deliveries import HELD, awaits_operator
from digest.ledger.kinds import IssueKind, IssueStatus, State
from digest.ledger.totals import ENDED, WAITING

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
    last_due_at: datetime | None = None  # the latest next attempt of those that wait
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
    """The issues of the last two days and those with anything left to send, newest first; and all that waits."""
    waiting = [_Group(*row) for row in _waiting_rows(connection, now)]
    held = connection.execute(
        select(deliveries.c.issue_id, deliveries.c.state, func.count())
        .where(deliveries.c.state.in_(HELD))
        .group_by(deliveries.c.issue_id, deliveries.c.state)
    ).all()
    unfinished = {group.issue_id for group in waiting} | {row.issue_id for row in held} - {None}
    which = or_(issues.c.cut_at > now - _SHOWN, issues.c.id.in_(unfinished))
    columns = ("id", "date", "kind", "cut_at", "status", "note", "candidates", "settings")
    order = (issues.c.date.desc(), issues.c.id)
    rows = connection.execute(select(*(issues.c[name] for name in columns)).where(which).order_by(*order)).all()
    ended = ended_rows(connection, [row.id for row in rows])
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    skipped: dict[int, Counter[str]] = defaultdict(Counter)
    for issue_id, state, reason, count in ended:
        counts[issue_id][state] += count
        if state == State.SKIPPED:
            skipped[issue_id][reason] += count
    for issue_id, state, count in held:
        counts[issue_id][state] += count
    for group in waiting:
        counts[group.issue_id or 0].update(group.counts)
    shown = tuple(_progress(connection, row, counts[row.id], skipped[row.id], waiting) for row in rows)
    status = {row.id: IssueStatus(row.status) for row in rows}
    quarantined = connection.execute(
        select(func.count()).where(deliveries.c.state.in_(ENDED), deliveries.c.state == State.QUARANTINED)
    ).scalar_one()
    return shown, _sums(waiting, status, sum(row[2] for row in held), quarantined)


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one issue, or of none, that wait in one state."""

    issue_id: int | None
    state: str
    count: int
    deferred: int
    held: int  # for the operator; they are in none of the columns below
    due: int
    first: datetime | None  # of the next attempts
    last: datetime | None

    @property
    def counts(self) -> dict[str, int]:
        return {self.state: self.count - self.deferred, "deferred": self.deferred, "held": self.held}


def _waiting_rows(connection: Connection, now: datetime) -> list[Any]:
    use_indexes(connection)
    return [row for of in (True, False) for row in connection.execute(_waiting_query(now, of))]


def _waiting_query(now: datetime, of_issues: bool) -> Any:
    """Each of the two partial indexes is of one half."""
    half = deliveries.c.issue_id.is_not(None) if of_issues else deliveries.c.issue_id.is_(None)
    is_deferred = and_(deliveries.c.state == State.QUEUED, deliveries.c.attempts > 0)
    is_held, next_attempt_at = awaits_operator(), deliveries.c.next_attempt_at
    columns = (
        func.count(),
        func.count().filter(is_deferred),
        func.count().filter(is_held),
        func.count().filter(~is_held, next_attempt_at <= now),
        func.min(next_attempt_at).filter(~is_held),
        func.max(next_attempt_at).filter(~is_held),
    )
    by = (deliveries.c.issue_id, deliveries.c.state)
    return select(*by, *columns).where(deliveries.c.state.in_(WAITING), half).group_by(*by)


def ended_rows(connection: Connection, issue_ids: Iterable[int]) -> list[Any]:
    """Issue, state, reason and number of the deliveries that ended without a message, counted by their index."""
    columns = (deliveries.c.issue_id, deliveries.c.state, deliveries.c.reason)
    query = select(*columns, func.count()).where(
        and_(deliveries.c.state.in_(ENDED), deliveries.c.issue_id.in_(list(issue_ids)))
    )
    return list(connection.execute(query.group_by(*columns)))


def _progress(
    connection: Connection, row: Any, counts: Counter[str], skipped: Counter[str], waiting: Iterable[_Group]
) -> IssueProgress:
    others = counts.total() - counts["held"]
    may_go = [group.last for group in waiting if group.issue_id == row.id and group.last]
    names = ("queued", "deferred", "claimed", "sending", "uncertain", "held", "refused", "expired", "quarantined")
    numbers: dict[str, Any] = {name: counts[name] for name in names}
    paused = _pause(connection, row) if row.status == IssueStatus.PAUSED else {}
    return IssueProgress(
        row.id,
        row.date,
        IssueKind(row.kind),
        row.cut_at,
        IssueStatus(row.status),
        row.note,
        row.candidates,
        accepted=max(0, row.candidates - others),
        skipped=dict(skipped),
        not_queued=dict(settings_of(row.settings).left_out),
        last_due_at=max(may_go, default=None),
        **numbers,
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


def _sums(waiting: Iterable[_Group], status: Mapping[int, IssueStatus], with_workers: int, quarantined: int) -> Waiting:
    sums: Counter[str] = Counter()
    oldest: dict[str, datetime] = {}
    for group in waiting:
        issue_status = IssueStatus.RUNNING if group.issue_id is None else status.get(group.issue_id)
        may_go = group.count - group.held
        sums["held"] += group.held
        if issue_status is IssueStatus.PAUSED:
            sums["in_paused_issues"] += may_go
        elif issue_status is IssueStatus.RUNNING:
            sums["deferred"] += group.deferred
            half = "requested" if group.issue_id is None else "of_issues"
            sums[f"due_{half}"] += group.due
            sums["later"] += may_go - group.due
            if group.due and group.first:
                name = f"oldest_{half}_at"
                oldest[name] = min(group.first, oldest.get(name, group.first))
    return Waiting(**sums, **oldest, with_workers=with_workers, quarantined=quarantined)  # type: ignore[arg-type]
