"""What became of the mails of an issue: the sums of an audit, and every row that was not simply accepted, in words."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, or_, select

from digest.database.tables import deliveries, issues, subscribers
from digest.ledger.deliveries import LEASE, is_waiting
from digest.ledger.kinds import IssueKind, IssueStatus, State


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of the mails of one issue, or of all mails that belong to none. The states add up to candidates."""

    issue: str | None  # its date, and its kind where it is not the day's own
    candidates: int
    accepted: int = 0
    refused: int = 0
    expired: int = 0
    quarantined: int = 0
    uncertain: int = 0
    queued: int = 0
    deferred: int = 0  # queued again after an answer or a broken connection
    claimed: int = 0
    sending: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    issue_id: int | None = None

    @property
    def unexplained(self) -> int:
        """Candidates without a row: 0, or something is wrong with the ledger."""
        known = self.accepted + self.refused + self.expired + self.quarantined + self.uncertain
        waiting = self.queued + self.deferred + self.claimed + self.sending
        return self.candidates - known - waiting - sum(self.skipped.values())

    def as_dict(self) -> dict[str, Any]:
        """As `digest audit --json` prints it (design.md, JSON compared across versions)."""
        said = asdict(self) | {"unexplained": self.unexplained}
        del said["issue_id"]
        return said


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One mail that was not simply accepted, and why."""

    id: int
    kind: str
    recipient: str  # how the recipient's key begins
    address: str | None  # None once the reader is erased
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What of an issue is still to come: how many mails, when the last of them is tried next, and what holds them."""

    mails: int
    last_attempt_at: datetime | None
    halted: str  # "" while the issue is running


# What an operator looks for stands first.
_ORDER = (
    State.QUARANTINED, State.UNCERTAIN, State.REFUSED, State.EXPIRED, State.SENDING, State.CLAIMED, State.QUEUED,
)  # fmt: skip


def audit_all(connection: Connection) -> list[Audit]:
    """One audit for each issue, newest first, and one for the mails that belong to none."""
    issue_ids = connection.scalars(select(issues.c.id).order_by(issues.c.date.desc(), issues.c.id)).all()
    others = audit(connection, None)
    return [audit(connection, issue_id) for issue_id in issue_ids] + ([others] if others.candidates else [])


def audit(connection: Connection, issue_id: int | None) -> Audit:
    """What became of the mails of one issue; with None, of the mails that belong to no issue (confirmations, …)."""
    waiting_again = or_(deliveries.c.attempts > 0, deliveries.c.reply_text != "")
    query = select(deliveries.c.state, deliveries.c.reason, waiting_again.label("again"), func.count())
    query = query.where(_belongs_to(issue_id))
    counts: dict[str, int] = {}
    skipped: dict[str, int] = {}
    for state, reason, again, count in connection.execute(
        query.group_by(deliveries.c.state, deliveries.c.reason, "again")
    ):
        if state == State.SKIPPED:
            skipped[reason] = skipped.get(reason, 0) + count
        else:
            name = "deferred" if state == State.QUEUED and again else state
            counts[name] = counts.get(name, 0) + count
    issue = None
    candidates = sum(counts.values()) + sum(skipped.values())
    if issue_id is not None:
        columns = (issues.c.date, issues.c.kind, issues.c.candidates)
        row = connection.execute(select(*columns).where(issues.c.id == issue_id)).one()
        which = "" if row.kind == IssueKind.DAILY else f" {row.kind}"
        issue, candidates = f"{row.date}{which}", row.candidates
    return Audit(issue=issue, candidates=candidates, skipped=skipped, issue_id=issue_id, **counts)


def outlook(connection: Connection, issue_id: int) -> Outlook:
    """What of an issue waits or is in a worker's hands; what is held in doubt is not waited for."""
    to_come = or_(is_waiting(), deliveries.c.state.in_([State.CLAIMED, State.SENDING]))
    query = select(func.count(), func.max(deliveries.c.next_attempt_at)).where(_belongs_to(issue_id), to_come)
    mails, last_attempt_at = connection.execute(query).one()
    status = connection.execute(select(issues.c.status).where(issues.c.id == issue_id)).scalar_one()
    return Outlook(mails, last_attempt_at, "" if status == IssueStatus.RUNNING else f"the issue is {status}")


