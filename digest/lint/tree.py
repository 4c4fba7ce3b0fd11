"""Parses HTML into elements with their styles in the light and the dark scheme; computes sizes and colours.

Lexbor parses the document as browsers do (HTML Living Standard §13.2); css-inline decides which rules of the <style>
elements win. Conditional comments for Outlook are comments here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import tinycss2
from css_inline import CSSInliner, InlineError
from selectolax.lexbor import LexborHTMLParser
from tinycss2.color3 import RGBA, parse_color

_DARK = re.compile(r"prefers-color-scheme\s*:\s*dark")
_HEADING_SIZES = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "small": 0.83}  # HTML §15.3.6, in em
_KEYWORDS = {"xx-small": 9, "x-small": 10, "small": 13, "medium": 16, "large": 18, "x-large": 24, "xx-large": 32}
_LENGTH = re.compile(r"(\d*\.?\d+)(px|pt|em|rem|%)?")
_FONT = re.compile(r"(\d*\.?\d+(?:px|pt|em|rem|%))(?:\s*/\s*(\S+))?")
WHITE, BLACK, BLUE = "#ffffff", "#000000", "#0000ee"


class Declaration(NamedTuple):
    """`name: value`, names in lower case."""

    name: str
    value: str
    important: bool


class CssRule(NamedTuple):
    """A style rule with the condition of its @media, "" without one."""

    media: str
    selector: str
    declarations: tuple[Declaration, ...]

    @property
    def names(self) -> set[str]:
        return {declaration.name for declaration in self.declarations}


@dataclass(slots=True, eq=False)
class Element:
    """An element; `content` is its own text and its children, in order."""

    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    content: list["Element | str"] = field(default_factory=list)

    @property
    def style(self) -> dict[str, str]:
        """The values of its style attribute that win; after styled(), of all styles that apply."""
        return effective(self.attributes.get("style", ""))

    @property
    def words(self) -> str:
        """Its own text without that of its children."""
        return "".join(part for part in self.content if isinstance(part, str))

    @property
    def text(self) -> str:
        """Its text and that of all below it, as written."""
        return "".join(part for part in self._flat() if isinstance(part, str))

    def _flat(self) -> Iterator["Element | str"]:
        """This element, and all elements and texts below it, in the order of the document."""
        waiting: list[Element | str] = [self]
        while waiting:
            part = waiting.pop()
            yield part
            if isinstance(part, Element):
                waiting.extend(reversed(part.content))

    def ancestry(self) -> Iterator["Element"]:
        """This element, its parent, and so on to the root."""
        element: Element | None = self
        while element:
            yield element
            element = element.parent

    def everything(self) -> Iterator["Element"]:
        """This element and all below it, in the order of the document."""
        return (part for part in self._flat() if isinstance(part, Element))

    def all(self, *tags: str) -> list["Element"]:
        return [element for element in self.everything() if element.tag in tags]

    @property
    def in_heading(self) -> bool:
        return any(above.tag in ("h1", "h2", "h3") for above in self.ancestry())

    @property
    def is_hidden(self) -> bool:
        return any(above.style.get("display") == "none" for above in self.ancestry())


def parse(html: str) -> Element:
    """Return the document's <html> element, whatever the text is."""
    made: dict[int, Element] = {}
    top = Element("html", {})
    root = LexborHTMLParser(html).root
    for node in root.traverse(include_text=True) if root else ():
        parent = made.get(node.parent.mem_id) if node.parent else None
        if node.tag == "-text" and parent:
            parent.content.append(node.text_content or "")
        elif node.tag and node.tag[0].isalpha():
            attributes = {name: value or "" for name, value in node.attributes.items()}
            element = made[node.mem_id] = Element(node.tag, attributes, parent)
            if parent:
                parent.content.append(element)
            else:
                top = element
    return top


def styled(html: str, css: str, dark: bool) -> Element:
    """Parse the document with every style that applies in a scheme in the style attributes."""
    extra = "".join(_written(rule) for rule in rules_of(css) if dark and _DARK.search(rule.media))
    inliner = CSSInliner(extra_css=extra, inline_style_tags=True, load_remote_stylesheets=False)
    try:
        return parse(inliner.inline(html))
    except (InlineError, ValueError):  # for CSS that cannot be parsed, inline styles still count
        return parse(html)


def _written(rule: CssRule) -> str:
    block = ";".join(f"{name}:{value}{' !important' * important}" for name, value, important in rule.declarations)
    return f"{rule.selector}{{{block}}}"


