"""The clocks of this machine. All code that measures or waits uses them, so that a simulation can replace them.

`now()` is for the edges and for the database's clock on SQLite: rooms take `now` as an argument (see clock.py).
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


now: Callable[[], datetime] = _now
monotonic: Callable[[], float] = time.monotonic
sleep: Callable[[float], None] = time.sleep


def replace(
    by_now: Callable[[], datetime], by_monotonic: Callable[[], float], by_sleep: Callable[[float], None]
) -> None:
    """Use other clocks from now on, in this process."""
    global now, monotonic, sleep
    now, monotonic, sleep = by_now, by_monotonic, by_sleep
