"""Heartbeats: each process of the service writes every 15 seconds that it lives.

The instants are of the database's clock, which all machines share: theirs may differ, and a simulation moves ours.
"""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Self

import structlog
from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from digest.database.dialect import database_now, insert_or_change
from digest.database.engine import connect, transaction
from digest.database.tables import heartbeats as table
from digest.resources import DISTRIBUTION
from digest.settings import Settings
from digest.settings.composing import replay_log

log = structlog.get_logger()

BEATS_EVERY = timedelta(seconds=15)
DEAD_AFTER = timedelta(seconds=45)
_KEPT = timedelta(days=1)
_PATIENCE = 5.0  # seconds for the database; the next beat tries again
_GOODBYE_SECONDS = 2.0  # for a beat under way to end


class Role(StrEnum):
    """Of a process."""

    WORKER = "worker"
    SCHEDULER = "scheduler"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of a process."""

    role: Role
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None  # it ended in good order
    version: str
    detail: dict[str, Any]

    def is_alive(self, now: datetime) -> bool:
        return self.stopped_at is None and now - self.seen_at < DEAD_AFTER

    def is_dead(self, now: datetime) -> bool:
        """True if it ended without a word."""
        return self.stopped_at is None and not self.is_alive(now)


@dataclass(frozen=True, slots=True)
class ProcessName:
    """No two processes of an installation have the same at a time."""

    role: Role
    host: str
    pid: int


def this_process(role: Role) -> ProcessName:
    return ProcessName(role, socket.gethostname()[:64], os.getpid())


def beat(engine: Engine, process: ProcessName, detail: dict[str, Any], is_first: bool = False) -> None:
    """Write that `process` lives. With its first beat it takes over the row of an earlier one with the same number."""
    now = database_now(engine.dialect.name)
    alive = {"seen_at": now, "stopped_at": None, "version": running_version(), "detail": detail}
    begun = {"started_at": now}
    with transaction(engine) as connection:
        row = insert_or_change(connection, table, ["role", "host", "pid"], alive | (begun if is_first else {}))
        connection.execute(row.values(**_key(process), **begun, **alive))
        if is_first:
            connection.execute(delete(table).where(table.c.seen_at < database_now(engine.dialect.name) - _KEPT))


def stopped(engine: Engine, process: ProcessName) -> None:
    """Write that `process` ends in good order."""
    mine = [table.c[name] == value for name, value in _key(process).items()]
    with transaction(engine) as connection:
        connection.execute(update(table).where(*mine).values(stopped_at=database_now(engine.dialect.name)))


def heartbeats(connection: Connection, now: datetime) -> list[Heartbeat]:
    """The processes of the last day, by role and host, with instants as if `now` were the database's own time.

    Those that another process of their role and host has replaced are omitted.
    """
    database_time = _database_time(connection)
    shift = now - database_time
    query = select(table).where(table.c.seen_at > database_time - _KEPT)
    rows = connection.execute(query.order_by(table.c.role, table.c.host, table.c.started_at, table.c.pid)).all()
    beats = [
        Heartbeat(
            Role(row.role),
            row.host,
            row.pid,
            row.started_at + shift,
            row.seen_at + shift,
            row.stopped_at + shift if row.stopped_at else None,
            row.version,
            row.detail,
        )
        for row in rows
    ]
    return [each for each in beats if each.is_alive(now) or not _is_replaced(each, beats)]


def first_alive(connection: Connection) -> ProcessName | None:
    """The live process that started first, schedulers before web processes before workers.

    One whose watch hangs does not count.
    """
    now = _database_time(connection)
    alive = [each for each in heartbeats(connection, now) if each.is_alive(now) and each.detail.get("watches", True)]
    order = (Role.SCHEDULER, Role.WEB, Role.WORKER)
    first = min(alive, key=lambda each: (order.index(each.role), each.started_at, each.host, each.pid), default=None)
    return ProcessName(first.role, first.host, first.pid) if first else None


def _is_replaced(ended: Heartbeat, beats: Sequence[Heartbeat]) -> bool:
    end = ended.stopped_at or ended.seen_at
    return any(
        other.role is ended.role and other.host == ended.host and other.started_at >= end
        for other in beats
        if other is not ended
    )


def _database_time(connection: Connection) -> datetime:
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    instant: datetime = connection.execute(select(database_now(connection.dialect.name))).scalar_one()
    return instant


def _key(process: ProcessName) -> dict[str, Any]:
    return {"role": str(process.role), "host": process.host, "pid": process.pid}


@cache
def running_version() -> str:
    """The version of Digest in this process."""
    try:
        return installed_version(DISTRIBUTION)[:40]
    except PackageNotFoundError:
        return "unknown"


# --- the thread that beats ---


class HeartbeatThread:
    """Beats until the end of the block, from a thread and a connection of its own.

    Start it after a fork. `detail`: what to write with each beat.
    """

    def __init__(self, settings: Settings, role: Role, detail: Callable[[], dict[str, Any]] = dict) -> None:
        self._engine = connect(settings.database, patience=_PATIENCE)
        self._process = this_process(role)
        self._detail = detail
        self._replay_log = replay_log(settings)
        self._folder = settings.data_dir.absolute()
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Write that the process ends in good order, unless an error ends it."""
        self._is_ending.set()
        self._thread.join(_GOODBYE_SECONDS)
        if kind is not None and issubclass(kind, Exception):
            return
        try:
            stopped(self._engine, self._process)
        except (SQLAlchemyError, OSError) as problem:
            log.warning("no goodbye: the database is away", problem=type(problem).__name__)
        self._engine.dispose()

    def _run(self) -> None:
        is_first = True
        while True:
            is_first = not self._beat(is_first) and is_first
            self._replay_log.alive()
            if self._is_ending.wait(BEATS_EVERY.total_seconds()):
                return

    def _beat(self, is_first: bool) -> bool:
        """True if it was written. An outage of the database is reported by those who need it."""
        try:
            beat(self._engine, self._process, self._detail() | free_space(self._folder), is_first)
        except (SQLAlchemyError, OSError):
            return False
        finally:
            self._engine.dispose()  # no connection is kept for a statement in 15 seconds
        return True


def free_space(folder: Path) -> dict[str, Any]:
    """The free share of the disk of `folder`, or of the folder above it while it does not exist."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    return {"folder": str(folder), "free": usage.free / usage.total, "free_bytes": usage.free}
