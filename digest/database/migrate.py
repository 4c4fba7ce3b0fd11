"""Upgrades the database to the tables that this version of the code expects.

Only an upgrade imports alembic, which takes a tenth of a second: every program asks whether the tables are current.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from digest.database.engine import connect, problem_of
from digest.resources import resource

if TYPE_CHECKING:
    from alembic.config import Config

_STEP = re.compile(r'"""(.+?)$.+?^revision = \W(\w+).+?^down_revision = \W?(\w+)', re.MULTILINE | re.DOTALL)
NEWER = "A later version of Digest has upgraded it: install that version again, or restore a backup."


_UNFINISHED = "An upgrade or a restore of it did not finish. Run: digest restore FILE --force, with your last backup"


class UnusableDatabase(Exception):
    """The database has tables that this version cannot use or upgrade; the message says what to do."""


class NewerDatabase(UnusableDatabase):
    """A later version of Digest has upgraded this database."""


def migrate(database: str, revision: str = "head", on_step: Callable[[str], None] = lambda _: None) -> None:
    """Upgrade the database to `revision`. Two processes at once wait for each other (alembic/env.py).

    `on_step` is called with the name of each migration that is done. Raises UnusableDatabase: it is then as before.
    """
    from alembic.script.revision import ResolutionError
    from alembic.util import CommandError

    from alembic import command

    config = configuration(database)
    done: list[str] = []

    def count(step: str) -> None:
        done.append(step)
        on_step(step)

    config.attributes["on_step"] = count
    try:
        command.upgrade(config, revision)
    except DBAPIError as problem:
        if problem.statement is None or problem.connection_invalidated:  # an outage
            raise
        raise _failed(database, done, problem) from problem
    except CommandError as problem:
        if isinstance(problem.__cause__, ResolutionError):
            raise NewerDatabase(f"The database cannot be used. {NEWER}") from None
        raise


def why_not_current(connection: Connection) -> str:
    """The remedy if the tables of the database are not those of this version; "" if they are."""
    revision, steps = _revision_of(connection), list(_steps())
    if revision == steps[-1]:
        return ""
    if revision is None and inspect(connection).has_table("subscribers"):
        return _UNFINISHED
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


def _failed(database: str, done: list[str], problem: DBAPIError) -> UnusableDatabase:
    engine = connect(database)
    try:
        with engine.connect() as connection:
            steps = missing_steps(connection)
            is_unfinished = why_not_current(connection) == _UNFINISHED
    finally:
        engine.dispose()
    if is_unfinished:
        return UnusableDatabase(f"The database cannot be used. {_UNFINISHED}")
    step = next((name for name in steps if name not in done), "")
    return UnusableDatabase(
        f"The upgrade failed at {step}, and the database is as it was before: {problem_of(problem)}. "
        "Keep using the previous version of Digest, and report this"
    )


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
