"""Workers and schedulers of a simulated installation: started, killed, started again; stopped for an upgrade."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from benchmarks.simulate.database import Database
from benchmarks.simulate.installation import CUT_AT, DAY, Installation, Version
from benchmarks.simulate.loop import SimulatedSender
from benchmarks.simulate.rates import SimulatedRates, SimulatedRedis
from benchmarks.simulate.server import TLS_PORT, MailServer
from benchmarks.simulate.world import Process, World
from digest import clock
from digest.database.engine import DATABASE_AWAY, transaction
from digest.issues.selection import IssueCache
from digest.mail.compose.composer import Composer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.outcome import is_about_sender
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.mail.throttle import Throttle
from digest.mail.throttle.limits import Limits
from digest.papers.collecting.runs import SourceHealth, SourceRun
from digest.papers.collecting.store import record_run
from digest.smtp import Relay, Reply, Security
from workers.scheduler import Jobs

_LIMITS = (5, 12, 5000, 5000)  # deliveries a task
_PORT = 25
_SOONEST = 300.0  # seconds between two looks of a scheduler; those of the product, each 15 s, see the same
_NEXT = "SELECT min(next_attempt_at) FROM deliveries WHERE state IN ('queued', 'uncertain') AND next_attempt_at > ?"


@dataclass(slots=True)
class Setup:
    """The operator's current settings, which a process takes over when it starts."""

    installation: Installation
    database: Database
    server: MailServer
    hold: bool
    signs: bool
    version: Version = field(default_factory=Version)
    wants_tls: bool = False  # the server offers none, so that nothing is sent until the operator notices
    connections: int = 3


class SimulatedJournal(Journal):
    """A worker's journal, in which the worker may die, also within a line."""

    def __init__(self, process: Process, setup: Setup, heard: Callable[[str, Reply], None]) -> None:
        super().__init__(setup.installation.folder / "journal", process.name)
        self._process, self._setup, self._heard, self._unwritten = process, setup, heard, b""
        process.at_death.append(self._seal)

    def making(self, delivery_id: int) -> None:
        self._process.point("journal", "making")
        super().making(delivery_id)

    def began(self, delivery_id: int) -> None:
        super().began(delivery_id)
        self._setup.server.log.begun[self._process.name, delivery_id] = self._process.world.elapsed
        self._process.point("journal", "after began")

    def answered(self, reply: Reply) -> None:
        super().answered(reply)
        self._heard(self._process.name, reply)
        self._process.point("journal", "after answered")

    def clear(self) -> None:
        self._process.point("journal", "before clear")
        super().clear()

    def close(self) -> None:
        if self._process.is_alive:
            super().close()

    def _append(self, line: bytes) -> None:
        self._unwritten = line
        self._process.point("journal", f"within {line[:1].decode()}")
        self._unwritten = b""
        super()._append(line)

    def _seal(self) -> None:
        """The kernel keeps what was written, and gives the lock back."""
        if not self._memory.closed:
            fraction = self._process.world.crashes.fraction()
            super()._append(self._unwritten[: int(len(self._unwritten) * fraction)])
            self._memory.close()
            os.close(self._handle)


