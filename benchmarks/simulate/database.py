"""SQLite in memory for simulated processes: one transaction at a time, killed between any two statements.

On SQLite, transactions that write exclude each other, and one that reads sees one state. So processes that take turns
by whole transactions show everything that SQLite can. The differences of PostgreSQL are not simulated.
"""

import sqlite3
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, QueuePool, event

from benchmarks.simulate.marks import note_marks
from benchmarks.simulate.world import Killed, Process, Queue, World
from digest.database.engine import connect

_SWITCHES = 0.15  # the part of the statements after which others may run
_ERROR = "disk I/O error"


class Database:
    """The database of a run, and the process that is in a transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.raw: sqlite3.Connection
        self.world: World
        self._holder: Process | None = None
        self._waiting = Queue()
        self._rng = Random()
        self._errors: list[tuple[int, str]] = []
        self._away_until = 0.0
        self._statements = 0
        self.happened: dict[str, int] = {}

    def note_marks(self, raw: sqlite3.Connection) -> None:
        """Note for the judge who marks what in runs that begin with this content."""
        note_marks(raw, lambda: self.world.current.name if self.world.current else "", lambda: self.world.elapsed)

    def begin_run(self, world: World, raw: sqlite3.Connection, seed: int, errors: bool) -> None:
        """Start from prepared content, all changes of which are undone after the run; with `errors`, the disk fails."""
        self.raw = raw
        raw.execute("BEGIN")
        self.world, self._holder, self._waiting = world, None, Queue()
        self._rng, self._statements, self._away_until, self.happened = Random(seed), 0, 0.0, {}
        kinds = ("statement", "commit lost", "away") if errors else ()
        self._errors = sorted((self._rng.randint(20, 400), kind) for kind in kinds)
        self.engine.dispose(close=False)

    def end_run(self) -> None:
        self.raw.execute("ROLLBACK")

    def leave(self, process: Process) -> None:
        """Undo the open transaction of a process that was killed."""
        if self._holder is process:
            self._end(commit=False)

    # --- what connections call ---

    def begin(self) -> None:
        process = self._process()
        self.before("BEGIN")
        if process is not None and self._rng.random() < 0.5:
            process.sleep(self._rng.uniform(0.0, 0.01))
        while self._holder is not None:
            assert process is not None
            self._waiting.wait(process)
        if process is not None and self.world.elapsed < self._away_until:
            raise sqlite3.OperationalError(_ERROR)
        self.raw.execute("SAVEPOINT transaction_of_process")
        self._holder = process

    def before(self, statement: str) -> None:
        """A statement of the current process is about to run."""
        process = self._process()
        if process is None:
            return
        self._statements += 1
        process.point("sql", _place(_caller(), statement))
        if statement not in ("BEGIN", "COMMIT"):
            if self._rng.random() < _SWITCHES:
                process.sleep(self._rng.uniform(0.0, 0.005))
            if self._fails(("statement", "away")):
                raise sqlite3.OperationalError(_ERROR)

    def commit(self) -> None:
        process = self._process()
        self.before("COMMIT")
        self._end(commit=True)
        if process is not None:
            place = _caller()
            process.point("commit", f"after {place}")
            if self._fails(("commit lost",)):
                raise sqlite3.OperationalError("the answer to COMMIT was lost")
            if self._rng.random() < 0.5:
                process.sleep(self._rng.uniform(0.0, 0.01))

    def rollback(self) -> None:
        if not self.world.is_over and self._holder is self._process():
            self._end(commit=False)

    def is_inside(self) -> bool:
        """Return True if the current process is in a transaction already."""
        return self._holder is not None and self._holder is self._process()

    def _process(self) -> Process | None:
        process = self.world.current
        if self.world.is_over or (process is not None and not process.is_alive):
            raise Killed
        return process

    def _end(self, commit: bool) -> None:
        if not commit:
            self.raw.execute("ROLLBACK TO transaction_of_process")
        self.raw.execute("RELEASE transaction_of_process")
        self._holder = None
        self._waiting.next()

    def _fails(self, kinds: tuple[str, ...]) -> bool:
        if not self._errors or self._errors[0][0] > self._statements or self._errors[0][1] not in kinds:
            return False
        _, kind = self._errors.pop(0)
        self.happened[kind] = self.happened.get(kind, 0) + 1
        self.world.note(f"database: {kind}")
        if kind == "away":
            self._away_until = self.world.elapsed + self._rng.choice((2.0, 30.0, 200.0))
        return True


class _Cursor(sqlite3.Cursor):
    """A cursor whose statements take their turn."""

    database: Database
    begin: Callable[[], None]

    def execute(self, statement: str, parameters: Any = ()) -> "sqlite3.Cursor":  # type: ignore[override]
        if statement.startswith("BEGIN"):
            self.begin()
            return self
        self.database.before(statement)
        return super().execute(statement, parameters)

    def executemany(self, statement: str, parameters: Any) -> "sqlite3.Cursor":  # type: ignore[override]
        self.database.before(statement)
        return super().executemany(statement, parameters)


class _Connection:
    """The part of a connection of sqlite3 that SQLAlchemy uses."""

    isolation_level: str | None = None

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_inner = False  # in a transaction that the same process has begun with another connection
        self._is_begun = False

    def cursor(self) -> sqlite3.Cursor:
        cursor = self._database.raw.cursor(_Cursor)
        cursor.database = self._database
        cursor.begin = self._begin
        return cursor

    def execute(self, statement: str) -> None:
        """The settings of a new connection, which are those of the one behind it."""

    def create_function(self, *_arguments: Any, **_named: Any) -> None:
        """No statement uses it, and SQLite refuses a new one while another connection reads."""

    def _begin(self) -> None:
        self._is_inner = self._database.is_inside()
        if not self._is_inner:
            self._database.begin()
        self._is_begun = True

    def commit(self) -> None:
        if self._is_begun and not self._is_inner:
            self._is_begun = False
            self._database.commit()

    def rollback(self) -> None:
        if self._is_begun and not self._is_inner:
            self._is_begun = False
            self._database.rollback()

    def close(self) -> None:
        self.rollback()


def simulated_engine(file: Path) -> tuple[Engine, list[Database]]:
    """An engine whose connections are those of the one database in the list. `file` only has to exist."""
    engine, database = connect(f"sqlite:///{file}"), list[Database]()
    assert isinstance(engine.pool, QueuePool)
    engine.pool._max_overflow = -1  # processes that were killed keep their connections until the run is over
    event.listen(engine, "do_connect", lambda *_: _Connection(database[0]), insert=True)
    return engine, database


def _short(statement: str) -> str:
    """The verb and the table of a statement."""
    words = statement.split(None, 6)
    verb = words[0].upper()
    if verb == "INSERT":
        return f"{verb} {words[2].strip('(')}"
    if verb == "UPDATE":
        return f"{verb} {words[1]}"
    if verb in ("SELECT", "DELETE", "WITH"):
        at = statement.find("FROM ")
        return f"{verb} {statement[at + 5 : at + 40].split(None, 1)[0].strip('(,)')}" if at >= 0 else verb
    return verb


@lru_cache(maxsize=10_000)
def _place(caller: str, statement: str) -> str:
    return f"{caller} {_short(statement)}"


_names: dict[Any, str] = {}


def _caller() -> str:
    """The function of the product that runs the statement."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        name = _names.get(code)
        if name is None:
            name = _names[code] = _product_name(code)
        if name:
            return name
        frame = frame.f_back  # type: ignore[assignment]
    return "?"


def _product_name(code: Any) -> str:
    path = Path(code.co_filename)
    parts = path.parts
    is_product = ("digest" in parts or "workers" in parts) and "site-packages" not in parts and "database" not in parts
    return f"{path.stem}.{code.co_qualname.replace('.<locals>', '').replace('<genexpr>', 'each')}" if is_product else ""
