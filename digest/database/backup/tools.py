"""Runs the PostgreSQL programs that write and read dumps."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine, make_url, text
from sqlalchemy.engine import URL

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_DEBIAN = Path("/usr/lib/postgresql")  # has a folder for each version


class BackupError(Exception):
    """A backup or restore is impossible; the message says what to do."""


def tool(name: str, server: int = 0) -> str:
    """Path of `pg_dump` or `pg_restore`: the server's major version, or else the newest. Raises BackupError."""
    paths = {version: path for path in _candidates(name) if (version := _version(path)) is not None}
    package = f"postgresql-client{f'-{server}' if server else ''}"
    if not paths:
        raise BackupError(f"{name} is not installed. Install the package {package}")
    newest = max(paths)
    if newest < server:
        raise BackupError(
            f"{name} {newest} is older than the server, PostgreSQL {server}. Install the package {package}"
        )
    return paths.get(server, paths[newest])


def run(arguments: Sequence[str], url: URL | None = None) -> str:
    """Run a tool and return its output. Raises BackupError with the first line of its error."""
    done = subprocess.run(arguments, env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode:
        complaint = next(iter(done.stderr.strip().splitlines()), "") or f"exit code {done.returncode}"
        raise BackupError(
            f"{Path(arguments[0]).name} failed: {complaint.removeprefix('pg_dump: ').removeprefix('pg_restore: ')}"
        )
    return done.stdout


def server_version(engine: Engine) -> int:
    """Return the major version of the server."""
    with engine.connect() as connection:
        return int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def address(url: str) -> str:
    """Return the URL of a database without its password: other users can read the arguments of the tools."""
    parsed = make_url(url).set(drivername="postgresql", password=None)
    return parsed.render_as_string(hide_password=False)


def _environment(url: URL | None) -> dict[str, str]:
    password = {"PGPASSWORD": str(url.password)} if url is not None and url.password else {}
    return {**os.environ, "LC_MESSAGES": "C", **password}


def _candidates(name: str) -> list[str]:
    path = shutil.which(name)
    return [*([path] if path else []), *map(str, sorted(_DEBIAN.glob(f"*/bin/{name}")))]


def _version(path: str) -> int | None:
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    match = _VERSION.search(output)
    return int(match[1]) if match else None
