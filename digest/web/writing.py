"""Endpoints that write have a few threads of their own: when the database is locked, pages are read as before."""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from anyio import CapacityLimiter, fail_after
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

WRITERS = 4  # threads; SQLite lets one write at a time, and the interpreter little more
RETRY_AFTER = {"Retry-After": "30"}  # seconds, for someone who comes while the database cannot be used

_PATIENCE = 2.0  # seconds that a form waits for its turn

_writers: RunVar[CapacityLimiter] = RunVar("digest_writers")


def in_turn(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Make `endpoint` wait for a thread of those that write. Answers 503 when none comes back; async ones stay."""
    if iscoroutinefunction(endpoint):
        return endpoint

    @wraps(endpoint)
    async def waiting(*arguments: Any, **named: Any) -> Any:
        limiter, borrower = _limiter(), object()
        try:
            with fail_after(_PATIENCE):
                await limiter.acquire_on_behalf_of(borrower)
        except TimeoutError:
            raise HTTPException(503, headers=RETRY_AFTER) from None
        try:
            return await run_sync(partial(endpoint, *arguments, **named), limiter=CapacityLimiter(1))
        finally:
            limiter.release_on_behalf_of(borrower)

    return waiting


def _limiter() -> CapacityLimiter:
    try:
        return _writers.get()
    except LookupError:
        limiter = CapacityLimiter(WRITERS)
        _writers.set(limiter)
        return limiter
