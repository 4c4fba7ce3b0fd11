"""One timed round: warm workers, an issue that is due, and the clock from the first hint to the last receipt recorded.

Comes in: a database with subscribers. Goes out: messages a second beside smtp-source's, and the workers' memory.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import world
from benchmarks.installation import Installation, progress, settings
from benchmarks.postfix_tools import Tools
from benchmarks.proc import connections_to, memory_mb
from digest.database.engine import connect

_POLL = 0.1  # seconds; the clock stops so much too late at the most
_PATIENCE = 120.0  # seconds beyond the slowest pace, then the round has failed
_SLOWEST = 50.0  # messages a second


@dataclass(frozen=True)
class Setup:
    """What all runs share."""

    folder: Path
    broker: str
    today: date
    processes: int
    connections: int  # of each process
    key: Path | None  # with which mails are signed

    @property
    def sessions(self) -> int:
        """Connections in all."""
        return self.processes * self.connections

    def installation(self, database: str, smtp_port: int) -> Installation:
        """One that delivers from `database` to the mail server on `smtp_port`."""
        others: dict[str, Any] = {
            "worker_processes": self.processes,
            "smtp_connections": self.connections,
            "smtp_messages_per_connection": 100_000,  # smtp-source -d does not connect anew either
        }
        if self.key:
            others["dkim_keys"] = f"s1={self.key}"
        return Installation(self.folder, settings(self.folder, database, self.broker, smtp_port, **others))


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    per_second: float
    reference: float  # messages a second of smtp-source, the mean of before and after
    peak_mb: float  # of the largest process of the workers
    growth: float  # of a pool process, from a tenth of the run to its end; 0.1 is 10 %
    sessions: int  # connections that were open

    @property
    def ratio(self) -> float:
        """Ours over the reference."""
        return self.per_second / self.reference


class RoundFailed(Exception):
    """Not every mail was accepted in time; the message says what the ledger holds."""


def timed_round(setup: Setup, database: str, subscribers: int, tools: Tools, sink: tuple[int, int]) -> Round:
    """Deliver today's issue to all `subscribers` in `database`. `sink`: its port, and the bytes of a message."""
    port, size = sink
    installation = setup.installation(database, port)
    before = tools.messages_per_second(port, setup.sessions, subscribers, size)
    memory = Memory()
    try:
        warm_up(installation, setup.today, world.warm_up(subscribers))
        publish(installation, setup.today)
        per_second = _race(installation, subscribers, memory)
        sessions = sum(connections_to(port, *pool) for pool in installation.workers().values())
    finally:
        installation.stop()
    after = tools.messages_per_second(port, setup.sessions, subscribers, size)
    progress(f"  {per_second:.0f}/s; smtp-source {before:.0f}/s before and {after:.0f}/s after")
    return Round(per_second, (before + after) / 2, memory.peak, memory.growth(), sessions)


def warm_up(installation: Installation, today: date, mails: int) -> None:
    """Start everything, and deliver yesterday's issue to the `mails` subscribers who want that alone."""
    publish(installation, today - timedelta(days=1))
    installation.start("worker", "worker")
    installation.start("scheduler", "scheduler")
    installation.hint(mails)
    wait(installation, mails)


def publish(installation: Installation, day: date) -> int:
    """Cut an issue; how many mails are due."""
    engine = connect(installation.settings["database_url"])
    try:
        return world.cut(engine, installation.read_settings(), day).candidates
    finally:
        engine.dispose()


def wait(installation: Installation, mails: int) -> None:
    """Until the ledger has nothing to do. Raises RoundFailed."""
    _wait(installation, mails, Memory())


class Memory:
    """The memory of the workers, looked at once a second."""

    def __init__(self) -> None:
        self.peak = 0.0  # MiB
        self._samples: list[tuple[float, dict[int, float]]] = []  # instant, process → MiB

    def look(self, workers: Mapping[int, list[int]]) -> None:
        """Take a sample, unless the last one is less than a second old."""
        now = time.monotonic()
        if self._samples and now - self._samples[-1][0] < 1:
            return
        pool = {pid: memory_mb(pid) for pids in workers.values() for pid in pids}
        self.peak = max([self.peak, *(most for _, most in pool.values()), *(memory_mb(pid)[1] for pid in workers)])
        self._samples.append((now, {pid: resident for pid, (resident, _) in pool.items()}))

    def growth(self) -> float:
        """The growth of the process that grew most, from a tenth of the time to the last sample."""
        began, ended = self._samples[0][0], self._samples[-1][0]
        early = next(sizes for at, sizes in self._samples if at >= began + (ended - began) / 10)
        late = self._samples[-1][1]
        return max((late[pid] / early[pid] - 1 for pid in early if early[pid] and late.get(pid)), default=0.0)


def _race(installation: Installation, mails: int, memory: Memory) -> float:
    began = time.monotonic()
    installation.hint(mails)
    _wait(installation, mails, memory)
    return mails / (time.monotonic() - began)


def _wait(installation: Installation, mails: int, memory: Memory) -> None:
    until = time.monotonic() + _PATIENCE + mails / _SLOWEST
    with psycopg.connect(installation.settings["database_url"], autocommit=True) as connection:
        while installation.asks(connection):
            if time.monotonic() > until:
                raise RoundFailed(f"mails are left over: {installation.states()}")
            memory.look(installation.workers())
            time.sleep(_POLL)
    memory.look(installation.workers())
    states = installation.states()
    if set(states) - {"accepted"}:
        raise RoundFailed(f"not every mail was accepted: {states}")
