"""Upgrades the database to the tables that this version of the code expects.

Only an upgrade imports alembic, which takes a tenth of a second: every program asks whether the tables are current.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from digest.resources import resource

if TYPE_CHECKING:
    from alembic.config import Config

_STEP = re.compile(r'"""(.+?)$.+?^revision = \W(\w+).+?^down_revision = \W?(\w+)', re.MULTILINE | re.DOTALL)
NEWER = "A later version of Digest has upgraded it: install that version again, or restore a backup."


class NewerDatabase(Exception):
    """A later version of Digest has upgraded this database."""


def migrate(database: str, revision: str = "head", on_step: Callable[[str], None] = lambda _: None) -> None:
    """Upgrade the database to `revision`. Two processes at once wait for each other (alembic/env.py).

    `on_step` is called with the name of each migration that is done. Raises NewerDatabase.
    """
    from alembic.script.revision import ResolutionError
    from alembic.util import CommandError

    from alembic import command

    config = configuration(database)
    config.attributes["on_step"] = on_step
    try:
        command.upgrade(config, revision)
    except CommandError as problem:
        if isinstance(problem.__cause__, ResolutionError):
            raise NewerDatabase(f"The database cannot be used. {NEWER}") from None
        raise


def why_not_current(connection: Connection) -> str:
    """The remedy if the tables of the database are not those of this version; "" if they are."""
    revision, steps = _revision_of(connection), list(_steps())
    if revision == steps[-1]:
        return ""
    return "Run: digest migrate" if revision is None or revision in steps else NEWER


def missing_steps(connection: Connection) -> list[str]:
    """The names of the migrations that the database lacks, in order."""
    revision, steps = _revision_of(connection), list(_steps())
    if revision is not None and revision not in steps:
        raise NewerDatabase(f"The database cannot be used. {NEWER}")
    return steps_from_nothing()[0 if revision is None else steps.index(revision) + 1 :]


def steps_from_nothing() -> list[str]:
    """The names of all migrations, in order."""
    return [f"{revision} {title}" for revision, title in _steps().items()]


def configuration(database: str) -> "Config":
    """Tell alembic the folder of the migrations, and the database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resource("alembic")).replace("%", "%%"))
    config.attributes["database"] = database
    return config


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


@cache
def _steps() -> dict[str, str]:
    """The title of each migration by its revision, in order."""
    files = (resource("alembic") / "versions").glob("*.py")
    headers = [header.groups() for file in files if (header := _STEP.match(file.read_text()))]
    following = {before: (revision, title) for title, revision, before in headers}
    steps, last = {}, "None"
    while last in following:
        last, title = following[last]
        steps[last] = title
    return steps
