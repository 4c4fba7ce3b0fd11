"""Watches the installation from every process, so that any live process can raise the alarm.

The first live process checks it; the others take over when its heartbeat stops.
"""

import fcntl
import os
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from digest import clock
from digest.database.engine import DATABASE_AWAY, connect, read_only, transaction
from digest.monitoring.alarms.alarm import Alarm
from digest.monitoring.alarms.channels import announce, call
from digest.monitoring.alarms.stored import (
    Key,
    key_of,
    needs_writing,
    record_announced,
    stored_rows,
    take_alarms,
)  # fmt: skip
from digest.monitoring.checks import Level, Problem, problems
from digest.monitoring.heartbeats import ProcessName, Role, first_alive, this_process
from digest.monitoring.status import read_status
from digest.settings import Settings

log = structlog.get_logger()

WATCH_EVERY = 20.0  # seconds
_HANGS_AFTER = 60.0
PING_EVERY = 60.0
_PATIENCE = 5.0  # seconds for the database


class Watch:
    """Announces problems, and their ends, that no process has announced yet."""

    def __init__(self, settings: Settings, process: ProcessName | None = None, pings: bool = False) -> None:
        """`process`: this process, which checks only while it is the first live one; None always checks.

        `pings`: call DIGEST_PING_URL.
        """
        self._settings = settings
        self._process = process
        self._engine = connect(settings.database, patience=_PATIENCE)
        self._unstored: dict[Key, Problem] = {}  # announced while it could not be written
        self._announced: dict[Key, Level] = {}  # by any process, as it was read last
        self._lock = _FolderLock(settings)
        self._ping_url = settings.ping_url.get_secret_value() if pings else ""
        self._ping_at = 0.0  # on the monotonic clock

    def look(self, now: datetime) -> None:
        """Check everything once, unless another process does."""
        try:
            if self._is_left_to_another():
                return
            present = problems(read_status(self._engine, self._settings, now))
            try:
                self._share(present, now)
            except DATABASE_AWAY:
                self._announce_alone(present)
        finally:
            self._engine.dispose()  # no connection is kept for a look in 20 seconds
        self._ping(present)

    def _is_left_to_another(self) -> bool:
        """The description of a large installation takes seconds, which each process need not spend."""
        try:
            with read_only(self._engine) as connection:
                first = first_alive(connection) if self._process else None
        except SQLAlchemyError:
            return False
        return first not in (None, self._process)

    def _share(self, present: Sequence[Problem], now: datetime) -> None:
        with read_only(self._engine) as connection:
            rows = stored_rows(connection)
        self._announced = {key: Level(row.announced) for key, row in rows.items() if row.announced}
        if self._unstored or needs_writing(rows, present, now):
            with transaction(self._engine) as connection:
                alarms = take_alarms(connection, present, now, self._unstored)
            self._unstored = {}
            if alarms and self._announce(alarms):
                with transaction(self._engine) as connection:
                    record_announced(connection, alarms, now)
        self._lock.release()

    def _announce_alone(self, present: Sequence[Problem]) -> None:
        """Without a database that can be written, one process of this machine announces what is new."""
        known = self._announced | {key: problem.level for key, problem in self._unstored.items()}
        new = [problem for problem in present if known.get(key_of(problem)) not in (problem.level, Level.CRITICAL)]
        if new and self._lock.take() and self._announce([Alarm(problem) for problem in new]):
            self._unstored |= {key_of(problem): problem for problem in new}

    def _announce(self, alarms: Sequence[Alarm]) -> bool:
        """True unless every channel failed: then it is tried again."""
        for alarm in alarms:
            write = log.info if alarm.is_over else log.error
            write("alarm", text=alarm.headline, remedy=alarm.problem.remedy)
        results = announce(self._settings, alarms)
        return not results or not all(results.values())

    def _ping(self, present: Sequence[Problem]) -> None:
        is_well = all(problem.level is not Level.CRITICAL for problem in present)
        if self._ping_url and is_well and time.monotonic() >= self._ping_at:
            self._ping_at = time.monotonic() + PING_EVERY - WATCH_EVERY / 2
            if problem := call(self._ping_url):
                log.warning("the monitor of DIGEST_PING_URL could not be called", problem=problem, every=600)


class WatchThread:
    """Looks every 20 seconds until the end of the block. Start it after a fork."""

    def __init__(self, settings: Settings, role: Role, pings: bool = False) -> None:
        self._watch = Watch(settings, this_process(role), pings)
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._woke_at = time.monotonic()

    def detail(self) -> dict[str, Any]:
        """For the heartbeat of the process: whether another process must take over because this thread hangs."""
        return {"watches": time.monotonic() - self._woke_at < _HANGS_AFTER}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._is_ending.set()  # an alarm under way is not waited for: another process takes it over

    def _run(self) -> None:
        while not self._is_ending.wait(WATCH_EVERY):
            self._woke_at = time.monotonic()
            try:
                self._watch.look(clock.now())
            except Exception:
                log.exception("the installation could not be checked", every=600)


class _FolderLock:
    """Lets one process of this machine announce alarms. It writes nothing: the disk may be full."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir.absolute()
        self._file: int | None = None

    def take(self) -> bool:
        """True if this process has the lock, or if there is nothing to lock."""
        if self._file is not None:
            return True
        try:
            file = os.open(self._folder, os.O_RDONLY)
        except OSError:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
