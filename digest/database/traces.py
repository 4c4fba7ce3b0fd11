"""Removes what deleted rows leave behind in the files of the database.

SQLite zeroes what it deletes (secure_delete, in engine.py), but keeps copies of rows that it once moved to another page
and earlier contents in its log: a VACUUM writes all pages anew, and a checkpoint empties the log. PostgreSQL keeps dead
rows until a VACUUM, and their bytes until other rows need the space; its log and backups are up to its operator.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import structlog
from sqlalchemy import Engine, Table
from sqlalchemy.exc import SQLAlchemyError

from digest.database.engine import problem_of

log = structlog.get_logger()

# SQLite rewrites 100 MB a second, while nothing else can write: so many bytes take half a second.
AT_ONCE = 64_000_000


def remove(engine: Engine, tables: Sequence[Table], at_once: bool = False) -> bool:
    """Remove what deleted rows of `tables` left behind. False if that is still to do.

    With `at_once`, someone waits: only what takes less than a second.
    """
    try:
        if engine.dialect.name == "sqlite":
            return _rewrite(engine, at_once)
        return not at_once and _vacuum(engine, tables)
    except (sqlite3.Error, SQLAlchemyError) as problem:  # busy or full; the rows are gone all the same
        log.warning("traces of deleted rows are left in the database; tried again later", problem=problem_of(problem))
        return False


def _rewrite(engine: Engine, at_once: bool) -> bool:
    file = Path(engine.url.database or "")
    is_small = file.stat().st_size <= AT_ONCE
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        if is_small or not at_once:
            cursor.execute("VACUUM")
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy and (is_small or not at_once)


def _vacuum(engine: Engine, tables: Sequence[Table]) -> bool:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"VACUUM {', '.join(table.name for table in tables)}")
    return True
