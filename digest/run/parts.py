"""Starts the parts of an installation under the supervisor: the broker, web, worker, scheduler."""

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from digest.run import processes
from digest.run.embedded import valkey_command
from digest.run.supervisor import Supervisor
from digest.settings import PREFIX

# Settings that may come from a *_FILE, which must not contradict an explicit value.
_FROM_FILES = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "SECRET_KEY")


class CannotStart(Exception):
    """Something prevents the start; the message says what to do."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Prevents a second supervisor in the same data folder. Raises CannotStart."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
    without = {f"{PREFIX}{name}_FILE" for name in _FROM_FILES if name.lower() in overrides}
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return inherited | {f"{PREFIX}{name.upper()}": str(value) for name, value in overrides.items()}


def start_broker(programs: Supervisor, folder: Path) -> str:
    """Start a Valkey; returns its address. Raises NoBroker."""
    port = processes.free_port()
    programs.start("valkey", valkey_command(port, folder), os.environ, others_rely_on_it=True)
    return f"redis://{processes.LOOPBACK}:{port}/0"


def start_digest(programs: Supervisor, part: str, environment: Mapping[str, str]) -> None:
    """Start `digest <part>`: web, worker or scheduler."""
    # -P: a file in the current folder must not hide an installed module.
    programs.start(part, [sys.executable, "-P", "-m", "digest", part], environment)


def wait_for_port(programs: Supervisor, port: int, seconds: float = 20.0) -> None:
    """Wait until a program answers on `port`. Raises ProgramEnded, or CannotStart after `seconds`."""

    def there() -> bool:
        programs.check()
        return processes.answers(port)

    if not processes.wait_until(there, seconds=seconds):
        raise CannotStart(f"nothing answered on port {port} within {seconds:.0f} s")