@lru_cache(maxsize=2_000)
def declarations(style: str) -> tuple[Declaration, ...]:
    """The declarations of a style attribute or of a rule's block, in order."""
    nodes = tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)
    return tuple(
        Declaration(node.lower_name, tinycss2.serialize(node.value).strip(), node.important)
        for node in nodes
        if node.type == "declaration"
    )


@lru_cache(maxsize=2_000)
def effective(style: str) -> dict[str, str]:
    """The values that win: the last one, an important one before all others; `background` counts as its colour."""
    won: dict[str, Declaration] = {}
    for name, value, important in declarations(style):
        if name == "background" and (colours := colours_in(value)):
            name, value = "background-color", colours[0]  # noqa: PLW2901
        if name not in won or important or not won[name].important:
            won[name] = Declaration(name, value, important)
    return {name: declaration.value for name, declaration in won.items()}


@lru_cache(maxsize=2_000)
def colours_in(value: str) -> tuple[str, ...]:
    """The colours that a value names, as written."""
    parts = (node.serialize() for node in tinycss2.parse_component_value_list(value))
    return tuple(part for part in parts if colour(part))


@lru_cache(maxsize=200)
def rules_of(css: str) -> tuple[CssRule, ...]:
    """The style rules of a style sheet, those within @media too."""
    return tuple(_rules(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True), ""))


def _rules(nodes: list[tinycss2.ast.Node], media: str) -> Iterator[CssRule]:
    for node in nodes:
        if node.type == "qualified-rule":
            selector = tinycss2.serialize(node.prelude).strip()
            yield CssRule(media, selector, declarations(tinycss2.serialize(node.content)))
        elif node.type == "at-rule" and node.lower_at_keyword == "media" and node.content is not None and not media:
            inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
            yield from _rules(inner, tinycss2.serialize(node.prelude).strip().lower() or "all")


def size_of(element: Element) -> float:
    """The font size in px (CSS Fonts 4 §2.5), by default 16."""
    shorthand = _FONT.search(element.style.get("font", ""))
    size = element.style.get("font-size", "").replace("inherit", "") or (shorthand.group(1) if shorthand else "")
    parent = size_of(element.parent) if element.parent else 16.0
    if not size:
        return parent * _HEADING_SIZES.get(element.tag, 1.0)
    return float(_KEYWORDS.get(size, 0)) or pixels(size, parent)


def line_height_of(element: Element) -> float:
    """The line height as a multiple of the font size, 0 without a declaration."""
    size = size_of(element)
    for above in element.ancestry():
        shorthand = _FONT.search(above.style.get("font", ""))
        height = above.style.get("line-height") or (shorthand and shorthand.group(2)) or ""
        if match := _LENGTH.fullmatch(height):
            # A length or percentage is inherited as the px that it is where it is stated (CSS 2.2 §10.8.1).
            return float(height) if not match.group(2) else pixels(height, size_of(above)) / (size or 1)
    return 0.0


def alignment_of(element: Element) -> str:
    """The alignment of its text as stated on it or around it, by style or attribute; "" for none."""
    stated = (above.style.get("text-align", above.attributes.get("align", "")) for above in element.ancestry())
    return next((value.lower() for value in stated if value and value != "inherit"), "")


def pixels(length: str, em: float = 16.0) -> float:
    """Convert a CSS length to px; 0 for any other text."""
    match = _LENGTH.fullmatch(length.strip())
    if match is None:
        return 0.0
    return float(match.group(1)) * {"pt": 4 / 3, "em": em, "rem": 16.0, "%": em / 100}.get(match.group(2) or "px", 1.0)


def colour(value: str) -> RGBA | None:
    """Parse a visible CSS colour (name, hex, rgb(), hsl())."""
    parsed = parse_color(value)
    return parsed if isinstance(parsed, RGBA) and parsed.alpha > 0 else None


def text_colour_of(element: Element) -> str:
    for above in element.ancestry():
        if colour(value := above.style.get("color", above.attributes.get("color", ""))):
            return value
        if above.tag == "a" and "href" in above.attributes and value != "inherit":
            return BLUE
    return BLACK


def background_of(element: Element) -> str:
    stated = (above.style.get("background-color", above.attributes.get("bgcolor", "")) for above in element.ancestry())
    return next(filter(colour, stated), WHITE)


@lru_cache(maxsize=1_000)
def contrast_of(text: str, background: str) -> float:
    """WCAG 2.2, contrast ratio of two colours, from 1 to 21."""
    light, dark = sorted((_luminance(text), _luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(value: str) -> float:
    channels = parse_color(value)[:3]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)
