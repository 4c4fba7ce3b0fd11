"""The PostgreSQL of a benchmark: with fsync on, and databases that are copied."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from digest.database.migrate import migrate
from tests.support.servers import PostgresProcess, own_postgres

_MEMORY = "256MB"  # shared_buffers: the default is meant for much smaller machines


class Postgres(PostgresProcess):
    def make(self, database: str, like: str = "") -> str:
        """Create a migrated database, or a copy of `like`, in place of any of that name. Returns its address."""
        template = f'TEMPLATE "{like}" STRATEGY file_copy' if like else ""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{database}" {template}'.encode())
        if not like:
            migrate(self.url_of(database))
        return self.url_of(database)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A PostgreSQL with default settings, except for memory. Raises ServerMissing."""
    with own_postgres(Postgres, "/tmp", "-c", f"shared_buffers={_MEMORY}") as server:
        yield server
