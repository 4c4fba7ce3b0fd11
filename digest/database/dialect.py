"""Hides the differences between SQLite and PostgreSQL: types of columns, and a few statements."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg.errors as driver_errors
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Integer,
    String,
    Table,
    Text,
    TypeDecorator,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.selectable import Subquery
from sqlalchemy.types import TypeEngine

from digest import machine_clock

T = TypeVar("T")


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


def Code(length: int) -> String:  # noqa: N802 - used like a type
    """Text that programs compare: keys, states, zones. By its bytes, whatever the language of the database, whose rules
    take PostgreSQL longer, and in a new version can spoil an index (wiki.postgresql.org/wiki/Locale_data_changes).
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def insert_new(connection: Connection, table: Table) -> Any:
    """Make an INSERT that leaves an existing row as it is; add `.values()` and `.returning()` as usual."""
    return insert_into(connection.dialect.name, table).on_conflict_do_nothing()


def insert_or_change(
    connection: Connection, table: Table, key: Sequence[str], changed: Mapping[str, Any] | None = None
) -> Any:
    """Make an INSERT that updates an existing row with this `key`: all other columns, or only
    `changed`. Either way the row is locked. Add `.values()` and `.returning()` as usual.
    """
    statement = insert_into(connection.dialect.name, table)
    if changed is None:
        kept = {*key, *table.primary_key.columns.keys()}
        changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in kept}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows with the same columns; Json columns are lists or objects. PostgreSQL uses COPY.

    Raises sqlalchemy.exc.IntegrityError if any is already stored.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(table.insert(), rows)
        return
    names = list(rows[0])
    encoded = [name for name in names if isinstance(table.c[name].type, JSON)]
    driver: Any = connection.connection.driver_connection
    columns = ", ".join(f'"{name}"' for name in names)
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
            for row in rows:
                texts = {name: _json_text(row[name]) for name in encoded}
                copy.write_row([*({**row, **texts}).values()])
    except driver_errors.IntegrityError as problem:
        raise IntegrityError("COPY", None, problem) from problem


def _json_text(value: Any) -> str:
    return "[]" if value == [] else json.dumps(value)


def insert_into(dialect: str, table: Table) -> Any:
    """Make an INSERT that may go on as `.on_conflict_do_update()`."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def database_now(dialect: str) -> Any:
    """The database's own clock, which all workers share, for use in a statement. Leases are measured by it."""
    if dialect == "sqlite":
        return machine_clock.now()  # the database is this process: it has no other clock
    return func.clock_timestamp()


def sort_in_memory(connection: Connection) -> None:
    """Until the end of the transaction PostgreSQL may take 256 MB to sort, instead of the usual 4."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL work_mem = '256MB'")


def use_indexed_order(connection: Connection) -> None:
    """Until the end of the transaction PostgreSQL reads the first rows of an order where an index has that order.

    It cannot know how many rows a table has that was filled within the last minute, and would rather sort all of them.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_sort = off")


def use_indexes(connection: Connection) -> None:
    """Until the end of the transaction PostgreSQL reads a part of a large table by an index, if there is one.

    It would rather read ten million rows in order than a million by an index, and sort what it can count as it comes.
    """
    if connection.dialect.name == "postgresql":
        for plan in ("seqscan", "bitmapscan", "sort"):  # a bitmap includes all rows that have left the part since
            connection.exec_driver_sql(f"SET LOCAL enable_{plan} = off")


def lock_rows_of(connection: Connection, table: Table) -> None:
    """Until the end of the transaction no other one can lock a row of a table. On SQLite no other one can write."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE")


def wait_for_writers(connection: Connection, table: Table) -> None:
    """Until the end of the transaction no other one can change a table; those that have changed it end first."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE MODE")


def spelled_out(column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Compare with constants written into the statement, in the order of a partial index's condition.

    SQLite uses no partial index for parameters, and reads the whole table instead; a column of such a condition that is
    compared with a parameter elsewhere in the statement makes it plan anew each time, which takes ten times as long.
    SQLAlchemy writes a statement with a list of parameters anew each time it is executed.
    """
    return column.in_([literal_column(f"'{value}'") for value in values])


def in_list(connection: Connection, column: ColumnElement[T], values: Collection[T]) -> ColumnElement[bool]:
    """Compare `column` with many values. On PostgreSQL they are a single parameter, so that the statement is the same
    for any number of them, and is parsed and planned once.
    """
    if connection.dialect.name == "sqlite":
        return column.in_(values)
    return column == any_(literal(list(values), ARRAY(column.type)))


def in_list_param(dialect: str, column: ColumnElement[T], name: str) -> ColumnElement[bool]:
    """Do the same in a statement that is built once: the list is the parameter `name`."""
    if dialect == "sqlite":
        return column.in_(bindparam(name, expanding=True))
    return column == any_(bindparam(name, type_=ARRAY(column.type)))


def rows_of(dialect: str, columns: Mapping[str, TypeEngine[Any]]) -> Subquery:
    """Return a table of values for updating many rows in one statement; as_rows() makes its parameters."""
    if dialect == "postgresql":
        arrays = [bindparam(f"rows_{name}", [], ARRAY(_sent(kind))) for name, kind in columns.items()]
        typed = [column(name, _sent(kind)) for name, kind in columns.items()]
        table = func.unnest(*arrays).table_valued(*typed).render_derived()
        values = [cast(table.c[name], _stored(kind)).label(name) for name, kind in columns.items()]
        return select(*values).subquery("given")
    each = func.json_each(bindparam("rows", type_=Text)).table_valued("value")
    values = [func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name) for name, kind in columns.items()]
    return select(*values).subquery("given")


def instant_in_rows(dialect: str) -> Any:
    """The type of an instant among `columns` of rows_of()."""
    # SQLite gets the text that Instant stores, and must not read it as an instant again.
    return DateTime(timezone=True) if dialect == "postgresql" else String()


def as_rows(dialect: str, rows: Sequence[Mapping[str, Any]], **ready: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of rows_of(). `ready`: further columns, whose values are already JSON."""
    if dialect == "postgresql":
        arrays = {f"rows_{name}": [_as_json(row[name]) for row in rows] for name in (rows[0] if rows else ())}
        return arrays | {f"rows_{name}": [None if text == "null" else text for text in ready[name]] for name in ready}
    texts = [_ENCODER.encode(row)[:-1] for row in rows]
    for name, values in ready.items():
        texts = [f'{text}, "{name}": {value}' for text, value in zip(texts, values, strict=True)]
    return {"rows": f"[{', '.join([text + '}' for text in texts])}]"}


def _as_json(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def _sent(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(kind, JSON) else kind


def _stored(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return JSONB() if isinstance(kind, JSON) else kind


def _sqlite_text(instant: datetime) -> str:
    """Format it as Instant stores it."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


_ENCODER = json.JSONEncoder(default=_sqlite_text)
