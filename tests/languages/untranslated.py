"""Finds text in a Jinja2 template that stays English in every language. Pure: source in, findings out.

A text node, a spoken attribute or a string in an expression counts when it holds words and is not handed to gettext.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from jinja2 import Environment, nodes

TRANSLATES = {"_", "gettext", "ngettext", "pgettext", "npgettext"}
SPOKEN = {"alt", "title", "aria-label", "aria-description", "placeholder", "content", "label", "summary"}
UNSPOKEN_META = {
    "viewport",
    "color-scheme",
    "supported-color-schemes",
    "format-detection",
    "robots",
    "referrer",
    "twitter:card",
    "citation_language",
}
SILENT = ("style", "script", "kbd")  # the last is what is typed: examples
HOLE = "\ufffc"  # stands for an expression
# Names and forms that are the same in every language, and what blocks and macros give to attributes.
ALIKE = re.compile(
    r"email|BibTeX|RIS|Bluesky|LinkedIn|you@example\.org|Europe/Berlin|https?://\S+|UTC|arXiv|GitHub|PDF|Atom|JSON|noindex|cs\.CL"
    r"|/(?:inbox|topics|manage|week|issues|latest)|(?:article|website|wide)\b|aria-\w+=\"[^\"]*\""
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_SPEECH = re.compile(r"[A-Z][a-z]+|[^\W\d_]+ [^\W\d_]+")  # what a string in an expression looks like if it is read


def untranslated(source: str, is_html: bool) -> list[str]:
    """The findings, in the order of the template."""
    tree = Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True).parse(source)
    written = "".join(_written(tree))
    seen = list(Seen(written).texts) if is_html else written.split("\n")
    strings = [text for text in _strings(tree) if _SPEECH.search(ALIKE.sub("", text))]
    return [" ".join(text.split()) for text in seen if _WORD.search(ALIKE.sub("", text))] + strings


def _written(node: nodes.Node) -> Iterator[str]:
    """The template's own characters, with a mark for each expression."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            yield child.data
        elif isinstance(child, nodes.Expr):
            yield HOLE if isinstance(node, nodes.Output) else ""
        else:
            yield from _written(child)


def _strings(node: nodes.Node) -> Iterator[str]:
    """The strings in expressions that no call of gettext takes."""
    for child in node.iter_child_nodes():
        called = child.node if isinstance(child, nodes.Call) else None
        if isinstance(called, nodes.Name) and called.name in TRANSLATES:
            for keyword in child.kwargs:
                yield from _strings(keyword)
        elif isinstance(child, nodes.Const) and isinstance(child.value, str):
            yield child.value
        elif not isinstance(child, (nodes.TemplateData, nodes.Extends, nodes.Include)):
            yield from _strings(child)


class Seen(HTMLParser):
    """The texts of a page that are seen or read aloud."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._silent = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag if tag in SILENT else self._silent
        known = dict(attrs)
        if tag == "meta" and (known.get("name") in UNSPOKEN_META or ("name" not in known and "property" not in known)):
            return
        self.texts.extend(value for name, value in attrs if name in SPOKEN and value)

    def handle_endtag(self, tag: str) -> None:
        self._silent = "" if tag == self._silent else self._silent

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append(data)
