"""Upgrades the database to the tables that this version of the code expects."""

from functools import cache

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from alembic import command
from digest.resources import resource


def migrate(database: str, revision: str = "head") -> None:
    """Upgrade the database to `revision`. Two processes at once wait for each other (alembic/env.py)."""
    command.upgrade(configuration(database), revision)


def is_current(connection: Connection) -> bool:
    """Tell if the database has exactly the tables that this code expects."""
    return MigrationContext.configure(connection).get_current_revision() == _head()


def configuration(database: str) -> Config:
    """Tell alembic the folder of the migrations, and the database."""
    config = Config()
    config.set_main_option("script_location", str(resource("alembic")).replace("%", "%%"))
    config.attributes["database"] = database
    return config


@cache
def _head() -> str | None:
    return ScriptDirectory.from_config(configuration("")).get_current_head()
