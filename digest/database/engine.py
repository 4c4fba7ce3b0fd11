"""The engine and the transaction. Comes in: a database address. Goes out: connections safe for many processes."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import InterfaceError, OperationalError

log = structlog.get_logger()

T = TypeVar("T")


def connect(url: str) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`. Raises ValueError for any other database.

    Its errors leave out the values of a statement, which may contain a subscriber's address.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_use_lifo=True,
            hide_parameters=True,
            json_deserializer=_json,
        )
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    raise ValueError(f"{parsed.get_backend_name()} is not supported; use postgresql:// or sqlite:///")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises."""
    with engine.begin() as connection:
        yield connection


def retry_transaction(engine: Engine, work: Callable[[Connection], T], seconds: float = 900) -> T:
    """`work` in a transaction, again each second while the database is away: what it stores has happened already.

    Raises sqlalchemy.exc.OperationalError when the database stays away for so many seconds.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            with transaction(engine) as connection:
                return work(connection)
        except (OperationalError, InterfaceError) as problem:
            if time.monotonic() > until:
                raise
            log.warning("the database is away; waiting for it", problem=type(problem.orig).__name__)
            time.sleep(1)


@contextmanager
def read_only(engine: Engine) -> Iterator[Connection]:
    """One consistent view for reading; takes no write lock."""
    with engine.connect().execution_options(digest_reading=True) as connection, connection.begin():
        yield connection


def _json(stored: bytes) -> Any:
    # Most lists of preferences are empty: five for each subscriber, thousands of subscribers a second.
    return [] if stored == b"[]" else json.loads(str(stored, "utf-8"))


def _sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _on_sqlite_connect(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
    # We say BEGIN ourselves, below.
    dbapi_connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and writes later gets SQLITE_BUSY at once, whatever the busy timeout says; one that
    # takes the write lock at its start waits its turn.
    reads = connection.get_execution_options().get("digest_reading", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
