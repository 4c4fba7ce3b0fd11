"""Prints the values of templates in less time: a page has hundreds of them, and most were printed a moment ago."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup, escape

from digest.language import Language, Message, _

_SHORT = 60  # characters; longer texts are hardly ever printed twice
_MOST = 4_000  # short texts that are kept


def print_quickly(environment: Environment, language: Language) -> None:
    """Print with one call in place of two, the finalizer and `escape`, which print the same."""
    environment.code_generator_class = _OneCall
    environment.printed = _printer(language)  # type: ignore[attr-defined] # for the generated code


class _OneCall(CodeGenerator):
    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.printed(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape:
            super()._output_child_post(node, frame, finalize)
        else:
            self.write(")")


def _printer(language: Language) -> Callable[[Any], str]:
    kept = lru_cache(maxsize=_MOST)(escape)
    translated = lru_cache(maxsize=_MOST)(lambda key: escape(language.say(_(key))))

    def printed(value: Any) -> str:
        kind = type(value)
        if kind is str:
            return kept(value) if len(value) <= _SHORT else escape(value)
        if kind is Message and not value.values:
            return translated(value.key)
        return value if kind is Markup else escape(language.say(value))

    return printed
