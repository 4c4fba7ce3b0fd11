"""Translations in Jinja2 templates."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from digest.language import Language, needs_blank, value_in_words

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.ext import Extension
    from jinja2.nodes import EvalContext

_PLAIN = re.compile(r'\{\{ _\("([^"\\%]+)"\) \}\}')  # in a template: a text without values
_NOT_PLAIN = re.compile(r"[%{}]")
_VALUE = re.compile(r"\{\{ (\w+) \}\}")
# A text and the blank after it; only conditions and loops may stand between them.
_BETWEEN = re.compile(
    r"""(?P<before>(?:\{\{ (?:_|n?gettext)\("(?P<called>[^"\\]+)"[^{}]*\) \}\}"""
    r"""|\{% trans\b[^%]*%\}(?P<block>(?:(?!\{%).)+)\{% endtrans %\})"""
    r"""(?:\{% (?:if|elif|else|endif|for|endfor)\b[^%]*%\})*) (?=\S)""",
    re.DOTALL,
)


def speak(environment: "Environment", language: Language) -> None:
    """Make the templates of `environment` use `language`, also as a variable of that name.

    With autoescape, translations are HTML like the template, and their values are escaped. A Message is translated
    when it is printed, and values are formatted as those of a Message are.
    """
    environment.add_extension("jinja2.ext.i18n")
    environment.add_extension(_translating(language))
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined] # added by the extension
        language.gettext, language.ngettext, newstyle=True, pgettext=language.pgettext, npgettext=language.npgettext
    )
    for name in ("gettext", "ngettext", "pgettext", "npgettext"):
        environment.globals[name] = _in_templates(getattr(language, name), language)
    environment.globals["_"] = environment.globals["gettext"]
    environment.finalize = language.say
    environment.globals["language"] = language


def _translating(language: Language) -> "type[Extension]":
    """Puts translations without values into templates when they are compiled, or each page would look up dozens; and
    takes out blanks between sentences where the language has none.
    """
    from jinja2.ext import Extension

    def between(match: re.Match[str]) -> str:
        key = match["called"] or " ".join(_VALUE.sub(r"%(\1)s", match["block"] or "").split())
        return match["before"] + " " * needs_blank(language.gettext(key))

    def translated(match: re.Match[str]) -> str:
        text = language.gettext(match[1])
        return match[0] if _NOT_PLAIN.search(text) else text

    class Translating(Extension):
        def preprocess(self, source: str, _name: str | None, _filename: str | None = None) -> str:
            return _PLAIN.sub(translated, _BETWEEN.sub(between, source))

    return Translating


def _in_templates(translate: Callable[..., str], language: Language) -> Callable[..., str]:
    """`translate` for templates. In place of the extension's function, which calls three others for each text."""
    from jinja2 import pass_eval_context
    from markupsafe import Markup, escape

    @pass_eval_context
    def translated(evaluation: "EvalContext", /, *texts: Any, **values: Any) -> str:
        text = translate(*texts)
        if not isinstance(texts[-1], str):  # the number that selects the plural form
            values.setdefault("num", texts[-1])
        words = {name: value_in_words(value, language) for name, value in values.items()}
        if not evaluation.autoescape:
            return text % words
        # A translation is HTML, as the template is.
        return Markup(text % {name: escape(word) for name, word in words.items()})  # noqa: S704

    return translated
