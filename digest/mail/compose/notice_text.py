"""The text that an operator writes into a notice: cleaned, and as paragraphs whose addresses are links."""

import re

from markupsafe import Markup, escape

from digest.text import one_line

_BREAK = re.compile(r"\n\s*\n")
# A sentence goes on after an address, and may be in brackets.
_ADDRESS = re.compile(
    r"https?://[^\s<>\"'“”‘’«»，。；：！？、（）《》]*[^\s<>\"'“”‘’«»，。；：！？、（）《》.,;:!?()\[\]]"
)
_SCHEME = re.compile(r"^https?://(?:www\.)?(?=.)")


def cleaned(text: str) -> str:
    """Paragraphs with a blank line between them, without control characters and blanks at the ends of lines."""
    lines = "\n".join(one_line(line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return "\n\n".join(block.strip("\n") for block in _BREAK.split(lines) if block.strip())


def paragraphs(text: str) -> list[Markup]:
    """The paragraphs as HTML. Everything is escaped; line breaks stay."""
    return [Markup("<br>\n").join(map(_linked, block.split("\n"))) for block in _BREAK.split(text) if block.strip()]


def _linked(line: str) -> Markup:
    parts, end = [], 0
    for match in _ADDRESS.finditer(line):
        # Screen readers spell out "https://".
        words = _SCHEME.sub("", match[0])
        parts += [escape(line[end : match.start()]), Markup('<a href="{}">{}</a>').format(match[0], words)]
        end = match.end()
    return Markup().join([*parts, escape(line[end:])])
