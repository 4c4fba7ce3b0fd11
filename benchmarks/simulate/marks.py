"""Notes each mark, the last check of a delivery before the wire, as the database sees it."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

_TRIGGER = """
CREATE TEMP TABLE marks (delivery, process, at, holder, lease_until, new_lease_until);
CREATE TEMP TRIGGER mark AFTER UPDATE OF state ON deliveries WHEN NEW.state = 'sending' AND OLD.state <> 'sending'
BEGIN
    INSERT INTO marks VALUES (NEW.id, running_process(), simulated_second(), OLD.worker, OLD.lease_until,
        NEW.lease_until);
END;
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A delivery became `sending`. A transaction that is rolled back leaves none."""

    delivery_id: int
    process: str
    at: float  # simulated second
    holder: str  # the worker that had claimed it
    claimed_until: datetime  # naive UTC, by the database's clock
    marked_until: datetime


def note_marks(raw: sqlite3.Connection, process: Callable[[], str], second: Callable[[], float]) -> None:
    """Note the marks of all transactions from now on."""
    raw.create_function("running_process", 0, process)
    raw.create_function("simulated_second", 0, second)
    raw.executescript(_TRIGGER)


def marks_in(raw: sqlite3.Connection) -> list[Mark]:
    """In the order in which they were made."""
    rows = raw.execute("SELECT delivery, process, at, holder, lease_until, new_lease_until FROM marks ORDER BY rowid")
    return [Mark(*row[:4], *map(datetime.fromisoformat, row[4:])) for row in rows]
