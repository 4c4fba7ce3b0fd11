"""Runs programs as forks of this process, so that they share the memory of imported modules (Linux).

A fork is a process like any other: it has its own group, ends by itself, and is started again. Only its code is shared
with the other processes.
"""

import atexit
import contextlib
import ctypes
import gc
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

CAN_FORK = sys.platform.startswith("linux")  # elsewhere, system libraries do not support it
_LOOK_SECONDS = 0.05


class Fork:
    """A child process, with the part of subprocess.Popen that the supervisor needs."""

    stdout: IO[bytes] | None = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or minus the number of the signal that ended it; None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() >= end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(_LOOK_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def fork_module(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], in_child: Callable[[], object]
) -> Fork:
    """Run `python -m module arguments…` in a fork of this process, with its standard output and error.

    `in_child` forgets what this process has read from its own environment. Call it from the main thread, with no
    connection open, and with no other thread that imports or computes.
    """
    gc.collect()
    gc.freeze()  # garbage collection in a child would write to all shared memory
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about threads: they only pass on lines of other programs
        pid = os.fork()
    if pid:
        return Fork(pid)
    code = 1
    try:
        _become_own_process(parent)
        os.environ.clear()
        os.environ.update(environment)
        in_child()
        code = _run(module, arguments)
    except BaseException:  # noqa: BLE001 - the child must never continue with the code of the parent
        traceback.print_exc()
    finally:
        _end(code)


def _become_own_process(parent: int) -> None:
    from digest.run.processes import end_with_parent

    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(parent)
    atexit._clear()
    logging.root.handlers.clear()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for name in list(Path("/proc/self/fd").iterdir()):
        if int(name.name) > sys.__stderr__.fileno():  # type: ignore[union-attr]
            with contextlib.suppress(OSError):
                os.close(int(name.name))
    # New streams: a thread of the parent may have held the locks of the old ones.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _run(module: str, arguments: Sequence[str]) -> int:
    """Run the module, and return its exit code."""
    _show_in_lists([module, *arguments])
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _end(code: int) -> NoReturn:
    """End like an interpreter, without unwinding the parent's part of the stack."""
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _show_in_lists(words: Sequence[str]) -> None:
    """Write the command where ps(1) reads it, over the parent's, cut to the length of that."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, proc(5)
        text = b"".join(word.encode() + b"\0" for word in words)
        if 0 < start < end:
            ctypes.memmove(start, text[: end - start - 1].ljust(end - start, b"\0"), end - start)
