"""Compiles each template once a process: every app and renderer of a test has its own Jinja environment."""

from typing import Any

from jinja2 import Environment


def compile_once() -> None:
    """From now on, environments of one language share what they compile from the same file."""
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
