"""Endpoints that write have a few threads of their own: when the database is locked, pages are read as before."""

import math
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, Generic, ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, Event, Lock, fail_after
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync
from sqlalchemy.exc import InternalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from digest.database.engine import DATABASE_AWAY

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# Raised when the database is unreachable, full, locked or read-only (PEP 249); any other error is our fault.
CANNOT_BE_USED = (*DATABASE_AWAY, InternalError, PoolTimeoutError)
RETRY_AFTER = {"Retry-After": "30"}  # seconds, for someone who comes while the database cannot be used

_WRITERS = 4  # threads; the interpreter lets little more than one work at a time
_PATIENCE = 10.0  # seconds that a form waits for its turn when there are many


class _Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self.threads = CapacityLimiter(_WRITERS)
        self.failed_at = -math.inf


_of_the_loop: RunVar[_Turns] = RunVar("digest_turns")


def in_turn(endpoint: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make `endpoint` wait for a thread of those that write; async endpoints stay.

    Answers 503 when none comes back, or when the database fails meanwhile for somebody who came before.
    """
    if iscoroutinefunction(endpoint):
        return cast("Callable[P, Coroutine[Any, Any, R]]", endpoint)

    @wraps(endpoint)
    async def waiting(*arguments: P.args, **named: P.kwargs) -> R:
        turns, turn, came = _turns(), object(), time.monotonic()
        try:
            with fail_after(_PATIENCE):
                await turns.threads.acquire_on_behalf_of(turn)
        except TimeoutError:
            raise HTTPException(503, headers=RETRY_AFTER) from None
        try:
            if turns.failed_at > came:
                raise HTTPException(503, headers=RETRY_AFTER)
            return await run_sync(partial(endpoint, *arguments, **named), limiter=CapacityLimiter(1))
        except DATABASE_AWAY:
            turns.failed_at = time.monotonic()
            raise
        finally:
            turns.threads.release_on_behalf_of(turn)

    return waiting


class SharedTurn(Generic[T]):
    """Does the same work for many requests at once: those that come while it works wait together for the next time."""

    def __init__(self, work: Callable[[list[T]], Collection[T]]) -> None:
        """`work` returns the items that it was done for; any other is to be done alone."""
        self._work = in_turn(work)
        self._lock = Lock()
        self._next: _Group[T] | None = None

    async def done_for(self, item: T) -> bool:
        """Wait until the work has been done with `item` among others; False if it is to be done alone."""
        if self._next is not None:
            group = self._next
            group.items.append(item)
            await group.is_over.wait()
            if group.problem is not None:
                raise group.problem
            return item in group.done
        group = self._next = _Group([item])
        try:
            async with self._lock:
                self._next = None
                group.done = await self._work(group.items)
        except Exception as problem:
            group.problem = problem
            raise
        finally:
            self._next = None if self._next is group else self._next  # cancelled while it waited
            group.is_over.set()
        return item in group.done


@dataclass
class _Group(Generic[T]):
    """Requests that share a turn. The first leads; should it be cancelled, the others do their work alone."""

    items: list[T]
    done: Collection[T] = ()
    problem: Exception | None = None
    is_over: Event = field(default_factory=Event)


def one_at_a_time() -> None:
    """Let the endpoints of this event loop write one after the other.

    SQLite lets one write at a time, and those that wait for its lock do not get it in their order: some never do.
    """
    _turns().threads.total_tokens = 1


def _turns() -> _Turns:
    try:
        return _of_the_loop.get()
    except LookupError:
        turns = _Turns()
        _of_the_loop.set(turns)
        return turns
