"""Rules of the text part: as complete as the HTML, and without its markup."""

import re
from collections.abc import Iterator

from digest.lint.message import ALL, BULK, WEB_ADDRESS, ParsedMessage, Rule, Scope, excerpt, loose

_LONGEST_LINE = 78
_LEFT_OVER = re.compile(
    r"\\[a-zA-Z]{2,}\b|\$[^$\n]*[\\^_][^$\n]*\$"  # LaTeX
    r"|&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8});|</?(?:a|b|br|div|em|i|li|p|span|strong|sub|sup|table|td|tr|ul)\b[^<>]*>"
)


def _text_part(message: ParsedMessage) -> Iterator[str]:
    types = [part.get_content_type() for part in message.parts]
    if "text/plain" not in types or not message.text.strip():
        yield "there is no text part, or it is empty"
    elif "text/html" in types and types.index("text/html") < types.index("text/plain"):
        yield "the text comes after the HTML: email programs show the last part that they support"


def _same_links(message: ParsedMessage) -> Iterator[str]:
    html = list(dict.fromkeys(link for link in message.web_links if WEB_ADDRESS.match(link)))
    text = list(dict.fromkeys(address.rstrip(".,;:)>") for address in WEB_ADDRESS.findall(message.text)))
    yield from (f"not in the text: {link}" for link in html if link not in text)
    yield from (f"not in the HTML: {link}" for link in text if link not in html)
    if html != text and set(html) == set(text):
        yield "the links are in another order"


def _same_items(message: ParsedMessage) -> Iterator[str]:
    text, position = _unspaced(message.text), 0  # a long title is wrapped, and a long word in it broken
    for heading in message.body.all("h2"):
        title = _unspaced(heading.text)
        if title not in text[position:]:
            yield f"{'in another order' if title in text else 'missing'}: {excerpt(heading.text)}"
        else:
            position = text.index(title, position) + len(title)


def _unspaced(text: str) -> str:
    return "".join(loose(text).split())


def _text_width(message: ParsedMessage) -> Iterator[str]:
    lines = (line for line in message.text.splitlines() if " " in line.strip())
    long = (line for line in lines if len(WEB_ADDRESS.sub("", line)) > _LONGEST_LINE)
    return (f"{len(line)} characters in a line: {excerpt(line)}" for line in long)


def _left_over(message: ParsedMessage) -> Iterator[str]:
    yield from (f"left over in the text: {match.group()[:40]}" for match in _LEFT_OVER.finditer(message.text))


RULES = (
    Rule(
        "text-part",
        ALL,
        Scope.ANY,
        "There is a text part, and it comes before the HTML.",
        "Add a text/plain part first in multipart/alternative.",
        _text_part,
    ),
    Rule(
        "text-links",
        ALL,
        Scope.BOTH,
        "Text and HTML have the same links in the same order.",
        "Put every link of the HTML into the text.",
        _same_links,
    ),
    Rule(
        "text-items",
        BULK,
        Scope.BOTH,
        "The text has every heading of the HTML, in the same order.",
        "Put every item of the HTML into the text.",
        _same_items,
    ),
    Rule(
        "text-width",
        ALL,
        Scope.TEXT,
        "Text lines have at most 78 characters, except for addresses and single words.",
        "Wrap the text.",
        _text_width,
    ),
    Rule(
        "text-left-over",
        ALL,
        Scope.TEXT,
        "The text has no leftover HTML or LaTeX.",
        "Decode entities, remove tags, write mathematics as text.",
        _left_over,
    ),
)
