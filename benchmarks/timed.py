"""Times one round: with warm workers, from the first hint for an issue to its last recorded receipt.

Takes a database with subscribers. Returns messages per second for ours and for smtp-source, the CPU
time per message, and the workers' memory.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks import world
from benchmarks.installation import Installation, progress, settings
from benchmarks.postfix_tools import Tools
from benchmarks.proc import connections_to, cpu_seconds, memory_mb, parent
from digest.database.engine import connect
from digest.run.processes import LOOPBACK

_POLL = 0.1  # seconds; the clock stops up to this much too late
_PATIENCE = 120.0  # seconds added to the time at the slowest rate; then the round has failed
_SLOWEST = 50.0  # messages a second


@dataclass(frozen=True)
class Setup:
    """The resources that all runs share."""

    folder: Path
    broker: str
    today: date
    processes: int
    connections: int  # of each process
    key: Path | None  # signs the messages

    @property
    def sessions(self) -> int:
        """The total number of connections."""
        return self.processes * self.connections

    def installation(self, database: str, *smtp_ports: int) -> Installation:
        """An installation that delivers from `database` to the mail servers on `smtp_ports`."""
        others: dict[str, Any] = {
            "worker_processes": self.processes,
            "smtp_connections": self.connections,
            "smtp_messages_per_connection": 100_000,  # smtp-source -d does not reconnect either
            "smtp_url": " ".join([f"smtp://{LOOPBACK}:{port}" for port in smtp_ports]),
        }
        if self.key:
            others["dkim_keys"] = f"s1={self.key}"
        return Installation(self.folder, settings(self.folder, database, self.broker, smtp_ports[0], **others))


@dataclass(frozen=True)
class CpuMs:
    """CPU time for each message, in milliseconds."""

    workers: float
    database: float
    rest: float  # of the scheduler and of Valkey

    @property
    def total(self) -> float:
        """All but the mail server's."""
        return self.workers + self.database + self.rest


@dataclass(frozen=True)
class Round:
    """The measurements of one round."""

    per_second: float
    reference: float  # messages a second of smtp-source, the mean of before and after
    peak_mb: float  # of the largest process of the workers
    growth: float  # of a pool process, from a tenth of the run to its end; 0.1 is 10 %
    sessions: int  # connections that were open
    cpu_ms: CpuMs

    @property
    def ratio(self) -> float:
        """Our rate divided by the reference's."""
        return self.per_second / self.reference


class RoundFailed(Exception):
    """Not every message was accepted in time; the exception's text lists the states in the ledger."""


def timed_round(setup: Setup, database: str, subscribers: int, tools: Tools, size: int, ports: Sequence[int]) -> Round:
    """Deliver today's issue to all `subscribers` in `database`. `size`: bytes of a message; `ports`: of the sinks."""
    installation = setup.installation(database, *ports)
    before = tools.messages_per_second(ports[0], setup.sessions, subscribers, size)
    memory = Memory()
    try:
        warm_up(installation, setup.today, world.warm_up(subscribers))
        publish(installation, setup.today)
        per_second, cpu_ms = _race(installation, subscribers, memory)
        pools = installation.workers().values()
        sessions = sum(connections_to(port, *pool) for port in ports for pool in pools)
    finally:
        installation.stop()
    after = tools.messages_per_second(ports[0], setup.sessions, subscribers, size)
    progress(f"  {per_second:.0f}/s; smtp-source {before:.0f}/s before and {after:.0f}/s after")
    return Round(per_second, (before + after) / 2, memory.peak, memory.growth(), sessions, cpu_ms)


def warm_up(installation: Installation, today: date, messages: int) -> None:
    """Start all processes, and deliver yesterday's issue: its `messages` subscribers get no other."""
    deliver_all(installation, today - timedelta(days=1), messages)


def deliver_all(installation: Installation, day: date, messages: int) -> None:
    """Start all processes, and deliver the issue of a day."""
    publish(installation, day)
    installation.start("worker", "worker")
    installation.start("scheduler", "scheduler")
    installation.hint(messages)
    wait(installation, messages)


def publish(installation: Installation, day: date) -> int:
    """Cut an issue. Returns the number of due messages."""
    engine = connect(installation.settings["database_url"])
    try:
        return world.cut(engine, installation.read_settings(), day).candidates
    finally:
        engine.dispose()


def wait(installation: Installation, mails: int) -> None:
    """Wait until nothing is left to send. Raises RoundFailed."""
    _wait(installation, mails, Memory())


class Memory:
    """The memory of the workers, sampled once a second."""

    def __init__(self) -> None:
        self.peak = 0.0  # MiB
        self._samples: list[tuple[float, dict[int, float]]] = []  # instant, process → MiB

    def look(self, workers: Mapping[int, list[int]]) -> None:
        """Take a sample unless the last is less than a second old."""
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


def _race(installation: Installation, mails: int, memory: Memory) -> tuple[float, CpuMs]:
    began, before = time.monotonic(), _cpu_seconds(installation)
    installation.hint(mails)
    _wait(installation, mails, memory)
    cpu = CpuMs(*(1000 * (b - a) / mails for a, b in zip(before, _cpu_seconds(installation), strict=True)))
    return mails / (time.monotonic() - began), cpu


def _cpu_seconds(installation: Installation) -> tuple[float, float, float]:
    """CPU time of the workers, of the database with all its processes, and of the scheduler and Valkey."""
    with psycopg.connect(installation.settings["database_url"], autocommit=True) as connection:
        database = cpu_seconds(parent(connection.info.backend_pid))
    with redis.Redis.from_url(installation.settings["redis_url"]) as client:
        info: Any = client.info("server")
    workers = installation.workers()
    others = [program.pid for program in installation.programs.values() if program.pid not in workers]
    return sum(map(cpu_seconds, workers)), database, sum(map(cpu_seconds, [info["process_id"], *others]))


def _wait(installation: Installation, mails: int, memory: Memory) -> None:
    until = time.monotonic() + _PATIENCE + mails / _SLOWEST
    with psycopg.connect(installation.settings["database_url"], autocommit=True) as connection:
        while installation.asks(connection):
            if time.monotonic() > until:
                raise RoundFailed(f"messages are left: {installation.states()}")
            memory.look(installation.workers())
            time.sleep(_POLL)
    memory.look(installation.workers())
    states = installation.states()
    if set(states) - {"accepted"}:
        raise RoundFailed(f"not every mail was accepted: {states}")
