"""Simulated time, and processes that take turns in it. One run is one World; everything in it follows from its seed.

A process has a greenlet for its program and an event loop for its connections. Both stop at every point where a real
process may be interrupted, and what runs next is decided here.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

from benchmarks.simulate.crashes import KINDS, STEPS, CrashPlan
from digest.ledger.deliveries import LEASE

_MOST_EVENTS = 60_000  # a run has some thousands
_MONOTONIC_START = 1_000.0
_STALLS = 0.4  # the part of the runs in which a worker is stopped within what it does
_LONGEST_STALL = 5_000.0  # seconds


class Killed(BaseException):
    """The process that called has just been killed: nothing that it does from now on reaches the world."""


class Process:
    """One life of a program, until it ends or is killed."""

    def __init__(self, world: "World", name: str, on_death: Callable[["Process"], None]) -> None:
        self.world, self.name = world, name
        self.is_alive = True
        self.is_frozen = False
        self.was_frozen: list[tuple[float, float]] = []  # from and until, for the judge
        self._held: list[Callable[[], object]] = []  # what has to wait until it goes on
        self.at_death: list[Callable[[], None]] = []  # cut what the process shares with the world
        self.killed_at: str = ""
        self._on_death = on_death
        self._program: greenlet | None = None
        self._is_waiting = False

    def start(self, program: Callable[[], None], after: float = 0.0) -> None:
        """Run `program`, which ends the process when it returns."""

        def whole() -> None:
            try:
                program()
            except Killed:  # the run is over
                return
            except Exception as problem:  # noqa: BLE001 - whatever it is, the judge is told
                self.world.failures.append(f"{self.name} ended with {type(problem).__name__}: {problem}")
                self.world.problems.append(problem)
            if self.world.is_over:
                return
            self.is_alive = False
            self._on_death(self)

        self._program = greenlet(whole, self.world.hub)
        self.world.after(after, self._resume, self)

    def wait(self) -> None:
        """Let others run until resume(). Only for the process's own program."""
        self._is_waiting = True
        self.world.hub.switch()

    def resume(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self.world.after(0.0, self._resume, self)

    def sleep(self, seconds: float) -> None:
        self.world.after(seconds, self._resume, self)
        self.world.hub.switch()

    def freeze(self, seconds: float) -> None:
        """Stop it, as by SIGSTOP; what it has written is sent all the same."""
        if self.is_frozen:
            return
        self.is_frozen = True
        self.was_frozen.append((self.world.elapsed, self.world.elapsed + seconds))
        self.world.note(f"{self.name} is stopped for up to {seconds:.0f} s")
        self.world.after(seconds, self.thaw)

    def hold(self, action: Callable[[], object]) -> None:
        """Do it once the process goes on."""
        self._held.append(action)

    def thaw(self) -> None:
        """Let it go on, as by SIGCONT."""
        if self.is_frozen:
            self.is_frozen = False
            self.was_frozen[-1] = (self.was_frozen[-1][0], self.world.elapsed)
            self.world.note(f"{self.name} goes on")
            for action in self._held:
                self.world.after(0.0, action, self)
            self._held.clear()

    def point(self, kind: str, place: str) -> None:
        """A place where the process may be killed or stopped."""
        if not self.is_alive:
            raise Killed
        if self.world.crashes.strikes(self.name, kind, place):
            self.kill(f"{kind} {place}")
        self.world.stalls.pass_point(self, kind)
        if self.is_frozen and getcurrent() is self._program:
            self.sleep(0.0)

    def kill(self, where: str) -> None:
        """End it now. Its program never goes on; what it has in common with others is cut off, not put in order."""
        self.is_alive, self.killed_at = False, where
        self.world.note(f"{self.name} is killed: {where}")
        for cut in self.at_death:
            cut()
        self._on_death(self)
        if getcurrent() is self._program:
            self.world.hub.switch()
        if self.world.current is self:
            raise Killed

    def _resume(self) -> None:
        assert self._program is not None
        self._program.switch()

    def bury(self) -> None:
        """Unwind a program that was killed, once the run is over and nothing it touches counts any more."""
        self.is_alive = False
        if self._program is not None and not self._program.dead and self._program:
            self._program.throw(Killed)


class World:
    """The clock, and what happens next."""

    def __init__(self, seed: int, start: datetime, crashes: CrashPlan, keep_trace: bool = False) -> None:
        self.rng = Random(seed)
        self.stalls = StallPlan(self)
        self.elapsed = 0.0
        self.start = start
        self.crashes = crashes
        self.hub = getcurrent()
        self.current: Process | None = None
        self.processes: list[Process] = []
        self.failures: list[str] = []
        self.problems: list[BaseException] = []
        self.lines: list[str] | None = [] if keep_trace else None
        self.events = 0
        self.is_over = False
        self._digest = blake2b(digest_size=16)
        self._queue: list[tuple[float, int, Process | None, Callable[[], object]]] = []
        self._number = itertools.count()

    # --- clocks ---

    def now(self) -> datetime:
        return self.at(self.elapsed)

    def at(self, elapsed: float) -> datetime:
        return self.start + timedelta(seconds=elapsed)

    def monotonic(self) -> float:
        return _MONOTONIC_START + self.elapsed

    def sleep(self, seconds: float) -> None:
        """The sleep() of whichever process calls."""
        assert self.current is not None
        self.current.sleep(seconds)

    # --- what happens ---

    def after(self, seconds: float, action: Callable[[], object], process: Process | None = None) -> None:
        """Do `action` in so many seconds, unless the process that would do it is gone by then."""
        heapq.heappush(self._queue, (self.elapsed + max(seconds, 0.0), next(self._number), process, action))

    def run(self, seconds: float, is_over: Callable[[], bool]) -> bool:
        """Go on until `is_over`; False if it is not after so many simulated seconds."""
        while self._queue and not self.failures:
            if is_over():
                return True
            at, _number, process, action = heapq.heappop(self._queue)
            if at > seconds or self.events > _MOST_EVENTS:
                return False
            self.elapsed = max(self.elapsed, at)
            if process is not None:
                if not process.is_alive:
                    continue
                if process.is_frozen:
                    process.hold(action)
                    continue
            self.current = process
            self.events += 1
            try:
                action()
            except Killed:
                pass
            finally:
                self.current = None
        return not self.failures and is_over()

    def wait_for(self, future: "Future[Any]") -> Any:
        """The result of a future, while others run."""
        process = self.current
        assert process is not None
        if not future.done():
            future.add_done_callback(lambda _: process.resume())
            process.wait()
        return future.result()

    # --- the record of a run ---

    def note(self, line: str) -> None:
        """Add a line to the trace; equal traces have equal digests."""
        text = f"{self.elapsed:12.3f} {line}"
        self._digest.update(text.encode("utf-8", "replace"))
        if self.lines is not None:
            self.lines.append(text)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


class StallPlan:
    """Stops a worker within what it does, for a while or until others are at a random step after its lease is over."""

    def __init__(self, world: World) -> None:
        self._world, self._rng = world, Random(world.rng.randrange(2**32))
        self._kind = self._rng.choice(KINDS)
        self._countdown = self._rng.randint(1, STEPS[self._kind]) if self._rng.random() < _STALLS else 0
        self._stopped: Process | None = None
        self._steps = 0  # of others, until it goes on

    def pass_point(self, process: Process, kind: str) -> None:
        """The process passes one more point."""
        if self._countdown and kind == self._kind and process.name.startswith("worker"):
            self._countdown -= 1
            if not self._countdown:
                self._stop(process)
        if self._steps and process is not self._stopped:
            self._steps -= 1
            if not self._steps and self._stopped is not None:
                self._stopped.thaw()

    def _stop(self, process: Process) -> None:
        if self._rng.random() < 0.3:
            process.freeze(self._rng.choice((3.0, 30.0, 400.0)))
            return
        self._stopped = process
        process.freeze(_LONGEST_STALL)
        steps = self._rng.randint(1, self._rng.choice((50, 150, 500)))
        self._world.after(LEASE.total_seconds() + self._rng.uniform(0.0, 5.0), lambda: self._wait_for(steps))

    def _wait_for(self, steps: int) -> None:
        self._steps = steps


class Queue:
    """Processes that wait for their turn."""

    def __init__(self) -> None:
        self._waiting: deque[Process] = deque()

    def wait(self, process: Process) -> None:
        self._waiting.append(process)
        process.wait()

    def next(self) -> None:
        while self._waiting:
            process = self._waiting.popleft()
            if process.is_alive:
                process.resume()
                return
