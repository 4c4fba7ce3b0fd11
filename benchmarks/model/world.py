"""The ledger as a value: the product's functions run on a database in memory, which is set to any earlier rows."""

import fcntl
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from digest.database.engine import connect, read_only
from digest.database.tables import metadata
from digest.issues.audit import audit
from digest.ledger.deliveries import Delivery
from digest.mail.delivery.journal import Journal, journals, worker_of
from digest.smtp import Phase, Reply
from tests.support.scenario import MORNING, add_papers, add_subscriber, cut

T = TypeVar("T")
Rows = tuple[tuple[str, tuple[tuple[Any, ...], ...]], ...]  # of each table
Note = tuple[str, int, int | None]  # one record of a journal: "making", "began" or "answered"; delivery; reply code

_TABLES = ("deliveries", "issues", "issue_totals", "subscribers")
_STATUSES = {"subscribers": "confirmed", "issues": "running"}
_OVER, _LASTS = "2000-01-01 00:00:00.000000", "2999-01-01 00:00:00.000000"
_LAPSE = f"UPDATE deliveries SET lease_until = '{_OVER}' WHERE lease_until IS NOT NULL AND worker = ?"


class Row(NamedTuple):
    """The part of a delivery that the model reads."""

    id: int
    state: str
    in_doubt: bool
    finished: bool
    lapsed: bool  # its lease is over

    @property
    def is_open(self) -> bool:
        """True if something must still happen to it without the operator."""
        return self.state in ("queued", "claimed", "sending") or (self.state == "uncertain" and not self.finished)


