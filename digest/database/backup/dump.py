"""Writes a database to a file while programs use it."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from digest.database.backup import tools
from digest.database.backup.tools import BackupError


def dump(engine: Engine, file: Path) -> None:
    """Write the database to `file`, completely and checked; if that fails, `file` is unchanged. Raises BackupError."""
    with _replacing(file) as part:
        if engine.dialect.name == "sqlite":
            _dump_sqlite(Path(engine.url.database or ""), part)
        else:
            _dump_postgresql(engine, part)


def check_tools(engine: Engine) -> None:
    """Raise BackupError if the database cannot be dumped from here."""
    if engine.dialect.name == "postgresql":
        tools.tool("pg_dump", tools.server_version(engine))


def _dump_sqlite(source: Path, part: Path) -> None:
    address = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as original, closing(sqlite3.connect(part)) as copy:
        original.backup(copy)  # one snapshot: readers of SQLite's log block nobody
        check_sqlite(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # a single file, without a log


def check_sqlite(connection: sqlite3.Connection) -> None:
    """Raise BackupError if the file is damaged."""
    try:
        problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        problem = str(error)
    if problem != "ok":
        raise BackupError(f"the file is damaged: {problem.splitlines()[0]}. Use another backup")


def _dump_postgresql(engine: Engine, part: Path) -> None:
    program = tools.tool("pg_dump", tools.server_version(engine))
    url = engine.url.render_as_string(hide_password=False)
    options = (
        "--format=custom",
        "--schema=public",
        "--no-owner",
        "--no-privileges",
        f"--file={part}",
        tools.address(url),
    )
    tools.run([program, *options], engine.url)
    tools.run([tools.tool("pg_restore", tools.server_version(engine)), "--list", str(part)])


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """Yield a new file, readable only by its owner, that replaces `file` at the end of the block."""
    if file.is_dir():
        raise BackupError(f"{file} is a folder. Add the name of a file")
    try:
        handle, name = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    except OSError as problem:
        raise BackupError(f"{file} cannot be written ({problem.strerror}). Choose another folder") from None
    part = Path(name)
    try:
        yield part
        os.fsync(handle)
        part.replace(file)
        fsync_folder(file.absolute().parent)
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """Sync a folder, so that the names of its files survive a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
