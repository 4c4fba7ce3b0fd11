"""What all tables are made of: names of constraints, instants, JSON, numbers; for SQLite and PostgreSQL alike."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware instant; SQLite keeps it as naive UTC text, which sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base's signature
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only INTEGER keys by itself


def Code(length: int) -> String:  # noqa: N802 - stands where a type stands
    """Text that programs compare: keys, states, zones. By its bytes, whatever the language of the database, whose rules
    take PostgreSQL longer, and in a new version can spoil an index (wiki.postgresql.org/wiki/Locale_data_changes).
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of the rows of which `where` holds."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


def table(name: str, *parts: Any) -> Table:
    """A table of `metadata`."""
    # AUTOINCREMENT: the number of an erased reader is never given to another, whose links it would open.
    numbered = any(isinstance(part, Column) and part.name == "id" and part.type is Id for part in parts)
    return Table(name, metadata, *parts, sqlite_autoincrement=numbered)
