"""Limits the waiting for PostgreSQL: a page gives up locked, busy and frozen servers, the server a silent worker."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import IdleInTransactionSessionTimeout, _WaitTimeout
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError

RV = TypeVar("RV")

# A statement of a page takes milliseconds; the server cancels it after this many times the patience for a lock.
_STATEMENT = 2
# A server that says nothing for longer than it may work on a statement is frozen, or its network is gone.
_SILENCE = 2.5
_CHECK_SECONDS = 0.1  # for Ctrl-C, as psycopg does
_CONNECT_SECONDS = 2  # psycopg's least
# Between two statements of a transaction a worker or scheduler computes for seconds at most.
SILENT_SECONDS = 60.0


def limit_waiting(engine: Engine, patience: float) -> None:
    """Give up a lock or a connection after `patience` seconds, a statement after twice that.

    While the server does not answer, most threads fail at once; one at a time tries to connect.
    """
    event.listen(engine, "do_connect", _Door(patience))
    settings = {"lock_timeout": patience, "statement_timeout": patience * _STATEMENT}
    values = ", ".join(f"set_config('{name}', '{seconds * 1000:.0f}', %s)" for name, seconds in settings.items())

    def of_the_session(connection: psycopg.Connection[Any], _record: object) -> None:
        # Behind a pooler, which has no prepared statements, another program may get the session.
        if connection.prepare_threshold is not None:
            connection.execute(f"SELECT {values}".replace("%s", "false").encode())
            connection.commit()

    def of_the_transaction(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if driver.prepare_threshold is None:
            connection.exec_driver_sql(f"SELECT {values}".replace("%s", "true"))

    event.listen(engine, "connect", of_the_session)
    event.listen(engine, "begin", of_the_transaction)


def roll_back_when_silent(engine: Engine) -> None:
    """Let PostgreSQL end a transaction that goes on for a minute without a statement: others wait for its locks.

    Its program is stopped, or its machine is gone. If the program goes on, it finds the database away for a moment.
    """

    def of_the_session(connection: psycopg.Connection[Any], _record: object) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = {SILENT_SECONDS * 1000:.0f}".encode())
        connection.commit()

    def as_outage(error: ExceptionContext) -> OperationalError | None:
        ended = error.original_exception
        is_silence = isinstance(ended, IdleInTransactionSessionTimeout)  # to psycopg an internal error
        return OperationalError(error.statement, None, ended) if is_silence else None

    event.listen(engine, "connect", of_the_session)
    event.listen(engine, "handle_error", as_outage)


class _Door:
    """Opens connections. After a failure it stays shut for a moment, then one thread at a time tries again."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._shut_until: float | None = None
        self._trial = threading.Lock()

    def __call__(self, _dialect: object, _record: object, arguments: Any, options: dict[str, Any]) -> "_Impatient":
        if self._shut_until is None:
            return self._open(arguments, options)
        if time.monotonic() < self._shut_until or not self._trial.acquire(blocking=False):
            raise psycopg.OperationalError("the database did not answer a moment ago")
        try:
            return self._open(arguments, options)
        finally:
            self._trial.release()

    def shut(self) -> None:
        self._shut_until = time.monotonic() + self._patience

    def _open(self, arguments: Any, options: dict[str, Any]) -> "_Impatient":
        try:
            connection = _Impatient.connect(*arguments, **{"connect_timeout": _CONNECT_SECONDS, **options})
        except psycopg.OperationalError:
            self.shut()
            raise
        self._shut_until = None
        connection.limit(self._patience * _SILENCE, self.shut)
        return connection


class _Impatient(psycopg.Connection[Any]):
    """A connection that gives up a server that does not answer, since its thread would never come back."""

    _silence: float | None = None
    _report: Callable[[], None]

    def limit(self, silence: float, report: Callable[[], None]) -> None:
        self._silence, self._report = silence, report

    def wait(self, gen: PQGen[RV], interval: float = _CHECK_SECONDS, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, timeout or self._silence)
        except _WaitTimeout:
            self._report()
            self.pgconn.finish()
            raise psycopg.OperationalError("the database does not answer") from None
