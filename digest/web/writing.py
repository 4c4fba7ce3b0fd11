"""Endpoints that write have a few threads of their own: when the database is locked, pages are read as before."""

import math
import time
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, fail_after
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync
from sqlalchemy.exc import InternalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from digest.database.engine import DATABASE_AWAY

P = ParamSpec("P")
R = TypeVar("R")

# Raised when the database is unreachable, full, locked or read-only (PEP 249); any other error is our fault.
CANNOT_BE_USED = (*DATABASE_AWAY, InternalError, PoolTimeoutError)
RETRY_AFTER = {"Retry-After": "30"}  # seconds, for someone who comes while the database cannot be used

_WRITERS = 4  # threads; the interpreter lets little more than one work at a time
_PATIENCE = 10.0  # seconds that a form waits for its turn when there are many


class _Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self.threads = CapacityLimiter(_WRITERS)
        self.after_others = CapacityLimiter(1)
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


async def after_others(work: Callable[[], R]) -> R:
    """Do work that nobody waits for, in turn, but never more than one at a time: it must not delay those who wait."""
    async with _turns().after_others:
        return await in_turn(work)()


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
