"""Starts programs that never outlive this one, stops them, and finds free ports.

Each process has its own group, and the kernel ends it if we die (Linux).
"""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from digest.run.forks import Fork

LOOPBACK = "127.0.0.1"
_MANY_FILES = 20_000
_PR_SET_PDEATHSIG = 1  # prctl(2)

Output = int | IO[bytes] | None
Child = subprocess.Popen[bytes] | Fork


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    output: Output = None,
    account: str | None = None,
    end_by: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` with standard output and error sent to `output`, as user `account` if given.

    Call it from the main thread: the kernel sends `end_by` when the thread that started the program ends.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        process_group=0,  # so that Ctrl-C reaches us alone, and we stop the programs in order
        preexec_fn=_end_with_parent(end_by, os.getpid()),  # noqa: PLW1509 - it makes two system calls
        user=account,
        group="nogroup" if account else None,
        extra_groups=[] if account else None,
    )


def stop(process: Child, *, patience: float = 10.0, by: signal.Signals = signal.SIGTERM) -> int:
    """Stop `process` and its children, by force after `patience` seconds. Returns its exit code."""
    ask_to_stop(process, by)
    return wait_for_end(process, patience)


def ask_to_stop(process: Child, by: signal.Signals = signal.SIGTERM) -> None:
    """Send `by` to `process`, without waiting for its end."""
    if process.poll() is None:
        process.send_signal(by)


def wait_for_end(process: Child, patience: float) -> int:
    """Wait for `process` to stop, or kill it after `patience` seconds; then kill its group. Returns its exit code."""
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGKILL)
    code = process.wait()
    _signal_group(process, signal.SIGKILL)
    return code


def free_port() -> int:
    """A free TCP port of this machine."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True if a server could listen on `port` now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """True if something accepts connections on `port` of this machine."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def raise_file_limit() -> None:
    """Allow this process as many open files as the system lets it, within reason."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY_FILES if most == resource.RLIM_INFINITY else min(most, _MANY_FILES)
    if wanted > file_limit():
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def file_limit() -> int:
    """The number of files and sockets that this process may have open."""
    current, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY_FILES if current == resource.RLIM_INFINITY else current


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.02) -> bool:
    """Wait up to `seconds` for `condition`. Returns whether it became true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when the thread that started it ends (Linux); at once if `parent` has ended."""
    if ask := _end_with_parent(signal.SIGTERM, os.getppid() if parent is None else parent):
        ask()


def _end_with_parent(end_by: signal.Signals, parent: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def in_the_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(end_by))
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), end_by)

    return in_the_child


def _signal_group(process: Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
