"""The sign that a worker is alive: on PostgreSQL a session advisory lock, which the server frees when its process ends.

On SQLite all workers are on one machine, where the lock on their journal tells (mail/delivery/journal.py).
"""

import hashlib

from sqlalchemy import URL, Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError


class WorkerLock:
    """The sign of life of one worker; a connection of its own, kept open."""

    def __init__(self, engine: Engine, worker: str) -> None:
        self._engine = engine
        self._worker = worker
        self._connection: Connection | None = None

    def hold(self) -> None:
        """Take the token, and take it again after the database was away. Raises DBAPIError while it is."""
        if self._engine.dialect.name != "postgresql" or self._is_held():
            return
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(select(func.pg_advisory_lock(_key(self._worker))))
        self._connection = connection

    def _is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(select(1))
        except DBAPIError:
            self._connection.close()
            self._connection = None
            return False
        return True

    def release(self) -> None:
        """Let go, at the end of the process."""
        if self._connection is not None:
            self._connection.invalidate()  # the lock is the session's: it must not go back to the pool
            self._connection.close()
            self._connection = None


def direct_address(engine: Engine) -> str:
    """The server behind a pooler that gives each transaction another session, where no lock lasts; "" without one."""
    if engine.dialect.name != "postgresql":
        return ""
    session = select(func.pg_backend_pid())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as ours:
        before = ours.scalar(session)
        # A pooler may give this transaction the server session that `ours` used, or move `ours` to a new session.
        with engine.begin() as another:
            if before != another.scalar(session) and before == ours.scalar(session):
                return ""
            host, port, name = another.execute(
                select(
                    func.coalesce(func.host(func.inet_server_addr()), func.current_setting("unix_socket_directories")),
                    func.current_setting("port"),
                    func.current_database(),
                )
            ).one()
    by_socket = {"host": host.partition(",")[0], "port": port} if host.startswith("/") else {}
    address = URL.create("postgresql", database=name, query=by_socket)
    return str(address if by_socket else address.set(host=host, port=int(port)))


def is_gone(connection: Connection, worker: str) -> bool:
    """True if no process holds the lock of `worker`; always False on SQLite."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(_key(worker)))).scalar_one())


def _key(worker: str) -> int:
    return int.from_bytes(hashlib.sha256(worker.encode()).digest()[:8], "big", signed=True)
