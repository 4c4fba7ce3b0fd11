"""Splits the bytes of a message into the parts that rules check. Never raises, whatever the bytes."""

import email
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from enum import StrEnum
from functools import cached_property

from digest.lint.tree import Element, parse, styled

SPACERS = "\u034f\u200b\u200c\u200d\u2007\u00a0\u00ad\ufeff"  # after a preheader, to hide the text that follows
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_UNSUBSCRIBE = re.compile(
    r"unsubscribe|opt[ -]?out|never mail|退订|取消订阅|abmelden|abbestellen|d[ée]sabonn|d[ée]sinscri|darse de baja",
    re.IGNORECASE,
)
_MANY_HEADINGS, _MANY_LINKS = 3, 10


class MailKind(StrEnum):
    """Messages to a list, and those that a person requested just now."""

    BULK = "bulk"
    TRANSACTIONAL = "transactional"


class Scope(StrEnum):
    """The part that a rule checks; without that part, the rule does not apply."""

    ANY = "every message"
    HTML = "with HTML"
    TEXT = "with text"
    BOTH = "with both"


class ParsedMessage:
    """The parts of a message, as an email program reads them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
        self.head_lines = re.split(rb"\r?\n", self.head)
        self.parsed: Message = email.message_from_bytes(raw, policy=compat32)
        self.field_names = self.parsed.keys()  # with those that are repeated
        self.parts = [part for part in self.parsed.walk() if not part.is_multipart()]
        self._text, self._html = (
            next((part for part in self.parts if part.get_content_type() == kind), None)
            for kind in ("text/plain", "text/html")
        )
        self.text, self.html = _content(self._text), _content(self._html)
        self.unsubscribe_urls = re.findall(r"<\s*(https?://[^>\s]+)\s*>", str(self.parsed["List-Unsubscribe"] or ""))

    def field(self, name: str) -> str:
        """Return the readable value of a header field, unfolded; "" for a missing field."""
        return _decoded(str(self.parsed.get(name, "")))

    @property
    def subject(self) -> str:
        return self.field("Subject")

    @property
    def scopes(self) -> set[Scope]:
        html, text = self._html is not None, self._text is not None
        present = {Scope.ANY: True, Scope.HTML: html, Scope.TEXT: text, Scope.BOTH: html and text}
        return {scope for scope in Scope if present[scope]}

    @property
    def html_on_the_wire(self) -> str:
        """The HTML part as it is sent, encoded."""
        return str(self._html.get_payload()) if self._html is not None else ""

    @cached_property
    def tree(self) -> Element:
        """The HTML as written."""
        return parse(self.html)

    @cached_property
    def body(self) -> Element:
        return _body(self.tree)

    @cached_property
    def light(self) -> Element:
        """The body with the styles of the light scheme."""
        return _body(styled(self.html, self.css, dark=False))

    @cached_property
    def dark(self) -> Element:
        """The body with the styles of the dark scheme."""
        return _body(styled(self.html, self.css, dark=True))

    @cached_property
    def css(self) -> str:
        return "".join(style.words for style in self.tree.all("style"))

    @cached_property
    def kind(self) -> MailKind:
        """Decide by the list fields of the header, without any by the number of headings and links."""
        is_listed = self.parsed["List-Id"] or self.parsed["List-Post"]
        if is_listed or self.field("Precedence").lower() in ("bulk", "list"):
            return MailKind.BULK
        many = len(self.body.all("h2", "h3")) >= _MANY_HEADINGS or len(set(self.web_links)) >= _MANY_LINKS
        return MailKind.BULK if many else MailKind.TRANSACTIONAL

    @property
    def links(self) -> list[Element]:
        return [a for a in self.light.all("a") if "href" in a.attributes]

    @property
    def web_links(self) -> list[str]:
        """The addresses of all links in order, without those of mailboxes and telephones."""
        links = [a.attributes["href"].strip() for a in self.body.all("a") if "href" in a.attributes]
        return [link for link in links if not link.startswith(("mailto:", "tel:"))]

    def shown(self, body: Element) -> Iterator[Element]:
        """Find the visible elements that have text of their own."""
        written = (e for e in body.everything() if e.words.strip() and e.tag not in ("style", "script"))
        return (e for e in written if not e.is_hidden)

    @cached_property
    def footer(self) -> Element | None:
        """The block around the last unsubscribe link."""
        ends = [a for a in self.links if a.attributes["href"] in self.unsubscribe_urls or is_unsubscribe_link(a)]
        blocks = [above for above in ends[-1].ancestry() if above.tag in ("td", "div")] if ends else []
        return blocks[0] if blocks else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: `check` lists the problems; `states` and `remedy` are sentences for people."""

    id: str
    kinds: frozenset[MailKind]
    part: Scope
    states: str
    remedy: str
    check: Callable[[ParsedMessage], Iterator[str]]

    @property
    def kinds_in_words(self) -> str:
        return "both kinds" if self.kinds == ALL else " ".join(self.kinds)


ALL = frozenset(MailKind)
BULK = frozenset({MailKind.BULK})


def is_unsubscribe_link(link: Element) -> bool:
    return bool(_UNSUBSCRIBE.search(link.text))


def loose(text: str) -> str:
    """Reduce white space to single spaces, and remove invisible characters."""
    return " ".join(text.translate(dict.fromkeys(map(ord, SPACERS), " ")).split())


def excerpt(text: str) -> str:
    """The first words, for the text of a problem."""
    line = loose(text)
    return line if len(line) <= 40 else f"{line[:40]}…"


def _body(tree: Element) -> Element:
    return next(iter(tree.all("body")), tree)


def _decoded(value: str) -> str:
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except (LookupError, ValueError, HeaderParseError):
        return " ".join(value.encode("utf-8", "replace").decode().split())


def _content(part: Message | None) -> str:
    payload = part.get_payload(decode=True) if part is not None else b""
    if part is None or not isinstance(payload, bytes):
        return ""
    try:
        text = payload.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        text = payload.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")
