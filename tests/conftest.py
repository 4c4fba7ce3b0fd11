"""Fixtures for every test: databases, broker and mail server are real, and the network ends at this machine."""

import gc
import logging
import os
import shutil
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import structlog
from anyio.from_thread import start_blocking_portal
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest import clock as the_clock
from digest.database.engine import connect
from digest.settings import PREFIX, settings
from digest.settings.secrets import generate_secret
from digest.smtp import is_loopback
from tests.support import servers
from tests.support.chromium import MISSING, SharedChromium, find_chromium
from tests.support.collected import longest_first, second_runs
from tests.support.compiled import compile_once
from tests.support.servers_used import Tally, ran_on
from tests.support.smtp_server import SmtpServer

pytest_plugins = ("tests.support.commands",)

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failure")
    parser.addoption("--both-databases", action="store_true", help="run tests of pages and commands on both")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a test that waits for a program, a browser or a time-out needs none."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(200_000, 20, 20)  # whatever is imported and collected stays to the end
    # A busy machine must not fail a property test (pytest-timeout ends what hangs). `make fuzz` takes the second.
    for name, examples in (("suite", 60), ("many", 2_000)):
        hypothesis.settings.register_profile(name, deadline=None, max_examples=examples)
    hypothesis.settings.load_profile(config.getoption("--hypothesis-profile") or "suite")
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", servers.room())
    config.pluginmanager.register(Tally(), "tally")
    compile_once()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not (config.getoption("--both-databases") or any("::" in argument for argument in config.args)):
        left_out = second_runs(items)
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=[*left_out])
    items[:] = longest_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_collection_finish() -> None:
    """Spare the garbage collector all modules and tests, which it would look through again and again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


# --- every test ---


@pytest.fixture(scope="session")
def data_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a secret, to be copied for each test."""
    folder = tmp_path_factory.mktemp("template") / "data"
    generate_secret(folder / "secret_key")
    return folder


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Close what a command opened that ran in this process without main(), which would do it."""
    yield
    if lookup := sys.modules.get("digest.cli.lookup"):
        lookup.opened.close()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_template: Path) -> Iterator[None]:
    """Hide the caller's settings, and write only to the test's folder."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DIGEST_DATA_DIR", str(shutil.copytree(data_template, tmp_path / "data")))
    monkeypatch.chdir(tmp_path)  # a .env next to the sources is not read either
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that a test ran in this process set up the logs for itself, on streams that are gone after it."""
    handlers = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.captureWarnings(False)


@pytest.fixture(autouse=True)
def closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections beyond this machine are refused."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _loopback_only(getattr(socket.socket, name)))


def _loopback_only(original: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and not is_loopback(str(address[0])):
            raise PermissionError(f"a test tried to connect to {address[0]}")
        return original(self, address)

    return guarded


@pytest.fixture(autouse=True)
def counted_by_marker(request: pytest.FixtureRequest) -> None:
    """Mark the tests that drive a browser."""
    if request.node.get_closest_marker("browser"):
        ran_on(request, "a browser")


@pytest.fixture(scope="session", autouse=True)
def one_event_loop() -> Iterator[None]:
    """All apps of a process answer on one event loop; else each request to one that was not started makes its own."""
    with start_blocking_portal() as portal:
        TestClient.portal = portal
        yield
        TestClient.portal = None


# --- databases ---


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Databases]:
    try:
        with servers.running_postgres() as server:
            yield server
    except servers.ServerMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return servers.migrated_sqlite(tmp_path_factory.mktemp("template"))


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh, migrated SQLite database."""
    ran_on(request, "SQLite")
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'test.sqlite')}"


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest, postgres: servers.Databases) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    ran_on(request, f"PostgreSQL {postgres.version}")
    with postgres.database(f"test_{uuid.uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database, once of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh, migrated database, once of each kind."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


# --- broker, mail server, browser ---


@pytest.fixture(scope="session")
def broker() -> Iterator[servers.Broker]:
    try:
        with servers.running_broker() as server:
            yield server
    except servers.ServerMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, broker: servers.Broker) -> str:
    """An empty Valkey or Redis, for DIGEST_REDIS_URL."""
    ran_on(request, broker.version)
    servers.empty(broker.url)
    return broker.url


@pytest.fixture
def smtp_server(request: pytest.FixtureRequest) -> Iterator[SmtpServer]:
    """An SMTP server that stores what it accepts; tests/support/smtp_server.py explains how to make it refuse."""
    ran_on(request, "a real SMTP server")
    server = SmtpServer()
    server.start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def shared_chromium() -> Iterator[SharedChromium]:
    path = find_chromium()
    if not path:
        pytest.skip(MISSING)
    with SharedChromium(path) as shared:
        yield shared


@pytest.fixture
def chromium(shared_chromium: SharedChromium) -> "Iterator[Browser]":
    """A browser without any page open, started once a session; mark its tests with `browser`."""
    with shared_chromium.browser() as browser:
        yield browser


# --- time and data ---


class Clock:
    """Moves the clock of this test and of every process that it starts."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def move_to(self, instant: datetime) -> None:
        the_clock.move_to(instant, self._file)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    """The one clock, to be moved."""
    file = tmp_path / "clock"
    monkeypatch.setenv(the_clock.CLOCK_FILE, str(file))
    return Clock(file)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with recorded real data, next to the checkout."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the recorded data is not on this machine")
    return folder