def explained(
    connection: Connection, issue_id: int | None, limit: int | None = None, offset: int = 0
) -> list[AuditRow]:
    """The mails of an issue (with None, of no issue) that were not simply accepted, in words; troubled ones first."""
    places = {str(state): number for number, state in enumerate(_ORDER)}
    place = case(places, value=deliveries.c.state, else_=len(places))
    columns = [column for column in deliveries.c if column is not deliveries.c.selection]
    query = (
        select(*columns, subscribers.c.email, issues.c.status.label("issue_status"))
        .outerjoin(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        .outerjoin(issues, issues.c.id == deliveries.c.issue_id)
        .where(_belongs_to(issue_id), deliveries.c.state != State.ACCEPTED)
        .order_by(place, deliveries.c.attempts.desc(), deliveries.c.id)
        .limit(limit)
        .offset(offset)
    )
    return [_row(found) for found in connection.execute(query)]


def _belongs_to(issue_id: int | None) -> Any:
    return deliveries.c.issue_id == issue_id if issue_id is not None else deliveries.c.issue_id.is_(None)


def _row(found: Any) -> AuditRow:
    why = _WHY[State(found.state)](found)
    return AuditRow(found.id, found.kind, found.recipient[:8], found.email, found.state, why)


def _queued(found: Any) -> str:
    if found.issue_status == IssueStatus.CANCELLED:
        return "the issue is cancelled: skipped at the next sweep"
    before = "the issue is paused; " if found.issue_status == IssueStatus.PAUSED else ""
    if found.crashes:
        before += f"{found.crashes} {'worker' if found.crashes == 1 else 'workers'} died with it; "
    if not found.attempts and not found.reply_text:
        return f"{before}due {_minute(found.next_attempt_at)}"
    tried = f"deferred {_times(found.attempts)}" if found.attempts else "could not be tried yet"
    return f"{before}{tried}, next attempt {_minute(found.next_attempt_at)}{_last_reply(found)}"


def _held(found: Any) -> str:
    doing = "being sent" if found.state == State.SENDING else "claimed, not begun,"
    since = f" since {_minute(found.lease_until - LEASE)}" if found.lease_until else ""
    return f"{doing} by worker {found.worker}{since}"


def _in_doubt(found: Any) -> str:
    if found.finished_at is None:
        then = f"the same bytes go once more at {_minute(found.next_attempt_at)}"
    else:
        kept = "given up as overdue" if found.reason == "overdue" else "held"
        then = f"{kept} since {_minute(found.finished_at)}; digest retry --uncertain sends it once more"
    return f"may have arrived; {then}{_last_reply(found)}"


def _ended(found: Any) -> str:
    tried = f", deferred {_times(found.attempts)}" if found.attempts else ""
    return f"{found.reason}{tried}, was due {_minute(found.due_at)}{_last_reply(found)}"


_WHY: dict[State, Callable[[Any], str]] = {
    State.QUEUED: _queued,
    State.CLAIMED: _held,
    State.SENDING: _held,
    State.UNCERTAIN: _in_doubt,
    State.EXPIRED: _ended,
    State.REFUSED: lambda found: _last_reply(found).removeprefix(", "),
    State.SKIPPED: lambda found: str(found.reason),
    State.QUARANTINED: lambda found: f"{found.reason}; digest retry queues it again{_last_reply(found)}",
}


def _last_reply(found: Any) -> str:
    if not found.reply_text and not found.reply_code:
        return ""
    # Without a code nobody answered: the text says what was going on when the connection ended.
    return f", the server said {found.reply_code} {found.reply_text}" if found.reply_code else f", {found.reply_text}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