class World:
    """One issue and its subscribers, each with a delivery. Equal rows have the same number."""

    def __init__(self, messages: int) -> None:
        self.engine = connect("sqlite://")
        metadata.create_all(self.engine)
        add_papers(self.engine, range(3))
        self.subscribers = [add_subscriber(self.engine, f"{name}@example.com").id for name in "abc"[:messages]]
        self.issue_id = cut(self.engine).issue_id
        self._numbers: dict[Rows, int] = {}
        self._rows: list[Rows] = []
        self._deliveries: list[tuple[Row, ...]] = []
        self._unexplained: list[int] = []
        self._results: dict[tuple[Any, ...], tuple[int, Any]] = {}
        self._claims: dict[tuple[Any, ...], Delivery] = {}
        self._journals: dict[tuple[Note, ...], bytes] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="model-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self._loaded = self.first = self._number()

    def close(self) -> None:
        self.engine.dispose()
        shutil.rmtree(self._folder)

    @property
    def databases(self) -> int:
        """The number of different contents so far."""
        return len(self._rows)

    def run(self, rows: int, key: tuple[Any, ...], work: Callable[[], T]) -> tuple[int, T]:
        """The rows after `work` on the database with these rows, and its result. Equal work is done once: `key`."""
        if (rows, key) not in self._results:
            self._load(rows)
            random.seed(0)  # the jitter of a back-off
            result = work()
            self._loaded = self._number()
            self._results[rows, key] = self._loaded, result
        return self._results[rows, key]

    def read(self, rows: int, key: tuple[Any, ...], work: Callable[[], T]) -> T:
        """The result of `work`, which changes nothing."""
        if (rows, key) not in self._results:
            self._load(rows)
            self._results[rows, key] = rows, work()
        result: T = self._results[rows, key][1]
        return result

    def deliveries(self, rows: int) -> tuple[Row, ...]:
        return self._deliveries[rows]

    def has_lapsed(self, rows: int) -> bool:
        return any(row.lapsed for row in self._deliveries[rows])

    def unexplained(self, rows: int) -> int:
        """Candidates without a row, by the product's own audit."""
        return self._unexplained[rows]

    def lapse(self, rows: int, worker: str) -> int:
        """The rows once the leases of a worker are over."""
        return self.run(rows, ("lapse", worker), lambda: self._driver.execute(_LAPSE, [worker]).rowcount)[0]

    @contextmanager
    def as_at_first(self) -> Iterator[None]:
        """Meanwhile everyone is subscribed and the issue is running."""
        kept = {name: self._driver.execute(f"SELECT status, id FROM {name}").fetchall() for name in _STATUSES}
        for name, first in _STATUSES.items():
            self._driver.execute(f"UPDATE {name} SET status = '{first}'")
        yield
        for name, rows in kept.items():
            self._driver.executemany(f"UPDATE {name} SET status = ? WHERE id = ?", rows)

    # --- claims, which a state names by their values ---

    def keep(self, claim: Delivery) -> tuple[Any, ...]:
        """A name for a claim, equal for equal claims."""
        sent_before = (claim.sha256, claim.date.isoformat(), claim.picks)
        name = (claim.id, claim.attempts, claim.crashes, claim.in_doubt, *sent_before)
        self._claims[name] = claim
        return name

    def claim(self, name: tuple[Any, ...]) -> Delivery:
        return self._claims[name]

    # --- journals, which are real files while someone reads them ---

    def left_behind(self, found: Mapping[str, tuple[Note, ...]]) -> Path:
        """A folder with the journals of these workers."""
        for file in self._folder.iterdir():
            file.unlink()
        for worker, notes in found.items():
            (self._folder / f"{worker}.journal").write_bytes(self._content(notes))
        return self._folder

    def remaining(self) -> set[str]:
        """The workers whose journals nobody has removed."""
        return {worker_of(file) for file in journals(self._folder)}

    def _content(self, notes: tuple[Note, ...]) -> bytes:
        if notes not in self._journals:
            with tempfile.TemporaryDirectory(dir=self._folder.parent) as folder:
                journal = Journal(Path(folder), "anyone")
                for what, delivery_id, code in notes:
                    if what == "making":
                        journal.making(delivery_id)
                    elif what == "began":
                        journal.began(delivery_id)
                    else:
                        journal.answered(reply(delivery_id, code))
                content = (Path(folder) / "anyone.journal").read_bytes()
                journal.close()
            head, lines = content[:8], content[8:].split(b"\0", 1)[0]
            self._journals[notes] = head + lines + b"\0"
        return self._journals[notes]

    # --- rows ---

    @property
    def _driver(self) -> Any:
        return self.engine.raw_connection().driver_connection

    def _load(self, rows: int) -> None:
        if rows == self._loaded:
            return
        self._loaded, driver = rows, self._driver
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("BEGIN")
        for name, content in self._rows[rows]:
            driver.execute(f"DELETE FROM {name}")
            if content:
                marks = ", ".join("?" * len(content[0]))
                driver.executemany(f"INSERT INTO {name} VALUES ({marks})", content)
        driver.execute("COMMIT")
        driver.execute("PRAGMA foreign_keys=ON")

    def _number(self) -> int:
        rows = self._read()
        if rows not in self._numbers:
            self._numbers[rows] = len(self._rows)
            self._rows.append(rows)
            with read_only(self.engine) as connection:
                self._unexplained.append(audit(connection, self.issue_id).unexplained)
            found = self._driver.execute("SELECT id, state, in_doubt, finished_at, lease_until FROM deliveries")
            self._deliveries.append(
                tuple(Row(row[0], row[1], bool(row[2]), bool(row[3]), row[4] == _OVER) for row in sorted(found))
            )
        return self._numbers[rows]

    def _read(self) -> Rows:
        # Instants of leases come from the clock: only whether they are over is part of a state.
        now = self._driver.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')").fetchone()[0]
        over = f"CASE WHEN lease_until < '{now}' THEN '{_OVER}' ELSE '{_LASTS}' END"
        self._driver.execute(f"UPDATE deliveries SET lease_until = {over} WHERE lease_until IS NOT NULL")
        return tuple(
            (name, tuple(self._driver.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4").fetchall()))
            for name in _TABLES
        )


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock on a journal, as a worker does that lives."""
    with file.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def reply(delivery_id: int, code: int | None) -> Reply:
    """A reply to the final dot. Code None: the connection ended; 0: nothing was sent."""
    if code == 0:
        return Reply(delivery_id, Phase.WAITING, None, "the window is too old", MORNING)
    texts = {250: "2.0.0 queued", 451: "4.3.0 later", None: "the connection was lost"}
    return Reply(delivery_id, Phase.CONTENT, code, texts[code], MORNING)
