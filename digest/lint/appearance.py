"""Rules of appearance: CSS that every email program supports, sizes, colours in both schemes."""

import re
from collections.abc import Iterator
from functools import cache

from digest.lint.html import missing_metas
from digest.lint.message import ALL, ParsedMessage, Rule, Scope, excerpt
from digest.lint.tree import (
    Declaration,
    Element,
    alignment_of,
    background_of,
    colour,
    colours_in,
    contrast_of,
    declarations,
    line_height_of,
    rules_of,
    size_of,
    text_colour_of,
)

# Shown by 16 email programs, or left out without harm (caniemail.com, 2026-05).
_PROPERTIES = re.compile(
    r"background(-color)?|border(-(top|right|bottom|left))?(-(color|style|width))?|border-(collapse|radius|spacing)|"
    r"color|(supported-)?color-schemes?|direction|display|font|font-(family|size|style|weight)|height|letter-spacing|"
    r"line-height|list-style(-type)?|margin(-(top|right|bottom|left))?|max-(height|width)|mso-[a-z-]+|"
    r"-(ms|webkit)-text-size-adjust|opacity|overflow(-wrap)?|padding(-(top|right|bottom|left))?|"
    r"table-layout|text-(align|decoration|indent|transform)|vertical-align|white-space|width"
)
_BEFORE_FAMILY = re.compile(r"^.*\d\S*\s+")  # weight, size and line height in the shorthand `font`
_DISPLAYS = re.compile(r"none|block|inline|inline-block|table|table-cell|table-row")
_UNKNOWN_VALUES = re.compile(r"url\(|var\(|calc\(|\d(rem|vw|vh)\b|expression\(", re.IGNORECASE)
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_COLOURED = re.compile(r"background(-color)?|border.*|color")
_PURE = ("#ffffff", "#000000")
_GENERIC = ("serif", "sans-serif", "monospace", "system-ui")
_LONGEST_STYLE = 8192  # bytes
_NO_ZOOM = re.compile(r"user-scalable\s*=\s*(?:no|0)|maximum-scale\s*=\s*[01](?!\d)", re.IGNORECASE)
_SMALLEST = 14  # px
_LOWEST_LINE, _LOWEST_LINE_OF_HEADINGS = 1.4, 1.2
_LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3


def _style_element(message: ParsedMessage) -> Iterator[str]:
    if len(message.css.encode()) > _LONGEST_STYLE:
        yield f"{len(message.css.encode()):,} bytes of <style>"
    if "/*" in message.css or any("/*" in style for style in _style_attributes(message)):
        yield "a CSS comment"
    if re.search(r"@import|@font-face", message.css, re.IGNORECASE):
        yield "a style sheet or a font from elsewhere"


def _css(message: ParsedMessage) -> Iterator[str]:
    for name, value, _ in _declarations(message):
        if not _PROPERTIES.fullmatch(name):
            yield f"the property {name}"
        elif name == "display" and not _DISPLAYS.fullmatch(value.lower()):
            yield f"display: {value}"
        elif _UNKNOWN_VALUES.search(value):
            yield f"the value {name}: {value[:40]}"


def _hex_colours(message: ParsedMessage) -> Iterator[str]:
    return (f"{name}: {value}" for name, value in _colours(message) if not _HEX.fullmatch(value))


def _soft_colours(message: ParsedMessage) -> Iterator[str]:
    pure = [(name, value) for name, value in _colours(message) if _as_hex(value) in _PURE]
    yield from (f"{name}: {value}" for name, value in pure if not name.startswith("border"))


def _fonts(message: ParsedMessage) -> Iterator[str]:
    declared = [(name, value) for name, value, _ in _declarations(message) if name in ("font-family", "font")]
    families = [value if name == "font-family" else _BEFORE_FAMILY.sub("", value) for name, value in declared]
    others = [family for family in families if family.rpartition(",")[2].strip().strip("'\"").lower() not in _GENERIC]
    yield from (f"no generic family at the end of {family[:60]}" for family in others)
    quoted = [style for style in _style_attributes(message) if '"' in style]
    yield from (f"a double quote within a style attribute: {style[:60]}" for style in quoted)


def _text_size(message: ParsedMessage) -> Iterator[str]:
    for element in message.shown(message.light):
        if size_of(element) < _SMALLEST - 0.01:
            yield f"{size_of(element):g} px: {excerpt(element.words)}"


def _zoom(message: ParsedMessage) -> Iterator[str]:
    for meta in message.tree.all("meta"):
        content = meta.attributes.get("content", "")
        if meta.attributes.get("name", "").lower() == "viewport" and _NO_ZOOM.search(content):
            yield f"the viewport is {content!r}"


def _line_height(message: ParsedMessage) -> Iterator[str]:
    for element in message.shown(message.light):
        height = line_height_of(element)
        if height < (_LOWEST_LINE_OF_HEADINGS if element.in_heading else _LOWEST_LINE) - 0.01:
            yield f"{f'{height:.2g}' if height else 'none stated'}: {excerpt(element.words)}"


