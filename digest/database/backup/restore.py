"""Replaces a database with a backup. Programs cannot use it before it is complete.

`prepare` changes the restored database before that. If anything fails, the old database is as it was.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from digest.database.backup import tools
from digest.database.backup.dump import check_sqlite, fsync_folder
from digest.database.backup.file import BackupFile
from digest.database.backup.tools import BackupError
from digest.database.engine import checkpoint, connect, problem_of, read_only, transaction
from digest.database.migrate import migrate
from digest.database.tables import deliveries, issues, papers, subscribers

Prepare = Callable[[Engine], None]

_OLD = "digest_before_restore"  # the schema of the old tables, until the restore is complete
_VERSION = "alembic_version"  # without its row, no program starts
_NOT_RESTORED = (f" TABLE DATA public {_VERSION} ", " SCHEMA - public ")

_OTHER_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def is_empty(engine: Engine) -> bool:
    """True if a restore would overwrite nothing: no database, no tables, or no rows in them."""
    file = _sqlite_file(engine)
    if file is not None and (not file.exists() or not file.stat().st_size):
        return True
    with read_only(engine) as connection:
        tables = set(inspect(connection).get_table_names())
        ours = [table for table in (subscribers, issues, papers, deliveries) if table.name in tables]
        return all(
            connection.execute(select(func.count()).select_from(table.select().limit(1).subquery())).scalar_one() == 0
            for table in ours
        )


def restore(
    engine: Engine, url: str, backup: BackupFile, stop_sending: Callable[[Connection], None], prepare: Prepare
) -> None:
    """Replace the database of `engine`, whose address is `url`. Raises BackupError.

    `stop_sending` is called first, in the transaction that makes a PostgreSQL database usable.
    """
    if backup.dialect != engine.dialect.name:
        names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
        raise BackupError(
            f"{backup.path} is a backup of {names[backup.dialect]}, and DIGEST_DATABASE_URL names a database of "
            f"{names[engine.dialect.name]}. Name one of {names[backup.dialect]}"
        )
    target = _sqlite_file(engine)
    if target is not None:
        _restore_sqlite(engine, target, backup, prepare)
    else:
        _restore_postgresql(engine, url, backup, stop_sending, prepare)


def expect_unused(engine: Engine) -> None:
    """Raise BackupError if another program has the database open."""
    file = _sqlite_file(engine)
    if file is None:
        with engine.connect() as connection:
            others = connection.execute(text(_OTHER_SESSIONS)).scalar_one()
        if others:
            which = "another session uses" if others == 1 else f"{others} other sessions use"
            raise BackupError(f"{which} the database. Stop Digest, and close all other connections to it")
    elif file.exists() and file.stat().st_size:
        checkpoint(engine)
        with closing(sqlite3.connect(file, timeout=1)) as connection:
            try:
                # Leaving this mode needs exclusive use of the file.
                mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.DatabaseError as problem:
                mode = str(problem)
        if mode in ("wal", "database is locked"):
            raise BackupError(f"another program uses {file}. Stop Digest first")


# --- SQLite ---


def _restore_sqlite(engine: Engine, target: Path, backup: BackupFile, prepare: Prepare) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    part = Path(name)
    try:
        shutil.copyfile(backup.path, part)
        with closing(sqlite3.connect(part)) as connection:
            check_sqlite(connection)
        _prepare_sqlite(part, prepare)
        engine.dispose()
        for suffix in ("-wal", "-shm"):  # of the old file; the restored one would be read with them
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        part.replace(target)
        fsync_folder(target.parent)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{part}{suffix}").unlink(missing_ok=True)


def _prepare_sqlite(part: Path, prepare: Prepare) -> None:
    url = f"sqlite:///{part}"
    migrate(url)
    engine = connect(url)
    try:
        prepare(engine)
    finally:
        checkpoint(engine)
    with closing(sqlite3.connect(part)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    with part.open("rb") as file:
        os.fsync(file)


def _sqlite_file(engine: Engine) -> Path | None:
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None


# --- PostgreSQL ---


def _restore_postgresql(
    engine: Engine, url: str, backup: BackupFile, stop_sending: Callable[[Connection], None], prepare: Prepare
) -> None:
    revision = backup.rows(_VERSION)[0]["version_num"]
    program = tools.tool("pg_restore", tools.server_version(engine))
    with _set_aside(engine), tempfile.NamedTemporaryFile("w", suffix=".list") as contents:
        contents.write("\n".join(each for each in backup.contents() if not any(name in each for name in _NOT_RESTORED)))
        contents.flush()
        options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        database = f"--dbname={tools.address(url)}"
        tools.run([program, *options, f"--use-list={contents.name}", database, str(backup.path)], engine.url)
        with transaction(engine) as connection:
            stop_sending(connection)
            new = text("INSERT INTO alembic_version (version_num) VALUES (:revision)")
            connection.execute(new, {"revision": revision})
        migrate(url)
        prepare(engine)


@contextmanager
def _set_aside(engine: Engine) -> Iterator[None]:
    """Set the tables aside during the block; if it fails, they are restored."""
    with engine.connect() as connection:
        has_tables = bool(inspect(connection).get_table_names())
    if has_tables:
        try:
            _execute(engine, f"ALTER SCHEMA public RENAME TO {_OLD}", "CREATE SCHEMA public")
        except DBAPIError as problem:
            raise BackupError(
                f"the tables cannot be set aside: {problem_of(problem)}. Make an empty database, and name it in "
                "DIGEST_DATABASE_URL"
            ) from None
    engine.dispose()
    try:
        yield
    except BaseException:
        engine.dispose()
        _execute(
            engine,
            "DROP SCHEMA public CASCADE",
            *([f"ALTER SCHEMA {_OLD} RENAME TO public"] if has_tables else ["CREATE SCHEMA public"]),
        )
        raise
    if has_tables:
        _execute(engine, f"DROP SCHEMA {_OLD} CASCADE")


def _execute(engine: Engine, *statements: str) -> None:
    with transaction(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))
