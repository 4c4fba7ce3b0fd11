"""The engine and the transaction. Comes in: a database address. Goes out: connections safe for many processes."""

import json
import os
import select
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing as closing_connection
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError, SQLAlchemyError

from digest import machine_clock
from digest.database.patience import limit_waiting

log = structlog.get_logger()

T = TypeVar("T")
NO_DATABASE = "There is no database"
NO_DATABASE_REMEDY = "Check DIGEST_DATABASE_URL, name the settings file by --env-file, or run: digest migrate"
DATABASE_AWAY = (OperationalError, InterfaceError)  # or full, locked, read-only
_LOCK_SECONDS = 30.0
_LOG, _NOTED = "digest_log", "digest_noted"


def connect(url: str, create: bool = False, patience: float | None = None) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`. Raises ValueError for any other database.

    An SQLite file that does not exist is an error, unless `create`: a command in the wrong folder must not make one.
    Its errors leave out the values of a statement, which may contain a subscriber's address.
    `patience`: the seconds that someone who waits for an answer allows for a lock or a connection; else half a minute
    for the lock of SQLite, and no limit for PostgreSQL.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_use_lifo=True,
            pool_timeout=patience or _LOCK_SECONDS,
            hide_parameters=True,
            json_deserializer=_json,
        )
        event.listen(engine, "connect", _on_postgresql_connect)
        event.listen(engine, "checkout", _expect_open)
        if patience is not None:
            limit_waiting(engine, patience)
        return engine
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, create, patience or _LOCK_SECONDS)
    raise ValueError(f"{parsed.get_backend_name()} is not supported; use postgresql:// or sqlite:///")


class ChangeLog(Protocol):
    """A log outside the database. It must not raise: the change is stored anyway."""

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None: ...


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    The entries of note() go to the engine's log, some just before the commit and the others right after it.
    """
    with engine.begin() as connection:
        connection.info.pop(_NOTED, None)  # of a transaction that was rolled back
        yield connection
        noted: list[tuple[bool, Mapping[str, Any]]] = connection.info.pop(_NOTED, [])
        _append(engine, [entry for is_after, entry in noted if not is_after])
    _append(engine, [entry for is_after, entry in noted if is_after])


def keep_log(engine: Engine, changes: ChangeLog) -> Engine:
    """Pass the entries of note() in transactions of this engine to `changes`."""
    engine.update_execution_options(**{_LOG: changes})
    return engine


def note(connection: Connection, entry: Mapping[str, Any], after: bool = False) -> None:
    """Append an entry to the engine's log with this transaction, before its commit or `after` it."""
    if connection.get_execution_options().get(_LOG) is not None:
        connection.info.setdefault(_NOTED, []).append((after, entry))


def _append(engine: Engine, entries: Sequence[Mapping[str, Any]]) -> None:
    if entries:
        changes: ChangeLog = engine.get_execution_options()[_LOG]
        changes.append(entries)


def retry_transaction(engine: Engine, work: Callable[[Connection], T], seconds: float = 900) -> T:
    """`work` in a transaction, again each second while the database is away: what it stores has happened already.

    Raises sqlalchemy.exc.OperationalError when the database stays away for so many seconds.
    """
    until = machine_clock.monotonic() + seconds
    while True:
        try:
            with transaction(engine) as connection:
                result = work(connection)
        except DATABASE_AWAY as problem:
            if machine_clock.monotonic() > until:
                raise
            outage.report(problem)
            machine_clock.sleep(1)
        else:
            outage.end()
            return result


def problem_of(error: BaseException) -> str:
    """The first line of an error, of the database's own where there is one."""
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]


class Outage:
    """Logs an outage of the database once a minute, however many attempts fail in it, and its end."""

    def __init__(self) -> None:
        self._is_away = False

    def report(self, error: BaseException) -> None:
        self._is_away = True
        advice = "What is due waits for it. Check DIGEST_DATABASE_URL, or run: digest doctor"
        log.error(f"the database is away. {advice}", problem=problem_of(error), every=60)

    def end(self) -> None:
        """To be called whenever the database has worked."""
        if self._is_away:
            self._is_away = False
            log.warning("the database is back", every=60)


outage = Outage()  # of this process


@contextmanager
def closing(engine: Engine) -> Iterator[Engine]:
    """Close the database at the end of a program, also after SIGTERM, so that a copy of an SQLite file is complete."""
    is_ended = False

    def end(_number: int, _frame: object) -> NoReturn:
        nonlocal is_ended
        is_ended = True
        sys.exit()

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield engine
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        checkpoint(engine)
        signal.signal(signal.SIGTERM, previous)
        if is_ended:  # end as if the signal had not been caught: do not wait for threads that read sources
            signal.raise_signal(signal.SIGTERM)


def checkpoint(engine: Engine) -> None:
    """Close every idle connection. An SQLite file first takes over what is in its log."""
    if engine.dialect.name == "sqlite":
        with suppress(sqlite3.Error, SQLAlchemyError), closing_connection(engine.raw_connection()) as connection:
            for pragma in ("busy_timeout=2000", "wal_checkpoint(TRUNCATE)"):
                connection.cursor().execute(f"PRAGMA {pragma}")
    engine.dispose()


@contextmanager
def read_only(engine: Engine) -> Iterator[Connection]:
    """A transaction for reading; takes no write lock. For one view of all its statements, see one_view()."""
    with engine.connect().execution_options(digest_reading=True) as connection, connection.begin():
        yield connection


def one_view(engine: Engine) -> Engine:
    """The same engine, whose transactions see the database as it was at their first statement, as on SQLite anyway."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine


@contextmanager
def read_singly(engine: Engine) -> Iterator[Connection]:
    """For reading where each statement may see a newer state: without the two round trips of a transaction."""
    with engine.connect().execution_options(digest_reading=True) as connection:
        driver: Any = connection.connection.driver_connection
        # SQLite makes no round trips. Behind a pooler, the limits of patience.py need a transaction.
        if connection.dialect.name == "sqlite" or driver.prepare_threshold is None:
            yield connection
            return
        driver.autocommit = True  # SQLAlchemy's way to say so takes about as long as the transaction
        try:
            yield connection
        finally:
            if not driver.closed:
                driver.autocommit = False


def _json(stored: bytes) -> Any:
    # Most lists of preferences are empty: five for each subscriber, thousands of subscribers a second.
    return [] if stored == b"[]" else json.loads(str(stored, "utf-8"))


def _on_postgresql_connect(dbapi_connection: Any, _record: Any) -> None:
    # A pooler has a process number of its own. Behind it, each transaction may have another server connection, which
    # does not know the statements that psycopg prepared.
    if dbapi_connection.info.backend_pid != dbapi_connection.execute("SELECT pg_backend_pid()").fetchone()[0]:
        dbapi_connection.prepare_threshold = None
    else:  # so that instants come in UTC, as Instant returns them
        dbapi_connection.execute("SET TIME ZONE 'UTC'")
    # Quoting each text of an array takes longer than all other work on it.
    from psycopg.types.array import ListBinaryDumper

    dbapi_connection.adapters.register_dumper(list, ListBinaryDumper)
    dbapi_connection.commit()


def _expect_open(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    # An idle connection has something to read once the server has closed it, as in a restart. Asking the server instead
    # (pool_pre_ping) takes about as long as the query of a page.
    waiting = select.poll()
    waiting.register(dbapi_connection, select.POLLIN)
    if waiting.poll(0):
        raise DisconnectionError("the server has closed this connection")


def _sqlite(url: URL, create: bool, patience: float) -> Engine:
    is_file = url.database and url.database != ":memory:" and not url.database.startswith("file:")
    file = Path(url.database) if url.database and is_file else None
    if file and create:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite would let others read it
    pool = {"pool_timeout": patience} if file else {}  # in memory there is one connection a thread, without a queue
    engine = create_engine(url, connect_args={"timeout": patience}, hide_parameters=True, **pool)
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _begin_immediate)
    if file:
        event.listen(engine, "do_connect", partial(_expect_file, file))
    return engine


def _expect_file(file: Path, *_arguments: Any) -> None:
    if not file.exists():
        raise sqlite3.OperationalError(f"{NO_DATABASE} {file}")


def _on_sqlite_connect(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
    # We say BEGIN ourselves, below.
    dbapi_connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and writes later gets SQLITE_BUSY at once, whatever the busy timeout says; one that
    # takes the write lock at its start waits its turn.
    reads = connection.get_execution_options().get("digest_reading", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
