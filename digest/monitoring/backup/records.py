"""The rows of backups, which show that a database was restored, and from when."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from digest.database.tables import backups
from digest.monitoring.heartbeats import heartbeats, running_version

_KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup; the last four fields are set in the database that was restored from it."""

    id: str
    at: datetime
    keys: tuple[str, ...]  # the names of the secret keys, newest first
    hosts: tuple[str, ...]  # machines whose replay logs a restore needs
    version: str
    restored_at: datetime | None = None
    uncovered: str = ""
    paused: dict[str, str] | None = None  # the status that each issue had before the restore paused it, by id
    settled_at: datetime | None = None


def begin_backup(connection: Connection, at: datetime, keys: Sequence[str], host: str, wall: datetime) -> Backup:
    """Store a row for a backup that is made now; `host`: the machine that makes it."""
    alive = sorted({each.host for each in heartbeats(connection, wall) if each.is_alive(wall)}) or [host]
    backup = Backup(secrets.token_hex(8), at, tuple(keys), tuple(alive), running_version())
    row = {"id": backup.id, "at": at, "keys": list(keys), "hosts": alive, "version": backup.version}
    connection.execute(delete(backups).where(backups.c.at < at - _KEPT))
    connection.execute(insert(backups).values(uncovered="", paused={}, **row))
    return backup


def forget_backup(connection: Connection, backup_id: str) -> None:
    """Delete the row of a backup that failed."""
    connection.execute(delete(backups).where(backups.c.id == backup_id))


def last_backup(connection: Connection) -> Backup | None:
    """Return the newest backup; right after a restore, the backup that was restored."""
    return next(iter(_backups(connection, select(backups).order_by(backups.c.at.desc()).limit(1))), None)


def unsettled(connection: Connection) -> Backup | None:
    """Return the backup that this database was restored from, until the deliveries are settled."""
    waiting = backups.c.restored_at.is_not(None), backups.c.settled_at.is_(None)
    return next(iter(_backups(connection, select(backups).where(*waiting).order_by(backups.c.at.desc()))), None)


def change_backup(connection: Connection, backup_id: str, **values: Any) -> None:
    connection.execute(update(backups).where(backups.c.id == backup_id).values(values))


def _backups(connection: Connection, query: Any) -> list[Backup]:
    return [
        Backup(
            row.id,
            row.at,
            tuple(row.keys_),
            tuple(row.hosts),
            row.version,
            row.restored_at,
            row.uncovered,
            row.paused,
            row.settled_at,
        )
        for row in connection.execute(query.with_only_columns(*_COLUMNS))
    ]


_COLUMNS = [column.label("keys_") if column.name == "keys" else column for column in backups.c]
