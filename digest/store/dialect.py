"""The two things that SQLite and PostgreSQL say differently."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: Connection, table: Table) -> Any:
    """An INSERT that leaves a row alone which is already there; add `.values()` and `.returning()` as usual."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def database_now(connection: Connection) -> datetime:
    """The database's own clock, which all workers share. Leases are measured by it."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)  # the database is this process: it has no other clock
    instant: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return instant
