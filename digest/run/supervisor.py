"""Starts the programs of an installation, restarts those that end, and stops all in order."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import structlog

from digest.run import processes

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_WAIT = 60.0  # seconds between two restarts
_PATIENCE = 30.0  # seconds for a program to end; a worker may have messages on the wire
_HEALTHY_AFTER = 60.0  # seconds; a program that ran longer restarts without delay

T = TypeVar("T")

log = structlog.get_logger()


class RunFailed(Exception):
    """A program ended, or a step after the start failed; the message says which."""


Start = Callable[[], processes.Child]


@dataclass
class _Program:
    name: str
    start: Start
    others_rely_on_it: bool
    process: processes.Child
    started_at: float = field(default_factory=time.monotonic)
    ends: int = 0
    restart_at: float | None = None


class Supervisor:
    """With `logs`, each program logs to a file there and is not restarted; without, its lines go to stderr."""

    def __init__(self, logs: Path | None = None) -> None:
        self._logs = logs
        self._programs: list[_Program] = []

    def __enter__(self) -> Self:
        # A closed terminal or a service manager stops the programs as Ctrl-C does. SIGINT is included because a shell
        # that starts this in the background ignores it.
        for number in _ENDS:
            signal.signal(number, signal.default_int_handler)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop every program, those that others rely on last. Ignores signals meanwhile."""
        for number in _ENDS:
            signal.signal(number, signal.SIG_IGN)
        for relied_on in (False, True):
            these = [program.process for program in self._programs[::-1] if program.others_rely_on_it is relied_on]
            for process in these:
                processes.ask_to_stop(process)
            for process in these:
                processes.wait_for_end(process, _PATIENCE)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        others_rely_on_it: bool = False,
        logs_its_name: bool = False,
    ) -> None:
        """Start `command` as `name`. A program that others rely on is stopped last. `logs_its_name`: in each line."""
        self.add(name, partial(self._launch, name, command, environment, logs_its_name), others_rely_on_it)

    def add(self, name: str, start: Start, others_rely_on_it: bool = False) -> None:
        """Start a program by calling `start`, now and whenever it has ended."""
        self._programs.append(_Program(name, start, others_rely_on_it, start()))

    def check(self) -> None:
        """Raises RunFailed when one of the programs has ended, with its last lines."""
        for program in self._programs:
            code = program.process.poll()
            if code is not None:
                raise RunFailed(f"{program.name} ended with {_in_words(code)}\n{self._last_lines(program.name)}")

    def wait_for(self, find: Callable[[], T | None], seconds: float, missing: str) -> T:
        """The first true result of `find`. Raises RunFailed when a program ends, or with `missing` after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            if result := find():
                return result
            time.sleep(0.05)
        raise self.failure(f"{missing} within {seconds:.0f} s")

    def failure(self, problem: str) -> RunFailed:
        """The error to raise for `problem`, with the folder of the logs."""
        return RunFailed(f"{problem}; the logs are in {self._logs}")

    def tend(self) -> None:
        """Restart programs that ended: at once, then after 1, 2, 4 … up to 60 seconds."""
        for program in self._programs:
            if program.restart_at is None and program.process.poll() is not None:
                self._note_end(program)
            elif program.restart_at is not None and time.monotonic() >= program.restart_at:
                self._restart(program)

    def _launch(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], logs_its_name: bool
    ) -> "subprocess.Popen[bytes]":
        if self._logs is not None:
            with (self._logs / f"{name}.log").open("ab") as log:
                return processes.start(command, environment=environment, output=log)
        process = processes.start(command, environment=environment, output=subprocess.PIPE)
        threading.Thread(target=_pass_on, args=("" if logs_its_name else name, process), daemon=True).start()
        return process

    def _note_end(self, program: _Program) -> None:
        lived = time.monotonic() - program.started_at
        program.ends = 1 if lived > _HEALTHY_AFTER else program.ends + 1
        wait = 0.0 if program.ends == 1 else min(2.0 ** (program.ends - 2), _LONGEST_WAIT)
        program.restart_at = time.monotonic() + wait
        code = _in_words(program.process.poll() or 0)
        log.warning("ended; it restarts", program=program.name, ended_with=code, in_seconds=round(wait))

    def _restart(self, program: _Program) -> None:
        processes.stop(program.process)  # its children
        program.process = program.start()
        program.started_at, program.restart_at = time.monotonic(), None

    def _last_lines(self, name: str) -> str:
        if self._logs is None:
            return ""
        lines = (self._logs / f"{name}.log").read_text(errors="replace").splitlines()[-12:]
        return "\n".join(f"  {line}" for line in lines)


def say(line: str) -> None:
    """One line for the operator."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _pass_on(name: str, process: "subprocess.Popen[bytes]") -> None:
    """Log each line of a program as an event of `name`; as it is if that is ""."""
    if process.stdout is not None:
        with process.stdout as lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                if name:
                    log.info("output", program=name, line=text)
                else:
                    say(text)


def _in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
