"""Compiles templates, routes, statements and commands once a process; every app and database of a test has none yet."""

from functools import cache
from typing import Any

import typer.main
import typer.testing
from fastapi.routing import _EffectiveRouteContext
from jinja2 import Environment
from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache


def compile_once() -> None:
    """Share from now on: templates among environments of one language, routes among apps, statements among engines of
    one kind, and commands among runs.
    """
    _share_templates()
    _share_routes()
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


def _share_routes() -> None:
    """Inclusion gives a route the same parameters in every app. To find them took a tenth of a second of each app."""
    build = _EffectiveRouteContext.from_api_route

    def build_or_share(*, original_route: Any, include_context: Any) -> _EffectiveRouteContext:
        shared = original_route.__dict__.setdefault("_shared_by_tests", {})
        needs = tuple(each.dependency for each in include_context.dependencies)
        key = include_context.path_for(original_route), needs
        if key not in shared:
            shared[key] = build(original_route=original_route, include_context=include_context)
        return shared[key]

    _EffectiveRouteContext.from_api_route = build_or_share  # type: ignore[method-assign, assignment]


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