class Staff:
    """Starts the processes of a run, and replaces those that died."""

    def __init__(self, world: World, setup: Setup, heard: Callable[[str, Reply], None], seed: int) -> None:
        self._world, self.setup, self._heard, self._rng = world, setup, heard, Random(seed)
        self._redis = SimulatedRedis(world.monotonic)
        self._lives: dict[str, int] = {}
        self._stopping: set[str] = set()  # the names of slots whose process ends after its task
        self._idle: dict[str, Process] = {}  # by slot
        self.alive: dict[str, Process] = {}
        self._napping: dict[Process, object] = {}  # with a mark of each nap
        self.is_closing = False
        self.restarts = 0

    # --- starting and ending ---

    def start(self, slot: str, after: float = 0.0) -> None:
        """Start the next life of a slot, such as worker-1 or scheduler-2."""
        life = self._lives[slot] = self._lives.get(slot, 0) + 1
        process = Process(self._world, f"{slot}.{life}", lambda _: self._ended(slot))
        process.at_death.append(lambda: self.setup.database.leave(process))
        self.alive[slot] = process
        self._world.processes.append(process)
        program = self._worker if slot.startswith("worker") else self._scheduler
        process.start(lambda: program(slot, process), after)

    def upgrade(self, version: Version) -> None:
        """Every worker ends after its task, and starts again with the new version."""
        self.setup.version = version
        self.stop_workers()

    def stop_workers(self) -> None:
        for slot in self.alive:
            if slot.startswith("worker"):
                self._stopping.add(slot)
                self._wake(slot)

    def close(self) -> None:
        """End in good order: no process is started again."""
        self.is_closing = True
        self.stop_workers()
        for process in self._napping:
            if process.is_alive:
                self._world.after(self._rng.uniform(0.0, _SOONEST), process.resume, process)

    def workers(self) -> list[Process]:
        return [process for slot, process in self.alive.items() if slot.startswith("worker") and process.is_alive]

    def _ended(self, slot: str) -> None:
        process = self.alive.pop(slot)
        self._idle.pop(slot, None)
        self._stopping.discard(slot)
        if not self.is_closing:
            self.restarts += 1
            wait = self._rng.choice((0.3, 2.0, 20.0, 90.0)) if process.killed_at else 1.0
            self._world.after(wait, lambda: None if self.is_closing else self.start(slot))

    # --- hints ---

    def hint(self, times: int) -> None:
        """Wake workers that wait; a hint may get lost, or come twice."""
        idle = sorted(self._idle)
        self._rng.shuffle(idle)
        for slot in idle[: max(times, self._rng.choice((1, 1, 2)))]:
            if self._rng.random() < 0.9:
                self._wake(slot)

    def _wake(self, slot: str) -> None:
        if process := self._idle.pop(slot, None):
            process.resume()

    # --- the programs ---

    def _worker(self, slot: str, process: Process) -> None:
        worker = self._delivery_worker(process)
        while True:
            try:
                more = worker.deliver_due(self._rng.choice(_LIMITS), 20.0).more
            except DATABASE_AWAY:
                more = False
            if slot in self._stopping:
                break
            if not more:
                self._idle[slot] = process
                process.wait()
                if slot in self._stopping:
                    break
        worker.close()

    def _delivery_worker(self, process: Process) -> DeliveryWorker:
        """As digest/wiring.py makes one."""
        setup, engine = self.setup, self.setup.database.engine
        journal = SimulatedJournal(process, setup, self._heard)
        security = Security.STARTTLS if setup.wants_tls else Security.NONE
        relay = Relay("127.0.0.1", TLS_PORT if setup.wants_tls else _PORT, security, ehlo_name="papers.example.org")
        sender = SimulatedSender(
            process,
            setup.server.connect,
            [relay],
            setup.connections,
            self._rng.choice((4, 100)),
            observer=journal,
            is_about_sender=is_about_sender,
        )
        issues = IssueCache(engine, setup.installation.languages)
        context = setup.installation.context(setup.version, setup.signs)
        composer = Composer(engine, context, journal.making, issues)
        throttle = Throttle(engine, SimulatedRates(self._redis), Limits())
        return DeliveryWorker(
            engine, sender, composer, throttle, journal, WorkerSettings(process.name, setup.hold, clock.now)
        )

    def _scheduler(self, _slot: str, process: Process) -> None:
        setup = self.setup
        settings = setup.installation.settings.model_copy(update={"in_doubt": "hold" if setup.hold else "resend"})
        jobs = _Jobs(settings, setup.database.engine, self.hint)
        changes, interval = -1, _SOONEST
        while not self.is_closing:
            for job in (jobs.cut, jobs.sweep, jobs.finish):
                try:
                    job()
                except DATABASE_AWAY:
                    continue
            changed = setup.database.raw.total_changes
            interval = max(interval / 4, _SOONEST) if changed != changes else min(interval * 3, 1_800.0)
            changes = changed
            self._nap(process, self._until_due(interval))

    def _until_due(self, longest: float) -> float:
        """Seconds to wait: the real scheduler looks every 15 seconds, which while nothing changes or becomes due only
        costs time.
        """
        soonest = self.setup.database.raw.execute(_NEXT, (f"{clock.now():%Y-%m-%d %H:%M:%S.%f}",)).fetchone()[0]
        if soonest is None:
            return longest
        due = datetime.fromisoformat(soonest).replace(tzinfo=UTC)
        return max(_SOONEST, min((due - clock.now()).total_seconds() + 1.0, longest))

    def _nap(self, process: Process, seconds: float) -> None:
        """Sleep until then, or until the run is over."""
        nap = self._napping[process] = object()
        self._world.after(seconds, lambda: process.resume() if self._napping.get(process) is nap else None, process)
        process.wait()
        del self._napping[process]


class _Jobs(Jobs):
    """The scheduled jobs, with a source that always answers."""

    def _collect(self, patience: float) -> None:  # noqa: ARG002 - the base's signature
        run = SourceRun("huggingface", DAY, max(clock.now(), CUT_AT), SourceHealth.FRESH, 8, 0, (), "")
        with transaction(self._engine) as connection:
            record_run(connection, run)
