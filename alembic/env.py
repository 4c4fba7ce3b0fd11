"""Runs the migrations, for `digest migrate` and for the alembic command of a developer."""

from sqlalchemy import JSON, text

from alembic import context
from digest.database.dialect import Instant
from digest.database.engine import connect
from digest.database.tables import metadata
from digest.papers.search import INDEX
from digest.settings import settings

# Any number will do, as long as nobody else takes it: two releases at once wait here for each other.
MIGRATION_LOCK = 4_207_219_417


def render_item(kind, item, autogen_context):
    """Write our own column types in a migration."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON):
        autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def include_name(name, _kind, _parents):
    """Not the parts of the search index, which only its database has words for."""
    return not (name or "").startswith(INDEX)


def run() -> None:
    engine = connect(context.config.attributes.get("database") or settings().database, create=True)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # It changes a table by copying it: dropping the old one must not take along what refers to it. Inside$
                # of a transaction this would be too late (sqlite.org/lang_altertable.html §7).
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            _migrate(connection)
    finally:
        engine.dispose()


def _report(step, **_others) -> None:
    on_step = context.config.attributes.get("on_step")
    if on_step is not None and step.is_upgrade:
        on_step(f"{step.up_revision_id} {step.up_revision.doc}")


def _migrate(connection) -> None:
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=True,
            render_item=render_item,
            include_name=include_name,
            compare_type=True,
            compare_server_default=True,
            on_version_apply=_report,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
