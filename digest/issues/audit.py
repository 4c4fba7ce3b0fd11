"""Audits of an issue: sums by state, and the reason for every delivery that was not simply accepted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from digest.database.dialect import in_list
from digest.database.tables import deliveries, issues, subscribers
from digest.issues.issue import Issue
from digest.issues.store import settings_of
from digest.ledger.deliveries import LEASE, is_waiting
from digest.ledger.kinds import IssueKind, IssueStatus, SkipReason, State
from digest.ledger.listings import Search, listed_ids
from digest.ledger.totals import DEFERRED, ENDED, FINAL, UNDECIDED, Counts, counts_of
from digest.text import minute_of


@dataclass(frozen=True, slots=True)
class Audit:
    """Deliveries by state, of one issue or of none. The states add up to the candidates."""

    issue: str | None  # its date, and its kind unless it is the daily one
    candidates: int
    accepted: int = 0
    refused: int = 0
    expired: int = 0
    quarantined: int = 0
    uncertain: int = 0
    queued: int = 0
    deferred: int = 0  # queued again after the reply "later"; what was never tried is only queued
    claimed: int = 0
    sending: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    issue_id: int | None = None
    status: str = ""  # of the issue
    not_queued: dict[str, int] = field(default_factory=dict)  # subscribers left out by the cut, by reason

    @property
    def unexplained(self) -> int:
        """Return candidates without a row; anything but 0 means that the ledger is damaged."""
        finished = self.accepted + self.refused + self.expired + self.quarantined + self.uncertain
        waiting = self.queued + self.deferred + self.claimed + self.sending
        return self.candidates - finished - waiting - sum(self.skipped.values())

    def as_dict(self) -> dict[str, Any]:
        """Return what `digest audit --json` prints."""
        document = asdict(self) | {"unexplained": self.unexplained}
        del document["issue_id"]
        return document


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A delivery that was not simply accepted, and why."""

    id: int
    kind: str
    recipient: str  # how the recipient's key begins
    address: str | None  # None once the subscriber is deleted
    state: str
    why: str
    occasion: str = ""  # ISO date of the issue or of the request


@dataclass(frozen=True, slots=True)
class Outlook:
    """The unfinished deliveries of an issue: how many, and when the last is tried next."""

    deliveries: int
    last_attempt_at: datetime | None
    halted: str  # "" while the issue is running


EXPLAINED = (
    *(column for column in deliveries.c if column.name not in ("picks", "selection")),
    issues.c.status.label("issue_status"),
)  # what why_of() needs

COUNTED = ("accepted", "queued", "deferred", "claimed", "sending", "uncertain", "refused", "expired", "quarantined")
# Operators look for these in this order.
_ORDER = (
    State.QUARANTINED, State.UNCERTAIN, State.REFUSED, State.EXPIRED, State.SENDING, State.CLAIMED, State.QUEUED,
)  # fmt: skip


def audit_all(connection: Connection) -> list[Audit]:
    """Audit each issue, newest first, then the deliveries without an issue."""
    issue_ids = connection.scalars(select(issues.c.id).order_by(issues.c.date.desc(), issues.c.id)).all()
    others = audit(connection, None)
    return [audit(connection, issue_id) for issue_id in issue_ids] + ([others] if others.candidates else [])


def audit(connection: Connection, issue_id: int | None) -> Audit:
    """Audit an issue; with None, the deliveries without an issue (confirmations, …)."""
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for state, reason, again, count in _sums(connection, issue_id):
        if state == State.SKIPPED:
            skipped[reason] += count
        else:
            counts["deferred" if state == State.QUEUED and again else state] += count
    states: dict[str, Any] = {**counts, "skipped": dict(skipped)}
    if issue_id is None:
        return Audit(None, counts.total() + skipped.total(), **states)
    columns = (issues.c.date, issues.c.kind, issues.c.candidates, issues.c.status, issues.c.settings)
    day, kind, candidates, status, frozen = connection.execute(select(*columns).where(issues.c.id == issue_id)).one()
    left_out = dict(settings_of(frozen).left_out)
    return Audit(issue_label(day, kind), candidates, issue_id=issue_id, status=status, not_queued=left_out, **states)


