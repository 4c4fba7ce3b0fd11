"""Runs the queries of pages, in which only a few values change, without preparing them each time."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import BindParameter, Connection, Dialect, Select, bindparam
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors

_Processors = tuple[tuple[int, Callable[[Any], Any]], ...]


def rows_of(connection: Connection, query: Select[Any], values: Mapping[str, Any]) -> Sequence[Any]:
    """Return `connection.execute(query, values).all()` in a third of its time: rows with attributes, but no Row.

    `query` is kept, so it must be one of a few. Its constants become part of its text, and only `values` are sent.
    """
    driver: Any = connection.connection.driver_connection
    is_sqlite = connection.dialect.name == "sqlite"
    # A transaction, which limits waiting behind a pooler (patience.py), is SQLAlchemy's.
    if not is_sqlite and not driver.autocommit:
        return connection.execute(query, values).all()
    try:
        return _statement(query, connection.dialect).rows(driver, values)
    except connection.dialect.loaded_dbapi.Error as problem:
        raise _as_of_sqlalchemy(problem, connection, driver) from problem


def _as_of_sqlalchemy(problem: Any, connection: Connection, driver: Any) -> BaseException:
    """The error that SQLAlchemy would raise. A lost connection is replaced when the next query needs one."""
    dialect = connection.dialect
    if dialect.is_disconnect(problem, driver, None):
        connection.invalidate(problem)
    base: type[Exception] = dialect.loaded_dbapi.Error
    error: BaseException = DBAPIError.instance(None, None, problem, base, hide_parameters=True, dialect=dialect)
    return error


@lru_cache(maxsize=200)
def _statement(query: Select[Any], dialect: Dialect) -> "_Statement":
    return _Statement(query, dialect)


class _Statement:
    """A query as its database takes it."""

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        inlined = cast("Select[Any]", visitors.replacement_traverse(query, {}, _inline))
        compiled = inlined.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self._text = str(compiled)
        self._order = compiled.positiontup
        self._added = {name: value for name, value in compiled.params.items() if value is not None}  # by the dialect
        self._dialect = dialect
        self._types = [column.type for column in query.selected_columns]
        self._row: Any = namedtuple("Row", [column.name for column in query.selected_columns])  # type: ignore[misc]
        self._binders = {
            name: binder
            for name, bind in compiled.binds.items()
            if (binder := bind.type.dialect_impl(dialect).bind_processor(dialect)) and name in compiled.params
        }
        self._processors: _Processors | None = None

    def rows(self, driver: Any, values: Mapping[str, Any]) -> list[Any]:
        if self._added:
            values = self._added | dict(values)
        if self._binders:
            values = {name: self._binders.get(name, _same)(value) for name, value in values.items()}
        cursor = driver.cursor()
        try:
            cursor.execute(self._text, values if self._order is None else [values[name] for name in self._order])
            fetched = cursor.fetchall()
            if self._processors is None:
                self._processors = self._processors_for(cursor.description)
        finally:
            cursor.close()
        return list(map(self._row._make, self._processed(fetched, self._processors)))

    def _processed(self, fetched: list[Any], processors: _Processors) -> list[Any]:
        if not processors:
            return fetched
        rows = list(map(list, fetched))
        for row in rows:
            for number, process in processors:
                row[number] = process(row[number])
        return rows

    def _processors_for(self, description: Sequence[Any]) -> _Processors:
        made = (
            kind.dialect_impl(self._dialect).result_processor(self._dialect, column[1])
            for kind, column in zip(self._types, description, strict=True)
        )
        return tuple((number, process) for number, process in enumerate(made) if process)


def _inline(element: Any, **_options: Any) -> BindParameter[Any] | None:
    """A constant is written into the text; a value that comes with each execution is not."""
    if not isinstance(element, BindParameter):
        return None
    if element.required:
        return bindparam(element.key, None, element.type, required=False)
    return element.render_literal_execute()


def _same(value: Any) -> Any:
    return value
