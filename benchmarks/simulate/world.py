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

from benchmarks.simulate.crashes import CrashPlan

_MOST_EVENTS = 60_000  # a run has some thousands
_MONOTONIC_START = 1_000.0


class Killed(BaseException):
    """The process that called has just been killed: nothing that it does from now on reaches the world."""


class Process:
    """One life of a program, until it ends or is killed."""

    def __init__(self, world: "World", name: str, on_death: Callable[["Process"], None]) -> None:
        self.world, self.name = world, name
        self.is_alive = True
        self.frozen_until = 0.0
        self.was_frozen: list[tuple[float, float]] = []  # from and until, for the judge
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
        began = self.world.elapsed
        self.frozen_until = began + seconds
        self.was_frozen.append((began, self.frozen_until))
        self.world.note(f"{self.name} is stopped for {seconds:.0f} s")

    def point(self, kind: str, place: str) -> None:
        """A place where the process may be killed."""
        if not self.is_alive:
            raise Killed
        if self.world.crashes.strikes(self.name, kind, place):
            self.kill(f"{kind} {place}")

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
        return self.start + timedelta(seconds=self.elapsed)

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
            at, number, process, action = heapq.heappop(self._queue)
            if at > seconds or self.events > _MOST_EVENTS:
                return False
            self.elapsed = max(self.elapsed, at)
            if process is not None:
                if not process.is_alive:
                    continue
                if process.frozen_until > self.elapsed:
                    heapq.heappush(self._queue, (process.frozen_until, number, process, action))
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
