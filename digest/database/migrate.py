"""Upgrades the database to the tables that this version of the code expects."""

from collections.abc import Callable
from functools import cache

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection

from alembic import command
from digest.resources import resource

_NEWER = "A later version of Digest has upgraded it: install that version again, or restore a backup."


class NewerDatabase(Exception):
    """A later version of Digest has upgraded this database."""


def migrate(database: str, revision: str = "head", on_step: Callable[[str], None] = lambda _: None) -> None:
    """Upgrade the database to `revision`. Two processes at once wait for each other (alembic/env.py).

    `on_step` is called with the name of each migration that is done. Raises NewerDatabase.
    """
    config = configuration(database)
    config.attributes["on_step"] = on_step
    try:
        command.upgrade(config, revision)
    except CommandError as problem:
        if isinstance(problem.__cause__, ResolutionError):
            raise NewerDatabase(f"The database cannot be used. {_NEWER}") from None
        raise


def why_not_current(connection: Connection) -> str:
    """The remedy if the tables of the database are not those of this version; "" if they are."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision == _scripts().get_current_head():
        return ""
    return "Run: digest migrate" if revision is None or revision in _revisions() else _NEWER


def missing_steps(connection: Connection) -> list[str]:
    """The names of the migrations that the database lacks, in order."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and revision not in _revisions():
        raise NewerDatabase(f"The database cannot be used. {_NEWER}")
    steps = _scripts().walk_revisions(revision or "base", "head")
    return [_name(script) for script in reversed(list(steps)) if script.revision != revision]


def steps_from_nothing() -> list[str]:
    """The names of all migrations, in order."""
    return [_name(script) for script in reversed(list(_scripts().walk_revisions()))]


def _name(script: Script) -> str:
    return f"{script.revision} {script.doc}"


def configuration(database: str) -> Config:
    """Tell alembic the folder of the migrations, and the database."""
    config = Config()
    config.set_main_option("script_location", str(resource("alembic")).replace("%", "%%"))
    config.attributes["database"] = database
    return config


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(configuration(""))


@cache
def _revisions() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())