def _justified(message: ParsedMessage) -> Iterator[str]:
    for element in message.shown(message.light):
        if alignment_of(element) == "justify":
            yield f"both edges are straight: {excerpt(element.words)}"


def _too_faint(message: ParsedMessage, body: Element) -> Iterator[str]:
    for element in message.shown(body):
        text, background = text_colour_of(element), background_of(element)
        if (ratio := contrast_of(text, background)) < _LEAST_CONTRAST:
            yield f"{ratio:.1f}, {text} on {background}: {excerpt(element.words)}"


def _dark_mode(message: ParsedMessage) -> Iterator[str]:
    yield from missing_metas(message, "color-scheme", "supported-color-schemes")
    rules = rules_of(message.css)
    if not any(rule.selector == ":root" and "color-scheme" in rule.names for rule in rules):
        yield "no :root with color-scheme"
    dark = [rule for rule in rules if "dark" in rule.media]
    if not any(rule.names & {"color", "background-color"} for rule in dark):
        yield "no colours for the dark scheme"
    weak = [(rule.selector, name) for rule in dark for name, _, important in rule.declarations if not important]
    yield from (f"{selector} {name} is not !important, so the style attribute wins" for selector, name in weak)


def _style_attributes(message: ParsedMessage) -> list[str]:
    return [element.attributes.get("style", "") for element in message.tree.everything()]


def _declarations(message: ParsedMessage) -> list[Declaration]:
    """List the different declarations of a message."""
    inline = [each for style in sorted(set(_style_attributes(message))) for each in declarations(style)]
    sheet = [each for rule in rules_of(message.css) for each in rule.declarations]
    cells = sorted({e.attributes["bgcolor"] for e in message.tree.everything() if "bgcolor" in e.attributes})
    backgrounds = [Declaration("background-color", value, important=False) for value in cells]
    return list(dict.fromkeys([*inline, *sheet, *backgrounds]))


def _colours(message: ParsedMessage) -> Iterator[tuple[str, str]]:
    """Name the property and the colour as written, for every colour of a message."""
    coloured = [(name, value) for name, value, _ in _declarations(message) if _COLOURED.fullmatch(name)]
    return ((name, written) for name, value in coloured for written in colours_in(value))


@cache
def _as_hex(value: str) -> str:
    parsed = colour(value)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in parsed[:3]) if parsed else ""


RULES = (
    Rule(
        "style-element",
        ALL,
        Scope.HTML,
        "<style> has at most 8 kB, no comments, and loads nothing.",
        "Keep only what cannot be inline; a comment makes one email program drop the next rule.",
        _style_element,
    ),
    Rule(
        "css",
        ALL,
        Scope.HTML,
        "Only CSS that every email program supports, or that is harmless without support.",
        "Use margins, padding, widths in px or %, and tables; no flex, grid, position, url(), var() or calc().",
        _css,
    ),
    Rule(
        "hex-colours",
        ALL,
        Scope.HTML,
        "Colours have six hexadecimal digits.",
        "Write #1a2b3c: Outlook misreads other forms.",
        _hex_colours,
    ),
    Rule(
        "soft-colours",
        ALL,
        Scope.HTML,
        "No pure white or black.",
        "Use colours close to them, which invert well if an email program makes its own dark scheme.",
        _soft_colours,
    ),
    Rule(
        "fonts",
        ALL,
        Scope.HTML,
        "Every list of fonts ends in a generic family, and no quote breaks a style attribute.",
        "End with serif, sans-serif or monospace; name fonts without double quotes.",
        _fonts,
    ),
    Rule(
        "text-size",
        ALL,
        Scope.HTML,
        "Text has at least 14 px.",
        "Make it larger.",
        _text_size,
    ),
    Rule(
        "zoom",
        ALL,
        Scope.HTML,
        "The text can be enlarged.",
        "Remove user-scalable and maximum-scale from the viewport (WCAG 2.2, 1.4.4).",
        _zoom,
    ),
    Rule(
        "line-height",
        ALL,
        Scope.HTML,
        "Line heights are stated and at least 1.4, in headings 1.2.",
        "State them on the element or on one around it.",
        _line_height,
    ),
    Rule(
        "justified",
        ALL,
        Scope.HTML,
        "No text is justified.",
        "Align it to the side where its lines begin: uneven gaps between words are hard to read (WCAG 2.2, 1.4.8).",
        _justified,
    ),
    Rule(
        "contrast",
        ALL,
        Scope.HTML,
        "Text has a contrast of at least 4.5:1 in the light scheme.",
        "Make the text darker or its background lighter (WCAG 2.2, 1.4.3).",
        lambda message: _too_faint(message, message.light),
    ),
    Rule(
        "dark-contrast",
        ALL,
        Scope.HTML,
        "Text has a contrast of at least 4.5:1 in the dark scheme.",
        "Give each element with a light colour a dark one with !important.",
        lambda message: _too_faint(message, message.dark),
    ),
    Rule(
        "dark-mode",
        ALL,
        Scope.HTML,
        "There is a dark scheme.",
        "Add both <meta> of color-scheme, :root { color-scheme: light dark }, and colours with !important in "
        "@media (prefers-color-scheme: dark).",
        _dark_mode,
    ),
)
