"""The one clock. Rooms take `now` as an argument; only edges (cli, web, tasks, scheduler) call `now()`.

A simulation moves the clock of every process at once through a file named by DIGEST_CLOCK_FILE, which holds the
number of seconds to add. Leases do not use this clock but the database's (see ledger/deliveries.py).
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

from digest import machine_clock

CLOCK_FILE = "DIGEST_CLOCK_FILE"


def now() -> datetime:
    """The current instant in UTC, shifted by the seconds in the clock file."""
    return machine_clock.now() + _shift()


def move_to(instant: datetime, file: Path) -> None:
    """Set `now()` to `instant`, from which it runs on, in every process whose DIGEST_CLOCK_FILE is `file`."""
    seconds = (instant - machine_clock.now()).total_seconds()
    part = file.with_suffix(".part")
    part.write_text(repr(seconds))
    part.replace(file)


def _shift() -> timedelta:
    path = os.environ.get(CLOCK_FILE)
    if not path:
        return timedelta(0)
    try:
        return timedelta(seconds=float(Path(path).read_text()))
    except FileNotFoundError:
        return timedelta(0)
