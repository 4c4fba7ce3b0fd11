"""Looking after the ledger: what crashed, what is overdue, what is due, and the sums of an audit."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, literal, or_, select, update

from digest.issues.issue import IssueStatus
from digest.issues.selection import SkipReason
from digest.mail.message import Kind
from digest.store.deliveries import MAX_CRASHES, State, is_due, is_waiting, waiting_state
from digest.store.dialect import database_now
from digest.store.tables import deliveries, issues


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of the mails of one issue, or of all mails that belong to none. The states add up to candidates."""

    issue: str | None
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

    @property
    def unexplained(self) -> int:
        """Candidates without a row: 0, or something is wrong with the ledger."""
        known = self.accepted + self.refused + self.expired + self.quarantined + self.uncertain
        waiting = self.queued + self.deferred + self.claimed + self.sending
        return self.candidates - known - waiting - sum(self.skipped.values())

    def as_dict(self) -> dict[str, Any]:
        """As `digest audit --json` prints it (design.md, JSON compared across versions)."""
        return asdict(self) | {"unexplained": self.unexplained}


def due_count(connection: Connection, now: datetime, at_most: int) -> int:
    """How many mails could be claimed now; counting stops at `at_most`."""
    due = select(deliveries.c.id).where(is_due(now)).limit(at_most)
    return connection.execute(select(func.count()).select_from(due.subquery())).scalar_one()


def recover(connection: Connection, now: datetime) -> dict[str, int]:
    """Mails whose worker died, seen by their lease: claimed ones were certainly not begun, sending ones are in doubt.

    Those in doubt are sent once more as the same bytes. A mail that three workers died with is quarantined.
    """
    over = deliveries.c.lease_until < database_now(connection)
    died = {"lease_until": None, "worker": "", "crashes": deliveries.c.crashes + 1}
    deadly = (
        update(deliveries)
        .where(deliveries.c.state == State.CLAIMED, over, deliveries.c.crashes + 1 >= MAX_CRASHES)
        .values(state=State.QUARANTINED, reason=f"{MAX_CRASHES} workers died with it", finished_at=now, **died)
    )
    unbegun = (
        update(deliveries)
        .where(deliveries.c.state == State.CLAIMED, over)
        .values(state=waiting_state(), next_attempt_at=now, **died)
    )
    in_doubt = (
        update(deliveries)
        .where(deliveries.c.state == State.SENDING, over)
        .values(state=State.UNCERTAIN, next_attempt_at=now, **died)
    )
    return {
        "quarantined": connection.execute(deadly).rowcount,
        "queued again": connection.execute(unbegun).rowcount,
        "in doubt": connection.execute(in_doubt).rowcount,
    }


def expire(connection: Connection, now: datetime, overdue: timedelta, max_attempts: int) -> int:
    """End what waits in vain: due longer ago than `overdue`, or deferred `max_attempts` times. Returns how many.

    What may have arrived stays uncertain, and is tried no more.
    """
    too_late = and_(deliveries.c.kind == Kind.DIGEST, deliveries.c.due_at < now - overdue)
    # Who asked for a link yesterday has asked again or gone by now.
    too_late_to_help = and_(deliveries.c.kind != Kind.DIGEST, deliveries.c.due_at < now - timedelta(days=1))
    in_vain = or_(too_late, too_late_to_help, deliveries.c.attempts >= max_attempts)
    ended = case((deliveries.c.state == State.UNCERTAIN, literal(str(State.UNCERTAIN))), else_=str(State.EXPIRED))
    change = update(deliveries).where(is_waiting(), in_vain)
    return connection.execute(change.values(state=ended, reason="overdue", finished_at=now)).rowcount


def skip_cancelled(connection: Connection, now: datetime) -> int:
    """Queued mails of cancelled issues end as skipped. Returns how many."""
    cancelled = select(issues.c.id).where(issues.c.status == IssueStatus.CANCELLED)
    change = (
        update(deliveries)
        .where(deliveries.c.state == State.QUEUED, deliveries.c.issue_id.in_(cancelled))
        .values(state=State.SKIPPED, reason=str(SkipReason.CANCELLED), finished_at=now)
    )
    return connection.execute(change).rowcount


def retry(connection: Connection, now: datetime, issue_id: int | None = None) -> int:
    """Quarantined mails are queued again, all or those of one issue. Returns how many.

    They are composed anew: of one that was held because a first copy may have arrived, the reader may get two.
    """
    afresh = {"reason": "", "crashes": 0, "sha256": "", "next_attempt_at": now, "due_at": now, "finished_at": None}
    change = update(deliveries).where(deliveries.c.state == State.QUARANTINED).values(state=State.QUEUED, **afresh)
    if issue_id is not None:
        change = change.where(deliveries.c.issue_id == issue_id)
    return connection.execute(change).rowcount


def count_quarantined(connection: Connection, issue_id: int | None = None) -> int:
    """How many mails are set apart, in all or of one issue."""
    query = select(func.count()).where(deliveries.c.state == State.QUARANTINED)
    return connection.execute(
        query if issue_id is None else query.where(deliveries.c.issue_id == issue_id)
    ).scalar_one()


def audit_all(connection: Connection) -> list[Audit]:
    """One audit for each issue, newest first, and one for the mails that belong to none."""
    issue_ids = connection.scalars(select(issues.c.id).order_by(issues.c.date.desc())).all()
    others = audit(connection, None)
    return [audit(connection, issue_id) for issue_id in issue_ids] + ([others] if others.candidates else [])


def audit(connection: Connection, issue_id: int | None) -> Audit:
    """What became of the mails of one issue; with None, of the mails that belong to no issue (confirmations, …)."""
    one = deliveries.c.issue_id == issue_id if issue_id is not None else deliveries.c.issue_id.is_(None)
    waiting_again = or_(deliveries.c.attempts > 0, deliveries.c.reply_text != "")
    query = select(deliveries.c.state, deliveries.c.reason, waiting_again.label("again"), func.count()).where(one)
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
        row = connection.execute(select(issues.c.date, issues.c.candidates).where(issues.c.id == issue_id)).one()
        issue, candidates = row.date.isoformat(), row.candidates
    return Audit(issue=issue, candidates=candidates, skipped=skipped, **counts)


def count_accepted(connection: Connection, kind: Kind) -> int:
    """How many mails of `kind` the mail server took, ever."""
    query = select(func.count()).where(deliveries.c.kind == kind, deliveries.c.state == State.ACCEPTED)
    return connection.execute(query).scalar_one()
