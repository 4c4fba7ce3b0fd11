"""Prepares a restored database, before any program can use it, so that no message is sent twice.

1. The changes after the backup are repeated from the replay logs.
2. Issues that are not finished are paused until `digest settle`.
3. If the logs do not cover all of that time, all sending is paused as well, and today's issue is not cut again if it
   may have been sent.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, select, text, update

from digest.database.engine import read_only, transaction
from digest.database.tables import address_changes, deliveries, heartbeats, issues, notices, sessions, subscribers
from digest.issues.audit import issue_label
from digest.issues.issue import IssueSettings
from digest.issues.store import NewIssue, add_issue, issue_id_on, set_status
from digest.ledger import events, totals
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.ledger.replay_log import coverages, entries_since
from digest.mail.pauses import EVERYTHING, SETTLE, Pause, clear, set_pause
from digest.monitoring.backup.records import Backup, change_backup, last_backup
from digest.monitoring.backup.replay import CLOCKS_DIFFER, Repeated, repeat, summarize, why_uncovered
from digest.text import minute_of

_NUMBERS_LOST = 1_000_000  # more than are ever assigned after a backup


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The circumstances of a restore. `wall`: the machine's time, used in replay logs; `now`: Digest's."""

    replay_folder: Path
    wall: datetime
    now: datetime
    cut: time
    is_complete: bool = False  # the replay logs end where Digest stopped


@dataclass(frozen=True, slots=True)
class Restored:
    """The state of a database after its restore."""

    backup: Backup
    repeated: Repeated
    lost_issues: tuple[str, ...]  # cut after the backup
    paused: dict[str, int]  # waiting deliveries by issue
    drafts: int  # notices that were about to be sent, and are drafts again


def stop_sending(connection: Connection, at: datetime) -> None:
    """Pause all sending until the restore is complete."""
    set_pause(connection, Pause(EVERYTHING, at, None, "a restore is not complete. Run it again: digest restore"))


def why_backup_uncovered(backup: Backup, circumstances: Circumstances) -> str:
    """Like why_uncovered(), for the logs in the folder."""
    logs = coverages(circumstances.replay_folder)
    return why_uncovered(backup.hosts, backup.at, logs, circumstances.wall, circumstances.is_complete)


def after_restore(engine: Engine, circumstances: Circumstances) -> Restored:
    """Do all of the above. The database has to have the row of its backup."""
    now = circumstances.now
    with read_only(engine) as connection:
        backup = last_backup(connection)
    if backup is None:
        raise ValueError("the database has no row of a backup")
    uncovered = why_backup_uncovered(backup, circumstances)
    with transaction(engine) as connection:
        _use_new_numbers(connection)
        connection.execute(delete(sessions))  # some may have ended since then, so everyone signs in again
        connection.execute(delete(heartbeats))
    after = summarize(entries_since(circumstances.replay_folder, backup.at - CLOCKS_DIFFER), backup.at)
    repeated = repeat(engine, after, now)
    with transaction(engine) as connection:
        lost = _lost_issues(connection, after.cut)
        unsent_notices = notices.c.sent_at.is_not(None) & notices.c.issue_id.is_(None)
        drafts = connection.execute(update(notices).where(unsent_notices).values(sent_at=None)).rowcount
        statuses, waiting = _pause_issues(connection, backup, now)
        if uncovered:
            _block_todays(connection, circumstances)
            set_pause(connection, Pause(EVERYTHING, now, None, f"{_reason(backup)}; not covered: {uncovered}"))
        else:
            clear(connection, EVERYTHING)
        settled_at = None if uncovered or statuses else now
        change_backup(
            connection, backup.id, restored_at=now, uncovered=uncovered, paused=statuses, settled_at=settled_at
        )
        detail = {"backup": minute_of(backup.at), "uncovered": uncovered, "unsubscribed": repeated.unsubscribed}
        detail |= {"deleted": repeated.deleted, "suppressed": repeated.suppressed, "sent": repeated.sent}
        events.record(connection, now, "database", "restored", detail)
    return Restored(backup, repeated, lost, waiting, drafts)


def _reason(backup: Backup) -> str:
    return f"restored from a backup of {minute_of(backup.at)}. Run: {SETTLE}"


def _use_new_numbers(connection: Connection) -> None:
    """Skip the numbers that may have been assigned after the backup: links and events contain them."""
    for table in (subscribers, deliveries, issues, address_changes):
        highest = connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
        if connection.dialect.name == "postgresql":
            number = func.nextval(func.pg_get_serial_sequence(table.name, "id")) + _NUMBERS_LOST
            connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), number)))
            continue
        name, more = {"name": table.name}, {"more": _NUMBERS_LOST}
        if not connection.execute(text("SELECT 1 FROM sqlite_sequence WHERE name = :name"), name).first():
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :highest)"), name | {"highest": highest}
            )
        connection.execute(text("UPDATE sqlite_sequence SET seq = seq + :more WHERE name = :name"), name | more)


def _lost_issues(connection: Connection, cut: set[tuple[str, str]]) -> tuple[str, ...]:
    lost = sorted((date.fromisoformat(day), kind) for kind, day in cut)
    return tuple(issue_label(day, kind) for day, kind in lost if issue_id_on(connection, kind, day) is None)


def _pause_issues(connection: Connection, backup: Backup, now: datetime) -> tuple[dict[str, str], dict[str, int]]:
    """Pause unfinished issues. Returns their previous statuses by id, and the waiting deliveries by name."""
    statuses: dict[str, str] = {}
    waiting: dict[str, int] = {}
    for issue_id in totals.unfinished_issues(connection):
        row = connection.execute(
            select(issues.c.date, issues.c.kind, issues.c.status).where(issues.c.id == issue_id)
        ).one()
        number = waiting_of(connection, issue_id)
        if not number or row.status == IssueStatus.CANCELLED:
            continue
        statuses[str(issue_id)] = row.status
        waiting[issue_label(row.date, row.kind)] = number
        if set_status(connection, issue_id, IssueStatus.PAUSED):
            detail = {} if row.kind == IssueKind.DAILY else {"kind": row.kind}
            events.record(
                connection, now, f"issue:{row.date}", str(IssueStatus.PAUSED), detail | {"reason": _reason(backup)}
            )
    return statuses, waiting


def waiting_of(connection: Connection, issue_id: int) -> int:
    """Count the waiting deliveries of an issue."""
    counts = totals.counts_of(connection, [issue_id])[issue_id]
    return sum(number for (state, why), number in counts.items() if state in totals.WAITING and why != totals.UNDECIDED)


def _block_todays(connection: Connection, circumstances: Circumstances) -> None:
    """Store today's issue as cancelled if it may have been cut and sent after the backup."""
    now = circumstances.now
    is_due = now.time() >= circumstances.cut
    if not is_due or issue_id_on(connection, IssueKind.DAILY, now.date()) is not None:
        return
    new = NewIssue(IssueKind.DAILY, now.date(), now, "", {}, IssueSettings(), "")
    issue_id = add_issue(connection, new, ())
    if issue_id is not None:
        set_status(connection, issue_id, IssueStatus.CANCELLED)
        connection.execute(update(issues).where(issues.c.id == issue_id).values(finished_at=now))
        reason = "it may have been sent before the restore; its papers are in the next issue"
        events.record(connection, now, f"issue:{now.date()}", str(IssueStatus.CANCELLED), {"reason": reason})
