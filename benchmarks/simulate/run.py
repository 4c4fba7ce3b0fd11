"""One run: a seed chooses the installation, its processes, what people do and what fails."""

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import structlog

from benchmarks.simulate.crashes import CrashPlan
from benchmarks.simulate.database import Database, simulated_engine
from benchmarks.simulate.faults import FaultScript
from benchmarks.simulate.installation import CUT_AT, FIRST_DUE, Installation
from benchmarks.simulate.judge import Judge
from benchmarks.simulate.people import People
from benchmarks.simulate.server import MailServer
from benchmarks.simulate.staff import Setup, Staff
from benchmarks.simulate.world import World
from digest import clock, machine_clock
from digest.mail.delivery import journal
from digest.smtp import Reply

_HURRY_AT = 20.0  # seconds after the first messages are due
_CALM_AT = 2_500.0  # seconds after which nothing new goes wrong
_JOURNAL_BYTES = 64 * 1024
_PATIENCE = 10_000.0  # a worker that is stopped when all is done goes on before that
_LIMIT = 60 * 3_600.0


@dataclass(slots=True)
class Result:
    """What one run showed."""

    seed: int
    digest: str  # of its trace
    problems: list[str] = field(default_factory=list)
    deliveries: int = 0
    workers: int = 0
    copies: int = 0  # beyond the first of each message
    seconds: float = 0.0  # simulated
    crashes: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


class Simulator:
    """Runs one seed after another in this process."""

    def __init__(self) -> None:
        self.installation = Installation()
        file = self.installation.folder / "simulated.sqlite"
        file.touch()
        engine, database = simulated_engine(file)
        self._contents = {signs: self.installation.contents(signs) for signs in (False, True)}
        self._database = Database(engine)
        database.append(self._database)
        for content in self._contents.values():
            for raw in content.values():
                self._database.note_marks(raw)
        journal._SIZE = _JOURNAL_BYTES
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        self.run(0)  # the first connection of a process asks more of the database, which would count as statements

    def move(self) -> None:
        """Use a folder of its own, after a fork."""
        self.installation.move()

    def close(self) -> None:
        self._database.engine.dispose(close=False)
        self.installation.close()

    def run(self, seed: int, keep_trace: bool = False) -> Result:
        """Everything that happens follows from the seed."""
        rng = Random(seed)
        random.seed(rng.randrange(2**32))  # the jitter of the product
        signs, hold, stage = rng.random() < 0.3, rng.random() < 0.25, rng.choice(_STAGES)
        crashes = CrashPlan(rng.randrange(2**32), rng.choice((0, 0, 1, 1, 1)))
        start = CUT_AT if stage == "uncut" else FIRST_DUE
        world = World(rng.randrange(2**32), start, crashes, keep_trace)
        faults = FaultScript(rng.randrange(2**32))
        server = MailServer(world, faults, rng.randrange(2**32))
        self._prepare(world, self._contents[signs][stage], rng)
        setup = Setup(self.installation, self._database, server, hold, signs, connections=rng.choice((1, 1, 2, 4)))
        staff = Staff(world, setup, _hears(server), rng.randrange(2**32))
        people = People(world, staff, rng.randrange(2**32))
        world.note(f"seed {seed}: {stage}, hold {hold}, signs {signs}, pipelining {server.pipelining}")
        result = Result(seed, world.digest)
        with _clocks_of(world):
            try:
                result.workers = rng.choice((2, 2, 3))
                self._begin(world, staff, people, result.workers, 3_600.0 if stage == "uncut" else 0.0)
                was_over = self._until_the_end(world, staff, people, faults)
                judge = Judge(world, self._database, server.log, people.facts, hold)
                result.problems = list(judge.problems(was_over))
                result.deliveries = len(judge.rows)
            finally:
                world.is_over = True
                for process in world.processes:
                    process.bury()
                self._database.end_run()
        result.digest, result.seconds, result.trace = world.digest, world.elapsed, world.lines or []
        result.crashes, result.visits, result.acts = crashes.crashed, crashes.visits, people.facts.counts
        result.faults = faults.happened + Counter(
            {f"database: {name}": n for name, n in self._database.happened.items()}
        )
        result.copies = len(server.log.copies) - len({copy.message_id for copy in server.log.copies})
        return result

    def _prepare(self, world: World, content: sqlite3.Connection, rng: Random) -> None:
        folder = self.installation.folder
        for file in (folder / "journal").glob("*"):
            file.unlink()
        os.environ[clock.CLOCK_FILE] = ""
        self._database.begin_run(world, content, rng.randrange(2**32), errors=rng.random() < 0.3)
        if rng.random() < 0.5:
            content.execute(_LAST_READ_LONG_AGO)

    def _begin(self, world: World, staff: Staff, people: People, workers: int, first_due: float) -> None:
        for number in range(1, workers + 1):
            staff.start(f"worker-{number}", first_due + world.rng.uniform(0.0, 1.0))
        for number in range(1, world.rng.choice((1, 1, 1, 2)) + 1):
            staff.start(f"scheduler-{number}", world.rng.uniform(0.0, 1.0))
        people.plan(first_due)
        world.after(first_due + _HURRY_AT, world.crashes.hurry)
        world.after(first_due + _HURRY_AT, staff.setup.server.faults.hurry)
        world.after(first_due + _CALM_AT, world.crashes.end)

    def _until_the_end(self, world: World, staff: Staff, people: People, faults: FaultScript) -> bool:
        raw, look_at, changes, waiting = self._database.raw, _HURRY_AT, -1, 1

        def is_over() -> bool:
            nonlocal look_at, changes, waiting
            if people.pending or world.elapsed < look_at or world.crashes.is_missing:
                return False
            look_at = world.elapsed + 1.0
            if raw.total_changes != changes:
                changes, waiting = raw.total_changes, raw.execute(_UNFINISHED).fetchone()[0]
            return not waiting

        world.after(_CALM_AT * 2, faults.end)
        if not world.run(_LIMIT, is_over):
            return False
        staff.close()
        world.crashes.end()
        ended = world.run(world.elapsed + _PATIENCE, lambda: not staff.alive)
        world.note(f"left: {sorted(staff.alive)}")
        return ended


_STAGES = ("uncut", "uncut", "cut", "cut", "rendered", "rendered", "rendered")
_UNFINISHED = """
SELECT (SELECT count(*) FROM deliveries WHERE state IN ('queued', 'claimed', 'sending')
        OR (state = 'uncertain' AND finished_at IS NULL)) + (SELECT NOT count(*) FROM issues)
"""


# The scheduler that cuts the issue then reads the sources first.
_LAST_READ_LONG_AGO = "UPDATE collections SET started_at = '2026-03-04 05:00:00.000000'"


def _hears(server: MailServer):  # type: ignore[no-untyped-def]
    """Called when a worker has noted a reply in its journal: from then on it may not send the message again."""

    def heard(sender: str, reply: Reply) -> None:
        if reply.is_acceptance:
            for copy in reversed(server.log.copies):
                if copy.delivery_id == reply.id and copy.sender == sender:
                    copy.known_at = server.world.elapsed if copy.known_at is None else copy.known_at
                    return

    return heard


@contextmanager
def _clocks_of(world: World) -> Iterator[None]:
    real = machine_clock.now, machine_clock.monotonic, machine_clock.sleep
    machine_clock.replace(world.now, world.monotonic, world.sleep)
    try:
        yield
    finally:
        machine_clock.replace(*real)
        os.environ.pop(clock.CLOCK_FILE, None)
