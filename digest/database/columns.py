"""The parts of all tables: names of constraints, partial indexes, numbers that are never used again."""

from typing import Any

from sqlalchemy import Column, Index, MetaData, Table, text

from digest.database.dialect import Id

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """Make an index of the rows that match `where`."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


def table(name: str, *parts: Any) -> Table:
    """A table of `metadata`."""
    # AUTOINCREMENT: the number of a deleted subscriber is never used again: their links would open it.
    numbered = any(isinstance(part, Column) and part.name == "id" and part.type is Id for part in parts)
    return Table(name, metadata, *parts, sqlite_autoincrement=numbered)
