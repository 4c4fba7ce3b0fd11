"""Imports a list into an empty PostgreSQL, exports it, imports the export elsewhere, and exports that.

One row in ten is of each kind that an import treats differently: left, bounced, blocked, pending, with long lists of
interests; the others are confirmed. Each command runs in its own process. `--unconfirmed` imports without --consented,
so that everyone is asked to confirm.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import command
from benchmarks.installation import own_folder, progress
from benchmarks.proc import children, cpu_seconds, memory_mb, parent
from benchmarks.servers import Postgres, running_postgres

_SECRET = "a-secret-of-at-least-thirty-two-characters"
_HEADING = "email,status,keywords,topics,hour,zone,created_at,confirmed_at,suppressed\n"
_STATUS = {
    0: ("unsubscribed", ""),
    1: ("unsubscribed", "refused"),
    2: ("unsubscribed", "operator"),
    3: ("pending", ""),
}
_ZONES = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York")
_WORDS = ("graphs", "retrieval", "proofs", "robots", "speech", "vision", "safety", "agents", "scaling", "memory")
_DELETED = 50  # one person in this many was deleted after the first import


def main() -> None:
    """Measure, and print the results."""
    parser = command.command("imports", __doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--unconfirmed", action="store_true", help="everyone is asked to confirm")
    parser.add_argument("--once", action="store_true", help="only the first import and export")
    command.run(parser.parse_args(), measure, lambda results: results.get("same file", True))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with own_folder(options.keep) as folder, running_postgres() as server:
        listed = folder / "list.csv"
        _write(listed, options.rows, options.unconfirmed)
        results: dict[str, Any] = {"rows": options.rows, "megabytes": round(listed.stat().st_size / 1e6, 1)}
        first = _Site(server, folder, "first")
        consented = () if options.unconfirmed else ("--consented", "old list, 2026-03")
        if not options.once:
            results |= first.timed("dry run", "subscribers", "import", listed, *consented, "--dry-run")
        results |= first.timed("import", "subscribers", "import", listed, *consented)
        _delete_some(first.url)
        results |= first.timed("export", "subscribers", "export", to=folder / "first.csv")
        if options.once:
            return results
        second = _Site(server, folder, "second")
        results |= second.timed("import of export", "subscribers", "import", folder / "first.csv")
        results |= second.timed("export again", "subscribers", "export", to=folder / "second.csv")
        same = len({hashlib.sha256((folder / f"{name}.csv").read_bytes()).hexdigest() for name in ("first", "second")})
        return results | {"same file": same == 1}


class _Site:
    """An installation to run commands in."""

    def __init__(self, server: Postgres, folder: Path, name: str) -> None:
        self.url = server.make(name)
        self._folder = folder
        with psycopg.connect(self.url) as connection:
            self._server = parent(connection.info.backend_pid)
        self._environment = os.environ | {"DIGEST_DATABASE_URL": self.url, "DIGEST_SECRET_KEY": _SECRET}

    def timed(self, what: str, *arguments: object, to: Path | None = None) -> dict[str, Any]:
        """Run a command. Returns its seconds, its CPU seconds, those of PostgreSQL, and its peak memory."""
        program = [str(Path(sys.executable).with_name("digest")), *map(str, arguments)]
        before, begun = cpu_seconds(self._server), time.monotonic()
        with (to or self._folder / "output").open("wb") as output:
            process = subprocess.Popen(program, stdout=output, env=self._environment)
            client, peak = 0.0, 0.0
            while process.poll() is None:
                client = max(client, cpu_seconds(process.pid))
                peak = max([peak, *(memory_mb(pid)[1] for pid in (process.pid, *children(process.pid)))])
                time.sleep(0.2)
        seconds = time.monotonic() - begun
        progress(f"{what}: {seconds:.1f} s, exit code {process.returncode}")
        server = cpu_seconds(self._server) - before
        return {
            f"{what}, s": round(seconds, 1),
            f"{what}, CPU s": f"{client:.1f} + {server:.1f}",
            f"{what}, peak MB": round(peak),
        }


def _write(file: Path, rows: int, unconfirmed: bool) -> None:
    with file.open("w") as output:
        output.write(_HEADING)
        for number in range(rows):
            status, reason = ("", "") if unconfirmed else _STATUS.get(number % 10, ("confirmed", ""))
            words = [_WORDS[number // step % 10] + str(number // step % 97) for step in (1, 7, 63)]
            keywords = f'"{", ".join(words)}"' if number % 10 == 4 else ""
            zone = _ZONES[number % len(_ZONES)]
            when = f"2026-01-{number % 28 + 1:02}T03:04:05+00:00"
            output.write(
                f"s{number}.{words[0]}@mail{number % 5000}.example.com,{status},{keywords},language-models,"
                f"{number % 24},{zone},{when},{when if status == 'confirmed' else ''},{reason}\n"
            )


def _delete_some(url: str) -> None:
    """Delete some people; their suppressions stay."""
    with psycopg.connect(url) as connection:
        gone = "key IN (SELECT key FROM suppressions) AND id %% %s = 2"
        connection.execute(f"DELETE FROM subscribers WHERE {gone}".encode(), (_DELETED,))


if __name__ == "__main__":
    main()