def issue_sums(connection: Connection, chosen: Sequence[Issue]) -> dict[int, Audit]:
    """The sums of issues by their id, without reading their rows: see counts_of()."""
    counts = counts_of(connection, [issue.id for issue in chosen])
    return {issue.id: _by_totals(issue, counts[issue.id]) for issue in chosen}


def _by_totals(issue: Issue, counts: Counts) -> Audit:
    states: Counter[str] = Counter()
    skipped = {reason: number for (state, reason), number in counts.items() if state is State.SKIPPED}
    for (state, why), number in counts.items():
        if state is not State.SKIPPED:
            states[DEFERRED if why == DEFERRED else str(state)] += number
    return Audit(
        issue_label(issue.date, issue.kind),
        issue.candidates,
        issue_id=issue.id,
        status=issue.status,
        skipped=skipped,
        not_queued=dict(issue.settings.left_out),
        **states,
    )


def issue_label(day: date, kind: str) -> str:
    return f"{day}" if kind == IssueKind.DAILY else f"{day} {kind}"


def _sums(connection: Connection, issue_id: int | None) -> Iterable[tuple[str, str, bool, int]]:
    """By state, reason and whether it was tried before; of a finished issue without reading its rows."""
    if issue_id is not None:
        counts = counts_of(connection, [issue_id])[issue_id]
        if all(state in FINAL or reason == UNDECIDED for state, reason in counts):
            return [(state, reason, False, count) for (state, reason), count in counts.items()]
    again = (deliveries.c.attempts > 0).label("again")
    query = select(deliveries.c.state, deliveries.c.reason, again, func.count())
    query = query.where(_belongs_to(issue_id)).group_by(deliveries.c.state, deliveries.c.reason, again)
    return [(state, reason, tried, count) for state, reason, tried, count in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class SendingRate:
    """The rate at which mail servers accepted the messages of an issue so far."""

    first_at: datetime
    last_at: datetime
    per_second: float  # 0 for a single message


def sending_rate(connection: Connection, issue_id: int) -> SendingRate | None:
    """Measure from the first to the last acceptance; None before the first."""
    times = (func.min(deliveries.c.finished_at), func.max(deliveries.c.finished_at), func.count())
    is_accepted = (deliveries.c.issue_id == issue_id) & (deliveries.c.state == State.ACCEPTED)
    first, last, count = connection.execute(select(*times).where(is_accepted)).one()
    if first is None:
        return None
    seconds = (last - first).total_seconds()
    return SendingRate(first, last, round((count - 1) / seconds, 1) if seconds else 0.0)


def outlook(connection: Connection, issue_id: int) -> Outlook:
    """Count the deliveries of an issue that wait or are claimed; uncertain ones that are held do not count."""
    unfinished = or_(is_waiting(), deliveries.c.state.in_([State.CLAIMED, State.SENDING]))
    query = select(func.count(), func.max(deliveries.c.next_attempt_at)).where(_belongs_to(issue_id), unfinished)
    count, last_attempt_at = connection.execute(query).one()
    status = connection.execute(select(issues.c.status).where(issues.c.id == issue_id)).scalar_one()
    return Outlook(count, last_attempt_at, "" if status == IssueStatus.RUNNING else f"the issue is {status}")


def explained(
    connection: Connection, issue_id: int | None, limit: int | None = None, offset: int = 0
) -> list[AuditRow]:
    """Explain the deliveries of an issue (with None, of no issue) that were not simply accepted; problems first."""
    positions = {str(state): number for number, state in enumerate(_ORDER)}
    order = case(positions, value=deliveries.c.state, else_=len(_ORDER))
    which = (_belongs_to(issue_id), deliveries.c.state != State.ACCEPTED)
    in_order = _explained(*which).order_by(order, deliveries.c.attempts.desc(), deliveries.c.id)
    return [_audit_row(row) for row in connection.execute(in_order.limit(limit).offset(offset))]


def search(connection: Connection, wanted: Search, now: datetime) -> list[AuditRow]:
    """Explain the deliveries that match, newest first."""
    ids = listed_ids(connection, wanted, now)
    rows = {row.id: row for row in connection.execute(_explained(in_list(connection, deliveries.c.id, ids)))}
    return [_audit_row(rows[number]) for number in ids if number in rows]


def examples(connection: Connection, issue_id: int, limit: int) -> list[AuditRow]:
    """Explain up to `limit` deliveries of an issue in each state that ends without a message, problems first."""
    ended = [each for each in _ORDER if each in ENDED] + [State.SKIPPED]
    mine = deliveries.c.issue_id == issue_id
    queries = (_explained(mine, deliveries.c.state == state).limit(limit) for state in ended)
    return [_audit_row(row) for query in queries for row in connection.execute(query)]


def _explained(*which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(*EXPLAINED, subscribers.c.email)
        .outerjoin(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        .outerjoin(issues, issues.c.id == deliveries.c.issue_id)
        .where(*which)
    )


def _audit_row(row: Any) -> AuditRow:
    return AuditRow(row.id, row.kind, row.recipient[:8], row.email, row.state, why_of(row), row.occasion)


def why_of(row: Any) -> str:
    """Why a delivery was not simply accepted, from a row of the columns EXPLAINED; "" if it was."""
    return "" if row.state == State.ACCEPTED else _WHY[State(row.state)](row)


def skipped_because(reason: str) -> str:
    """Say why a delivery was skipped; the sums name only the reason."""
    if reason == SkipReason.TOO_FEW:
        return "too few papers were worth an email to this subscriber; they wait for the next one"
    if reason == SkipReason.NOTHING_FOLLOWED:
        return "no new paper matched what this subscriber follows or liked, and they get nothing else"
    return reason


def _belongs_to(issue_id: int | None) -> Any:
    return deliveries.c.issue_id == issue_id if issue_id is not None else deliveries.c.issue_id.is_(None)


def _queued(row: Any) -> str:
    if row.issue_status == IssueStatus.CANCELLED:
        return "the issue is cancelled: skipped at the next sweep"
    before = "the issue is paused; " if row.issue_status == IssueStatus.PAUSED else ""
    if row.crashes:
        before += f"{row.crashes} {'worker' if row.crashes == 1 else 'workers'} died with it; "
    if not row.attempts and not row.reply_text:
        return f"{before}due {minute_of(row.next_attempt_at)}"
    tried = f"deferred {_times(row.attempts)}" if row.attempts else "could not be tried yet"
    return f"{before}{tried}, next attempt {minute_of(row.next_attempt_at)}{_last_reply(row)}"


def _held(row: Any) -> str:
    doing = "being sent" if row.state == State.SENDING else "claimed, not begun,"
    since = f" since {minute_of(row.lease_until - LEASE)}" if row.lease_until else ""
    return f"{doing} by worker {row.worker}{since}"


def _in_doubt(row: Any) -> str:
    if row.finished_at is None:
        then = f"the same bytes go once more at {minute_of(row.next_attempt_at)}"
    else:
        kept = "given up as overdue" if row.reason == "overdue" else "held"
        then = f"{kept} since {minute_of(row.finished_at)}; digest retry --uncertain sends it once more"
    return f"may have arrived; {then}{_last_reply(row)}"


def _ended(row: Any) -> str:
    tried = f", deferred {_times(row.attempts)}" if row.attempts else ""
    return f"{row.reason}{tried}, was due {minute_of(row.due_at)}{_last_reply(row)}"


_WHY: dict[State, Callable[[Any], str]] = {
    State.QUEUED: _queued,
    State.CLAIMED: _held,
    State.SENDING: _held,
    State.UNCERTAIN: _in_doubt,
    State.EXPIRED: _ended,
    State.REFUSED: lambda row: _last_reply(row).removeprefix(", "),
    State.SKIPPED: lambda row: skipped_because(row.reason),
    State.QUARANTINED: lambda row: f"{row.reason}; digest retry queues it again{_last_reply(row)}",
}


def _last_reply(row: Any) -> str:
    if not row.reply_text and not row.reply_code:
        return ""
    # Without a code there was no reply: the text says what was happening when the connection ended.
    return f", the server said {row.reply_code} {row.reply_text}" if row.reply_code else f", {row.reply_text}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
