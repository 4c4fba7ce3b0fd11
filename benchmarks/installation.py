"""The installation that is measured: its settings, processes and ledger."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import world
from benchmarks.proc import children
from digest import clock, hints
from digest.run import processes
from digest.settings import PREFIX, Settings

_REPOSITORY = Path(__file__).parents[1]
_WAITING = """
    SELECT EXISTS (SELECT FROM deliveries WHERE state IN ('claimed', 'sending'))
        OR EXISTS (SELECT FROM deliveries WHERE state IN ('queued', 'uncertain') AND issue_id IS NOT NULL
                   AND (state = 'queued' OR %s))
"""


def progress(line: str) -> None:
    """Print a line of progress on stderr."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def own_folder(keep: bool = False) -> Iterator[Path]:
    """Use a temporary working directory, so that no .env next to the sources is read, and remove DIGEST_ variables
    of the caller.
    """
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    folder, before = Path(tempfile.mkdtemp(prefix="digest-bench-")), Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
        if keep:
            progress(f"logs are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Installation:
    """Processes of `digest` with the same settings. `tend` restarts them as a supervisor does."""

    folder: Path
    settings: Mapping[str, Any]  # name of the setting without its prefix → value
    programs: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    may_jump: bool = False  # a clock that can be moved is read from a file at each use

    def __post_init__(self) -> None:
        self._clock = self.folder / "clock"
        self._ahead = timedelta(0)

    def read_settings(self) -> Settings:
        """The same settings for this process."""
        as_text: dict[str, Any] = {name: str(value) for name, value in self.settings.items()}
        return Settings(**as_text)

    def start(self, name: str, part: str) -> None:
        """Start `digest <part>`, under the name `name`."""
        self._start(name, self._command(part))

    def start_module(self, name: str, module: str, *arguments: str) -> None:
        """Start a module of the benchmarks, under the name `name`."""
        self._start(name, [sys.executable, "-m", module, *arguments])

    def _start(self, name: str, command: list[str | Path]) -> None:
        environment = self._environment() | {"PYTHONPATH": _python_path()}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.programs[name] = processes.start(command, environment=environment, output=log)

    def end(self, name: str) -> None:
        """End one of them."""
        processes.stop(self.programs.pop(name))

    def digest(self, *arguments: str) -> bytes:
        """Run a command of `digest` and return its output."""
        command = self._command(*arguments)
        return subprocess.run(command, env=self._environment(), check=True, capture_output=True).stdout

    def _command(self, *arguments: str) -> list[str | Path]:
        return [Path(sys.executable).with_name("digest"), *arguments]

    def _environment(self) -> dict[str, str]:
        ours = {PREFIX + setting.upper(): str(value) for setting, value in self.settings.items()}
        return os.environ | ours | ({clock.CLOCK_FILE: str(self._clock)} if self.may_jump else {})

    def jump(self, minutes: int) -> None:
        """Move the clock of all processes, if it `may_jump`, to the next attempt of deferred messages."""
        self._ahead += timedelta(minutes=minutes)
        clock.move_to(datetime.now(UTC) + self._ahead, self._clock)

    def tend(self) -> None:
        """Restart the processes that have ended."""
        for name, process in self.programs.items():
            if process.poll() is not None:
                self.start(name, name.partition("-")[0])

    def stop(self) -> None:
        """End all of them in order."""
        for process in self.programs.values():
            processes.ask_to_stop(process)
        for process in self.programs.values():
            processes.wait_for_end(process, 20)
        self.programs.clear()

    def workers(self) -> dict[int, list[int]]:
        """The living workers: process of each `digest worker` → its pool."""
        alive = [
            program.pid
            for name, program in self.programs.items()
            if name.startswith("worker") and program.poll() is None
        ]
        return {pid: children(pid) for pid in alive}

    def hint(self, mails: int) -> None:
        """Hint the workers as the scheduler's sweep would: at most 32 times."""
        hints.hint(self.settings["redis_url"], min(32, -(-mails // 500)))

    def is_busy(self, held: bool = False) -> bool:
        """True if messages are left to send; with `held`, uncertain ones do not count."""
        with psycopg.connect(self.settings["database_url"], autocommit=True) as connection:
            return self.asks(connection, held)

    def asks(self, connection: "psycopg.Connection[Any]", held: bool = False) -> bool:
        """The same over an open connection."""
        in_doubt = "FALSE" if held else "finished_at IS NULL"
        row = connection.execute((_WAITING % in_doubt).encode()).fetchone()
        return bool(row and row[0])

    def in_doubt(self) -> set[str]:
        """The subscribers whose message is uncertain, by the ledger."""
        query = b"SELECT email FROM deliveries JOIN subscribers s ON s.id = subscriber_id WHERE state = 'uncertain'"
        with psycopg.connect(self.settings["database_url"]) as connection:
            return {str(email) for (email,) in connection.execute(query)}

    def states(self) -> dict[str, int]:
        """The number of messages in each state."""
        query = b"SELECT state, count(*) FROM deliveries WHERE issue_id IS NOT NULL GROUP BY state"
        with psycopg.connect(self.settings["database_url"]) as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}


def settings(folder: Path, database: str, broker: str, smtp_port: int, **others: Any) -> dict[str, Any]:
    """Settings that send to a local SMTP port and read no sources."""
    return {
        "data_dir": folder / "data",
        "database_url": database,
        "redis_url": broker,
        "smtp_url": f"smtp://{processes.LOOPBACK}:{smtp_port}",
        "secret_key": world.SECRET,
        "public_url": "https://papers.example.org",
        "mail_from": "Daily Papers <papers@example.org>",
        "postal_address": "1 Lab Street, Ghent",
        "sources": "huggingface",
        "huggingface_url": f"http://{processes.LOOPBACK}:9",  # nobody listens
        "cut_at": "23:59",  # the scheduler leaves that to the benchmark
        "overdue_hours": 240,
    } | others


class RecordingProcess:
    """The recording mail server, as a process."""

    def __init__(self, folder: Path, name: str = "mail-server", **manner: float) -> None:
        self.log = folder / f"{name}.tsv"
        self.port = processes.free_port()
        self.log.touch()
        switches = [text for switch, value in manner.items() for text in (f"--{switch}", str(value))]
        address = ["--port", str(self.port), "--log", str(self.log)]
        with (folder / f"{name}.log").open("ab") as output:
            self._process = processes.start(
                [sys.executable, "-m", "benchmarks.recording_server", *address, *switches],
                environment=os.environ | {"PYTHONPATH": _python_path()},
                output=output,
            )
        self._lines = self._read = 0
        if not processes.wait_until(lambda: processes.answers(self.port), seconds=20):
            raise RuntimeError(
                f"the recording mail server does not start: {(folder / f'{name}.log').read_text()[-500:]}"
            )

    def taken(self) -> int:
        """The number of messages taken."""
        with self.log.open("rb") as lines:
            lines.seek(self._read)
            while portion := lines.read(1 << 20):
                self._lines += portion.count(b"\n")
                self._read += len(portion)
        return self._lines

    def hurry(self) -> None:
        """Reply without delay from now on."""
        self._tell(signal.SIGUSR1)

    def slow_down(self) -> None:
        """Take five times as long to reply from now on."""
        self._tell(signal.SIGUSR2)

    def _tell(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def stop(self) -> None:
        """End it."""
        processes.stop(self._process)


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(_REPOSITORY), os.environ.get("PYTHONPATH", ""))))
