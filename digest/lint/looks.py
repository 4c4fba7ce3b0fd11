"""Rules of how a mail looks: CSS that every mail program knows, sizes, colours in both schemes."""

import re
from collections.abc import Iterator
from functools import cache

from digest.lint.message import ALL, ParsedMessage, Rule, Scope, excerpt
from digest.lint.tree import (
    Declaration,
    Element,
    colour,
    colours_in,
    contrast_of,
    declarations,
    ink_of,
    line_height_of,
    paper_of,
    rules_of,
    size_of,
)

# What 16 mail programs show, or leave out without harm (caniemail.com, 2026-05).
_PROPERTIES = re.compile(
    r"background(-color)?|border(-(top|right|bottom|left))?(-(color|style|width))?|border-(collapse|radius|spacing)|"
    r"color|(supported-)?color-schemes?|direction|display|font|font-(family|size|style|weight)|height|letter-spacing|"
    r"line-height|list-style(-type)?|margin(-(top|right|bottom|left))?|max-(height|width)|mso-[a-z-]+|"
    r"-(ms|webkit)-text-size-adjust|opacity|overflow|padding(-(top|right|bottom|left))?|"
    r"table-layout|text-(align|decoration|indent|transform)|vertical-align|white-space|width"
)
_DISPLAYS = re.compile(r"none|block|inline|inline-block|table|table-cell|table-row")
_UNKNOWN_VALUES = re.compile(r"url\(|var\(|calc\(|\d(rem|vw|vh)\b|expression\(", re.IGNORECASE)
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_COLOURED = re.compile(r"background(-color)?|border.*|color")
_PURE = ("#ffffff", "#000000")
_GENERIC = ("serif", "sans-serif", "monospace", "system-ui")
_LONGEST_STYLE = 8192  # bytes
_SMALLEST, _SMALLEST_IN_FOOTER = 14, 13  # px
_LOWEST_LINE = 1.4
_LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3


def _style_element(mail: ParsedMessage) -> Iterator[str]:
    if len(mail.css.encode()) > _LONGEST_STYLE:
        yield f"{len(mail.css.encode()):,} bytes of <style>"
    if "/*" in mail.css or any("/*" in e.attributes.get("style", "") for e in mail.tree.everything()):
        yield "a CSS comment"
    if re.search(r"@import|@font-face", mail.css, re.IGNORECASE):
        yield "a style sheet or a font from elsewhere"


def _css(mail: ParsedMessage) -> Iterator[str]:
    for said in _said(mail):
        if not _PROPERTIES.fullmatch(said.name):
            yield f"the property {said.name}"
        elif said.name == "display" and not _DISPLAYS.fullmatch(said.value.lower()):
            yield f"display: {said.value}"
        elif _UNKNOWN_VALUES.search(said.value):
            yield f"the value {said.name}: {said.value[:40]}"


def _hex_colours(mail: ParsedMessage) -> Iterator[str]:
    for said in _said(mail):
        if _COLOURED.fullmatch(said.name):
            yield from (f"{said.name}: {one}" for one in colours_in(said.value) if not _HEX.fullmatch(one))


def _soft_colours(mail: ParsedMessage) -> Iterator[str]:
    for said in _said(mail):
        if said.name in ("background", "background-color", "color"):
            yield from (f"{said.name}: {one}" for one in colours_in(said.value) if _as_hex(one) in _PURE)


def _fonts(mail: ParsedMessage) -> Iterator[str]:
    for said in _said(mail):
        if said.name == "font-family" and said.value.rpartition(",")[2].strip().strip("'\"").lower() not in _GENERIC:
            yield f"no generic family at the end of {said.value[:60]}"
    for element in mail.tree.everything():
        if '"' in element.attributes.get("style", ""):
            yield f"a double quote within a style attribute: {element.attributes['style'][:60]}"


def _text_size(mail: ParsedMessage) -> Iterator[str]:
    for element in mail.shown(mail.light):
        in_footer = mail.footer is not None and mail.footer in element.ancestry()
        smallest = _SMALLEST_IN_FOOTER if in_footer else _SMALLEST
        if size_of(element) < smallest - 0.01:
            yield f"{size_of(element):g} px: {excerpt(element.words)}"


def _line_height(mail: ParsedMessage) -> Iterator[str]:
    for element in mail.shown(mail.light):
        in_heading = any(above.tag in ("h1", "h2", "h3") for above in element.ancestry())
        if not in_heading and (height := line_height_of(element)) < _LOWEST_LINE - 0.01:
            yield f"{f'{height:.2g}' if height else 'none stated'}: {excerpt(element.words)}"


def _contrast(mail: ParsedMessage) -> Iterator[str]:
    yield from _too_faint(mail, mail.light)


def _dark_contrast(mail: ParsedMessage) -> Iterator[str]:
    yield from _too_faint(mail, mail.dark)


def _too_faint(mail: ParsedMessage, body: Element) -> Iterator[str]:
    for element in mail.shown(body):
        ink, paper = ink_of(element), paper_of(element)
        if (ratio := contrast_of(ink, paper)) < _LEAST_CONTRAST:
            yield f"{ratio:.1f}, {ink} on {paper}: {excerpt(element.words)}"


def _dark_mode(mail: ParsedMessage) -> Iterator[str]:
    names = {meta.attributes.get("name", "").lower() for meta in mail.tree.all("meta")}
    yield from (f'no <meta name="{name}">' for name in ("color-scheme", "supported-color-schemes") if name not in names)
    rules = rules_of(mail.css)
    if not any(rule.selector == ":root" and _names(rule.declarations) >= {"color-scheme"} for rule in rules):
        yield "no :root with color-scheme"
    dark = [rule for rule in rules if "dark" in rule.media]
    if not any(_names(rule.declarations) & {"color", "background-color"} for rule in dark):
        yield "no colours for the dark scheme"
    for rule in dark:
        soft = [said.name for said in rule.declarations if not said.important]
        yield from (f"{rule.selector} {name} is not !important, so the style attribute wins" for name in soft)


def _names(said: tuple[Declaration, ...]) -> set[str]:
    return {declaration.name for declaration in said}


def _said(mail: ParsedMessage) -> list[Declaration]:
    """Every declaration of a mail, each once."""
    inline = {element.attributes.get("style", "") for element in mail.tree.everything()}
    found = [said for style in sorted(inline) for said in declarations(style)]
    found += [said for rule in rules_of(mail.css) for said in rule.declarations]
    coloured = {e.attributes["bgcolor"] for e in mail.tree.everything() if "bgcolor" in e.attributes}
    found += [Declaration("background-color", value, important=False) for value in sorted(coloured)]
    return list(dict.fromkeys(found))


@cache
def _as_hex(said: str) -> str:
    seen = colour(said)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in seen[:3]) if seen else ""


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
        "Text has at least 14 px, 13 in the footer.",
        "Make it larger.",
        _text_size,
    ),
    Rule(
        "line-height",
        ALL,
        Scope.HTML,
        "Line heights are stated and at least 1.4, except in headings.",
        "State them on <td> and <p>.",
        _line_height,
    ),
    Rule(
        "contrast",
        ALL,
        Scope.HTML,
        "Text has a contrast of at least 4.5:1 in the light scheme.",
        "Make the text darker or its background lighter (WCAG 2.2, 1.4.3).",
        _contrast,
    ),
    Rule(
        "dark-contrast",
        ALL,
        Scope.HTML,
        "Text has a contrast of at least 4.5:1 in the dark scheme.",
        "Give each element with a light colour a dark one with !important.",
        _dark_contrast,
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
