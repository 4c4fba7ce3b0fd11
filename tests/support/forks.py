"""Starts programs of Digest as forks of a process that has imported everything, which saves two seconds for each."""

import gc
import importlib
import json
import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from digest.run import processes
from digest.settings import PREFIX, settings

ROOT = Path(__file__).parents[2]
# Modules of `workers` that read the settings while they are imported are left to the fork.
IMPORTED = (
    "celery.apps.worker", "celery.bin.worker", "celery.concurrency.prefork", "celery.worker.strategy",
    "digest.cli.main", "digest.mail.delivery.worker", "digest.monitoring.threads", "digest.web.app",
    "digest.web.page_cache.editions", "digest.wiring", "psycopg", "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite", "uvicorn.protocols.http.h11_impl", "workers.rate", "workers.transport",
    "apscheduler.schedulers.background",
)  # fmt: skip


# --- in the tests ---


class Fork(subprocess.Popen[bytes]):
    """A program that runs as a grandchild; its parent reports how it ended."""

    _child_created = False  # the parent waits for it, so this object must not

    def __init__(self, server: Path, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        log.touch()
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(server))
        order = {"arguments": arguments, "environment": dict(environment), "folder": str(Path.cwd()), "log": str(log)}
        self._connection.sendall(json.dumps(order).encode() + b"\n")
        self.args: Any = arguments
        self.returncode: int | None = None  # type: ignore[assignment]
        self.pid = int(self._connection.recv(100))

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(100))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None


class ForkServer:
    """A server that starts with the first program and stops with the session."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Fork:
        """Start `digest` with these arguments, in the folder of this process."""
        if self._process is None:
            command = [sys.executable, "-m", "tests.support.forks", self._socket]
            kept = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
            output = self._socket.with_name("log")
            with output.open("wb") as file:
                server = processes.start(command, environment=kept | {"PYTHONPATH": str(ROOT)}, output=file)
            processes.wait_until(lambda: self._socket.exists() or server.poll() is not None, seconds=180)
            assert self._socket.exists(), output.read_text()
            self._process = server
        return Fork(self._socket, list(arguments), environment, log)

    def stop(self) -> None:
        if self._process is not None:
            processes.stop(self._process)


# --- in the server ---


def serve(path: Path) -> dict[str, Any]:
    """Fork for each order, and report ends. Returns the order in the fork, and never in the server."""
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as waiting:
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)
        waiting.register(listener, selectors.EVENT_READ)
        running: dict[int, tuple[int, socket.socket]] = {}  # by pidfd
        while True:
            for key, _ in waiting.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    order = json.loads(connection.makefile("rb").readline())
                    pid = os.fork()
                    if pid == 0:
                        connection.close()
                        for fd, (_, other) in running.items():
                            os.close(fd)
                            other.close()
                        return dict(order)
                    fd = os.pidfd_open(pid)
                    running[fd] = pid, connection
                    waiting.register(fd, selectors.EVENT_READ)
                    connection.sendall(str(pid).encode())
                else:
                    fd = key.fd
                    waiting.unregister(fd)
                    pid, connection = running.pop(fd)
                    _, status = os.waitpid(pid, 0)
                    os.close(fd)
                    with suppress(OSError), connection:
                        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def become(order: dict[str, Any]) -> None:
    """Make this fork like a program started in the tests' environment."""
    os.setpgid(0, 0)
    processes.end_with_parent()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    sys.argv[:] = [str(Path(sys.executable).with_name("digest")), *order["arguments"]]


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    from digest.cli.main import main

    assert settings.cache_info().currsize == 0, "an imported module has read the settings of the wrong process"
    gc.freeze()
    become(serve(Path(sys.argv[1])))
    main()
