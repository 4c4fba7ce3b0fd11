"""Rules of the text part: as complete as the HTML, written for people."""

import re
from collections.abc import Iterator

from digest.lint.message import ALL, BULK, WEB_ADDRESS, ParsedMessage, Rule, Scope, excerpt, loose

_LONGEST_LINE = 78
_LEFT_OVER = re.compile(
    r"\\[a-zA-Z]{2,}\b|\$[^$\n]*[\\^_][^$\n]*\$"  # LaTeX
    r"|&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8});|</?(?:a|b|br|div|em|i|li|p|span|strong|sub|sup|table|td|tr|ul)\b[^<>]*>"
)


def _text_part(mail: ParsedMessage) -> Iterator[str]:
    types = [part.get_content_type() for part in mail.message.walk() if not part.is_multipart()]
    if "text/plain" not in types or not mail.text.strip():
        yield "there is no text part, or nothing in it"
    elif "text/html" in types and types.index("text/html") < types.index("text/plain"):
        yield "the text stands behind the HTML: mail programs show the last part that they can"


def _same_links(mail: ParsedMessage) -> Iterator[str]:
    html = [link for link in mail.web_links() if WEB_ADDRESS.match(link)]
    text = [address.rstrip(".,;:)>") for address in WEB_ADDRESS.findall(mail.text)]
    missing = [link for link in html if link not in text]
    extra = [link for link in text if link not in html]
    yield from (f"not in the text: {link}" for link in dict.fromkeys(missing))
    yield from (f"not in the HTML: {link}" for link in dict.fromkeys(extra))
    if not missing and not extra and list(dict.fromkeys(html)) != list(dict.fromkeys(text)):
        yield "the links stand in another order"


def _same_items(mail: ParsedMessage) -> Iterator[str]:
    text, at = _unspaced(mail.text), 0  # a long title is wrapped, and a long word in it broken
    for heading in mail.body.all("h2"):
        title = _unspaced(heading.text)
        found = text.find(title, at)
        if found < 0:
            yield f"{'in another order' if title in text else 'missing'}: {excerpt(heading.text)}"
        else:
            at = found + len(title)


def _unspaced(text: str) -> str:
    return "".join(loose(text).split())


def _text_width(mail: ParsedMessage) -> Iterator[str]:
    for line in mail.text.splitlines():
        if len(WEB_ADDRESS.sub("", line)) > _LONGEST_LINE and " " in line.strip():
            yield f"{len(line)} characters in a line: {excerpt(line)}"


def _left_over(mail: ParsedMessage) -> Iterator[str]:
    yield from (f"left over in the text: {found.group()[:40]}" for found in _LEFT_OVER.finditer(mail.text))


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
