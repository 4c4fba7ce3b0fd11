"""Fixtures that run `digest` in a new process or in this process."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from digest.cli.main import main
from digest.run import processes
from digest.settings import FILE_VARIABLE, settings
from tests.support.forks import Fork, ForkServer
from tests.support.servers_used import ran_on

Started = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path_factory.mktemp("forks"))
    yield server
    server.stop()


@pytest.fixture
def start_digest(request: pytest.FixtureRequest, tmp_path: Path, fork_server: ForkServer) -> Iterator[Started]:
    """`start_digest("worker", …)` runs `digest worker …` with this test's environment; stopped after the test."""
    running: list[Fork] = []

    def start(*arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        if arguments[0] == "worker":
            ran_on(request, "Celery worker processes")
        log = tmp_path / f"{arguments[0]}-{len(running)}.log"
        running.append(fork_server.start(arguments, {**os.environ, **environment}, log))
        return running[-1]

    yield start
    for process in reversed(running):
        processes.stop(process)


@contextmanager
def umask_as_it_was() -> Iterator[None]:
    """Restore the umask: a command sets it for its process, which runs all tests."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`command("audit", …)` runs `digest audit …` in this process: its exit code, and what it prints."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        with monkeypatch.context() as patch:
            patch.setenv(FILE_VARIABLE, "")  # recorded, so that changes by --env-file are undone
            patch.delenv(FILE_VARIABLE)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", ["digest", *arguments])
            settings.cache_clear()
            capsys.readouterr()
            with pytest.raises(SystemExit) as end, umask_as_it_was():
                main()
        settings.cache_clear()
        printed = capsys.readouterr()
        code = end.value.code or 0
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, printed.out, printed.err)

    return run
