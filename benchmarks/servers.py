"""The real servers of a benchmark: PostgreSQL with fsync on, and Valkey; each can be killed and started again."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psycopg
import redis
from sqlalchemy.engine import URL

from benchmarks.proc import children
from digest.database.migrate import migrate
from digest.run import processes
from digest.run.embedded import NoBroker, valkey_command
from tests.support import servers as for_tests

S = TypeVar("S", bound="Server")
_TRIES = 50  # to start
_MEMORY = "256MB"  # shared_buffers: its default is for a small machine of long ago


class ServerMissing(Exception):
    """This machine lacks a server, or it does not start; the message says which."""


class Server:
    """A program that serves until it is stopped or killed, and can be started again."""

    def __init__(self, launch: Callable[[], "subprocess.Popen[bytes]"], answers: Callable[[], bool]) -> None:
        self._launch = launch
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServerMissing."""
        for _ in range(_TRIES):  # after a kill PostgreSQL refuses until the last of its children is gone
            self._process = self._launch()
            processes.wait_until(lambda: self._answers() or self._has_ended(), seconds=60)
            if not self._has_ended():
                return
            time.sleep(0.2)
        raise ServerMissing("a server does not start")

    def kill(self) -> None:
        """SIGKILL to it and to whatever it started."""
        assert self._process is not None
        for pid in (self._process.pid, *children(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            processes.stop(self._process, by=signal.SIGINT)  # on SIGTERM PostgreSQL waits for its clients to leave

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


class Postgres(Server):
    """A cluster of our own."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        super().__init__(self._serve, lambda: _takes_clients(self.url_of("postgres")))
        self._binaries = binaries
        self._folder = folder

    def url_of(self, database: str) -> str:
        """The address of one database."""
        url = URL.create("postgresql", username="postgres", database=database, query={"host": str(self._folder)})
        return url.render_as_string(hide_password=False)

    def make(self, database: str, like: str = "") -> str:
        """A fresh, migrated database, or a copy of `like`; its address. One of that name is dropped first."""
        template = f'TEMPLATE "{like}" STRATEGY file_copy' if like else ""
        self.run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)', f'CREATE DATABASE "{database}" {template}')
        if not like:
            migrate(self.url_of(database))
        return self.url_of(database)

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements, each by itself."""
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _serve(self) -> "subprocess.Popen[bytes]":
        place = ["-D", str(self._folder / "data"), "-k", str(self._folder), "-h", ""]
        command: list[str | Path] = [self._binaries / "postgres", *place, "-c", f"shared_buffers={_MEMORY}"]
        with (self._folder / "log").open("ab") as log:
            return processes.start(command, output=log, account=for_tests._account(), end_by=signal.SIGINT)


class Broker(Server):
    """A Valkey of our own, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = processes.free_port()
        command = valkey_command(self.port, folder)
        super().__init__(
            lambda: processes.start(command, output=subprocess.DEVNULL), lambda: processes.answers(self.port)
        )

    @property
    def url(self) -> str:
        """For DIGEST_REDIS_URL."""
        return f"redis://{processes.LOOPBACK}:{self.port}/0"

    def forget(self) -> None:
        """FLUSHALL."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A PostgreSQL with everything but its memory at the defaults. Raises ServerMissing."""
    folder = for_tests._folder_of(for_tests._account())
    try:
        binaries = for_tests._reachable(for_tests._postgres_binaries(), folder)
        for_tests._run_as_account(
            [binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        )
        yield from _running(Postgres(binaries, folder))
    except for_tests.ServerMissing as error:
        raise ServerMissing(str(error)) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_broker() -> Iterator[Broker]:
    """A Valkey or Redis. Raises ServerMissing."""
    with tempfile.TemporaryDirectory(prefix="digest-valkey-") as folder:
        try:
            broker = Broker(Path(folder))
        except NoBroker as error:
            raise ServerMissing(str(error)) from None
        yield from _running(broker)


def _running(server: S) -> Iterator[S]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _takes_clients(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=5):
        return True
    return False
