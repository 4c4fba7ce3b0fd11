"""Postfix's smtp-sink and smtp-source: those of this machine, or unpacked without installing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from digest.run import processes

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec/postfix")
_MESSAGES = (5_000, 50_000)  # of one reference run: with fewer, its start dominates


class ToolsMissing(Exception):
    """The tools are missing and cannot be fetched; the message says what to install."""


@dataclass(frozen=True)
class Tools:
    """The folders of the two programs and of their libraries ("" if those are installed)."""

    folder: Path
    libraries: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the programs."""
        return os.environ | {"LD_LIBRARY_PATH": self.libraries} if self.libraries else dict(os.environ)

    @contextmanager
    def sink(self) -> Iterator[int]:
        """Run a server that accepts and discards every message. Yields its port."""
        port = processes.free_port()
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        command: list[str | Path] = [self.folder / "smtp-sink", *account, f"127.0.0.1:{port}", "1000"]
        sink = processes.start(command, environment=self.environment, output=subprocess.DEVNULL)
        try:
            if not processes.wait_until(lambda: processes.answers(port), seconds=10):
                raise ToolsMissing("smtp-sink does not start on this machine")
            yield port
        finally:
            processes.stop(sink)

    def messages_per_second(self, port: int, sessions: int, messages: int, size: int) -> float:
        """The rate at which smtp-source sends `messages` of `size` bytes to `port` over `sessions` connections."""
        count = min(max(messages, _MESSAGES[0]), _MESSAGES[1])
        numbers = ["-s", str(sessions), "-m", str(count), "-l", str(size)]
        command: list[str | Path] = [self.folder / "smtp-source", "-d", *numbers, f"127.0.0.1:{port}"]
        began = monotonic()
        subprocess.run(command, env=self.environment, check=True, capture_output=True)
        return count / (monotonic() - began)


def find_tools() -> Tools:
    """The tools of this machine, or of Debian's package. Raises ToolsMissing."""
    search = os.pathsep.join([os.environ.get("PATH", ""), *_PLACES])
    if found := shutil.which("smtp-source", path=search):
        return Tools(Path(found).parent)
    unpacked = _cache() / "postfix"
    if not (unpacked / "usr/sbin/smtp-source").exists():
        _unpack(unpacked)
    return Tools(unpacked / "usr/sbin", str(unpacked / "usr/lib/postfix"))


def _unpack(folder: Path) -> None:
    print("fetching Debian's postfix for smtp-sink and smtp-source; it is unpacked, not installed", file=sys.stderr)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        subprocess.run(["apt-get", "download", "postfix"], cwd=part, check=True, capture_output=True)
        (package,) = part.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, part], check=True, capture_output=True)
    except (OSError, ValueError, subprocess.CalledProcessError):
        raise ToolsMissing(
            "smtp-sink and smtp-source are not here, and apt-get cannot fetch them: install postfix"
        ) from None
    part.replace(folder)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digest-benchmarks"
