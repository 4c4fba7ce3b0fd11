"""Waiting for what other processes do: polls a condition, and never waits longer than it takes."""

import time
from collections.abc import Callable

import redis

from digest import hints


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return once `condition` holds; fail when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.05)


def workers_look_again(redis_url: str, hint_count: int = 6) -> None:
    """Hint the workers, and wait until they have looked at the ledger that often: whatever is due is sent by then."""
    assert hints.hint(redis_url, hint_count)
    with redis.Redis.from_url(redis_url) as broker:
        wait_for(lambda: not broker.llen(hints.QUEUE) and not broker.hlen("unacked"), 60, "the end of the hints")
