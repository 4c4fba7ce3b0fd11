"""Titles and abstracts as sources send them → one line of readable text that loses nothing.

LaTeX, HTML entities (also doubly escaped) and mark-up go; "95% accuracy", "$5 and $10" and "a < b" stay.
"""

import html
import re
import unicodedata

from digest.papers.text.latex import from_latex, script, words

LONGEST = 20_000  # characters; longer than any abstract, so the rest is cut
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][\w:-]{0,40})"
    r"(?:\s+[\w:-]{1,40}\s*=\s*(?:\"[^\"<>]{0,500}\"|'[^'<>]{0,500}'|[^\s\"'<>=]{1,500})){0,9}\s*/?>"
)
# <s>, <image>, <think> and the like are tokens of language models more often than mark-up, and stay.
_INLINE = words("i b em strong sub sup u a tt code span font small big sc italic bold monospace")
_BLOCK = words("p div li ul ol h1 h2 h3 h4 sec title abstract blockquote pre")
_ALONE = frozenset({"br", "hr"})
_FOREIGN = ("jats:", "mml:")
_JOINERS = "\u200c\u200d"  # part of the spelling in several scripts, and of many emoji
_LATEX_SPACE = re.compile(r"(?<=[A-Za-z]{2})~(?=[A-Za-z0-9\\$(\[])|(?<=\.)~(?=[A-Za-z0-9\\$])|(?<=\))~(?=\\)")
_DIGITS = re.compile(r"(?<=\d)\{,\}(?=\d)")  # 14{,}056
_QUOTED = re.compile(r"``(.{1,500}?)''", re.DOTALL)
_URL = re.compile(r"(https?://\S+)")
_LONG_DASH = re.compile(r"(?<=\w)---(?=\w)|(?<=\s)---(?=\s)")
_DASH = re.compile(r"(?<=\w)--(?=\w)|(?<=\s)--(?=\s)")


def plaintext(text: str) -> str:
    """One line of readable Unicode text. Never raises."""
    text = _without_tags(_without_controls(_without_entities(text[:LONGEST])))
    text = _typeset(from_latex(_LATEX_SPACE.sub(" ", _DIGITS.sub(",", text))))
    return " ".join(unicodedata.normalize("NFC", text).split())


def _without_entities(text: str) -> str:
    for _ in range(3):  # "&amp;amp;lt;" has been seen
        fewer = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
        if fewer == text:
            break
        text = fewer
    return text


def _without_controls(text: str) -> str:
    """Remove invisible characters: controls, bidi marks, zero widths and lone surrogates."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(text, at) for at in range(len(text)))


def _shown(text: str, at: int) -> str:
    c = text[at]
    if c.isspace():
        return " "
    if c in _JOINERS:
        around = text[max(0, at - 1) : at], text[at + 1 : at + 2]
        return c if all(n and not n.isascii() and unicodedata.category(n)[0] in "LMS" for n in around) else ""
    hidden = unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") or ord(c) & 0xFFFE == 0xFFFE
    return "" if hidden else c


def _without_tags(text: str) -> str:
    """Remove known tags that are properly closed; <sub> and <sup> become sub- and superscripts."""
    if "<" not in text:
        return text
    tags = list(_TAG.finditer(text))
    paired = _pairs([(tag.group("name").lower(), bool(tag.group("end"))) for tag in tags])
    out: list[str] = []
    begun: list[int] = []
    at = 0
    for number, tag in enumerate(tags):
        name = tag.group("name").lower()
        out.append(text[at : tag.start()])
        at = tag.end()
        local = name.removeprefix("jats:")
        if number not in paired and name not in _ALONE and not name.startswith(_FOREIGN):
            out.append(tag.group())
        elif local in ("sub", "sup") and number in paired:
            _script_tag(out, begun, local, bool(tag.group("end")))
        elif local in _BLOCK or local in _ALONE:
            out.append(" ")
    return "".join(out) + text[at:]


def _script_tag(out: list[str], begun: list[int], name: str, ends: bool) -> None:
    if not ends:
        begun.append(len(out))
    elif begun:
        start = begun.pop()
        inside = "".join(out[start:])
        del out[start:]
        out.append(script(inside, "_" if name == "sub" else "^") if inside.strip() else inside)


def _pairs(tags: list[tuple[str, bool]]) -> set[int]:
    """The positions of properly nested tags."""
    paired: set[int] = set()
    opened: list[tuple[str, int]] = []
    for number, (name, ends) in enumerate(tags):
        if name.removeprefix("jats:") not in _INLINE | _BLOCK:
            continue
        if not ends:
            opened.append((name, number))
        elif opened and opened[-1][0] == name:
            paired |= {opened.pop()[1], number}
    return paired


def _typeset(text: str) -> str:
    """Convert TeX's quotation marks and dashes, except in `--options` and addresses."""
    text = _QUOTED.sub(r"“\1”", text)
    parts = _URL.split(text)  # every second part is an address
    parts[::2] = [_DASH.sub("–", _LONG_DASH.sub("—", part)) for part in parts[::2]]
    return "".join(parts)
