"""Compiles templates, statements and commands once a process: every app and database of a test starts without any."""

from functools import cache
from typing import Any

import typer.main
import typer.testing
from jinja2 import Environment
from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache


def compile_once() -> None:
    """From now on, environments of one language share templates, engines of one kind statements, runs all commands."""
    _share_templates()
    typer.main.get_command = typer.testing._get_command = cache(typer.main.get_command)
    event.listen(Engine, "engine_connect", _share_statements)


def _share_templates() -> None:
    compile_source, compiled = Environment.compile, dict[tuple[str, ...], Any]()

    def compile_or_share(
        self: Environment, source: Any, name: str | None = None, filename: str | None = None, *options: Any, **more: Any
    ) -> Any:
        if not (isinstance(source, str) and name and filename):
            return compile_source(self, source, name, filename, *options, **more)
        language = getattr(self.globals.get("language"), "code", "")  # filters of constants are applied by the compiler
        key = (language, name, filename, source)
        if key not in compiled:
            compiled[key] = compile_source(self, source, name, filename, *options, **more)
        return compiled[key]

    Environment.compile = compile_or_share  # type: ignore[method-assign, assignment]


class _Statements(LRUCache[Any, Any]):
    """SQLAlchemy's cache of compiled statements, shared by all engines of the same dialect."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_any_engine(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_any_engine(key), value)


def _of_any_engine(key: Any) -> Any:
    dialect, *statement = key
    return type(dialect), dialect._json_deserializer, *statement


_statements = _Statements(capacity=2_000)


def _share_statements(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_statements)
