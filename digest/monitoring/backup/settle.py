"""Ends the pauses of a restore: deliveries that may have been sent are skipped, the others are sent or skipped."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from digest.database.tables import deliveries, issues
from digest.issues.audit import issue_label
from digest.issues.store import set_status
from digest.ledger import events, transitions
from digest.ledger.deliveries import is_waiting
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.mail.pauses import EVERYTHING, clear
from digest.monitoring.backup.records import Backup, change_backup, unsettled
from digest.text import minute_of


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Deliveries waiting for a decision since a restore."""

    issue_id: int | None  # None for deliveries without an issue
    issue: str
    unsent: int  # certainly
    doubtful: int  # may have been sent after the backup


@dataclass(frozen=True, slots=True)
class Settlement:
    backup: Backup
    waiting: tuple[Unsettled, ...]

    @property
    def unsent(self) -> int:
        return sum(each.unsent for each in self.waiting)

    @property
    def doubtful(self) -> int:
        return sum(each.doubtful for each in self.waiting)


def settlement(connection: Connection) -> Settlement | None:
    """Return the deliveries to settle; None without an unsettled restore."""
    backup = unsettled(connection)
    if backup is None:
        return None
    issue_ids = [int(number) for number in backup.paused or {}]
    names = select(issues.c.id, issues.c.date, issues.c.kind).where(issues.c.id.in_(issue_ids)).order_by(issues.c.id)
    waiting = [_count(connection, backup, row.id, issue_label(row.date, row.kind)) for row in connection.execute(names)]
    requested = _count(connection, backup, None, "requested by subscribers")
    return Settlement(backup, (*waiting, *([requested] if requested.doubtful else [])))


def settle(connection: Connection, plan: Settlement, send: bool, now: datetime) -> None:
    """Skip what may have been sent, send or skip the rest, and resume sending and the issues."""
    backup = plan.backup
    for each in plan.waiting:
        which = _of(each.issue_id) if not send and each.issue_id is not None else _doubtful(backup, each.issue_id)
        transitions.close_restored(connection, which, now)
    for number, status in (backup.paused or {}).items():
        if status == IssueStatus.RUNNING and set_status(connection, int(number), IssueStatus.RUNNING):
            issue = connection.execute(select(issues.c.date, issues.c.kind).where(issues.c.id == int(number))).one()
            detail = {} if issue.kind == IssueKind.DAILY else {"kind": issue.kind}
            events.record(connection, now, f"issue:{issue.date}", str(IssueStatus.RUNNING), detail)
    if backup.uncovered and clear(connection, EVERYTHING):
        events.record(connection, now, "sending", "resumed", {})
    change_backup(connection, backup.id, settled_at=now)
    detail = {"backup": minute_of(backup.at), "sent" if send else "skipped": plan.unsent, "doubtful": plan.doubtful}
    events.record(connection, now, "database", "settled", detail)


def _count(connection: Connection, backup: Backup, issue_id: int | None, name: str) -> Unsettled:
    doubtful = func.count().filter(_doubtful(backup, issue_id))
    every, doubts = connection.execute(select(func.count(), doubtful).where(is_waiting(), _of(issue_id))).one()
    return Unsettled(issue_id, name, every - doubts, doubts)


def _of(issue_id: int | None) -> ColumnElement[bool]:
    return deliveries.c.issue_id.is_(None) if issue_id is None else deliveries.c.issue_id == issue_id


def _doubtful(backup: Backup, issue_id: int | None) -> ColumnElement[bool]:
    """Condition for waiting deliveries that may have been sent: due before the restore, without complete logs."""
    if not backup.uncovered or backup.restored_at is None:
        return and_(_of(issue_id), deliveries.c.id < 0)
    may_be_sent = or_(deliveries.c.due_at <= backup.restored_at, deliveries.c.next_attempt_at <= backup.restored_at)
    return and_(_of(issue_id), may_be_sent, deliveries.c.created_at <= backup.restored_at)
