"""HTML → a tree of elements that know what they inherit, for the rules; comments are left out. And colours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "hr"}


@dataclass
class Element:
    """One element; `words` is its own text without that of its children."""

    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: list["Element"] = field(default_factory=list)
    words: str = ""

    @property
    def style(self) -> dict[str, str]:
        return declarations(self.attributes.get("style", ""))

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    def ancestry(self) -> Iterator["Element"]:
        """This element, its parent, and so on to the root."""
        element: Element | None = self
        while element:
            yield element
            element = element.parent

    def everything(self) -> Iterator["Element"]:
        """This element and all below it, in the order of the document."""
        yield self
        for child in self.children:
            yield from child.everything()

    def all(self, tag: str) -> list["Element"]:
        return [element for element in self.everything() if element.tag == tag]

    def inherited(self, name: str) -> str:
        """The nearest inline declaration of `name`."""
        return next((e.style[name] for e in self.ancestry() if name in e.style), "")


def declarations(style: str) -> dict[str, str]:
    """`color: #112233; margin: 0` as a dictionary; priorities stay in the values."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def rules_of(css: str) -> list[tuple[str, dict[str, str]]]:
    """The selectors and declarations of flat CSS."""
    return [(selector.strip(), declarations(body)) for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css)]


def parse(html: str) -> Element:
    """The document's <html> element. Raises AssertionError when elements are not closed in order."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.at is reader.root, f"<{reader.at.tag}> is never closed"
    return reader.root.children[0]


def contrast_of(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.at = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.children.append(element)
        if tag not in VOID:
            self.at = element

    def handle_endtag(self, tag: str) -> None:
        assert self.at.tag == tag, f"</{tag}> where <{self.at.tag}> is open"
        assert self.at.parent
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.words += data
