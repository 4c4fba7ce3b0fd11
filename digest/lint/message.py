"""The exact bytes of anybody's mail → its parts, as the rules of mails look at them. Raises for no bytes at all."""

import email
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from enum import StrEnum
from functools import cached_property

from digest.lint.tree import Element, parse, styled

SPACERS = "\u034f\u200b\u200c\u200d\u2007\u00a0\u00ad\ufeff"  # what stands behind a preheader to push the rest away
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_WAY_OUT = re.compile(
    r"unsubscribe|opt[ -]?out|never mail|退订|取消订阅|abmelden|abbestellen|d[ée]sabonn|d[ée]sinscri|darse de baja",
    re.IGNORECASE,
)
_MANY_HEADINGS, _MANY_LINKS = 3, 10


class MailKind(StrEnum):
    """What is sent to a list, and what one person asked for just now."""

    BULK = "bulk"
    TRANSACTIONAL = "transactional"


class Scope(StrEnum):
    """What a rule looks at; where a mail has no such part, its rules do not apply."""

    ANY = "every message"
    HTML = "with HTML"
    TEXT = "with text"
    BOTH = "with both"


class ParsedMessage:
    """The parts of a message, as a reader's program finds them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        found = re.search(rb"\r?\n\r?\n", raw)
        self.head = raw[: found.start()] if found else raw
        self.body_bytes = raw[found.end() :] if found else b""
        self.message: Message = email.message_from_bytes(raw, policy=compat32)
        parts = [part for part in self.message.walk() if not part.is_multipart()]
        self._text = next((part for part in parts if part.get_content_type() == "text/plain"), None)
        self._html = next((part for part in parts if part.get_content_type() == "text/html"), None)

    def field(self, name: str) -> str:
        """The readable value of a header field, unfolded; "" when there is none."""
        value = self.message.get(name)
        return "" if value is None else _decoded(str(value))

    @property
    def subject(self) -> str:
        return self.field("Subject")

    @cached_property
    def has(self) -> frozenset[Scope]:
        parts = {Scope.ANY}
        parts |= {Scope.HTML} if self._html is not None else set()
        parts |= {Scope.TEXT} if self._text is not None else set()
        return frozenset(parts | ({Scope.BOTH} if len(parts) == 3 else set()))

    @cached_property
    def text(self) -> str:
        return _content(self._text)

    @cached_property
    def html(self) -> str:
        return _content(self._html)

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
        """By what the header says of lists; a mail that says nothing is judged by what it looks like."""
        if self.message["List-Id"] or self.message["List-Post"]:
            return MailKind.BULK
        if self.field("Precedence").lower() in ("bulk", "list"):
            return MailKind.BULK
        many = len(self.body.all("h2", "h3")) >= _MANY_HEADINGS or len(set(self.web_links())) >= _MANY_LINKS
        return MailKind.BULK if many else MailKind.TRANSACTIONAL

    def links(self) -> list[Element]:
        return [a for a in self.light.all("a") if "href" in a.attributes]

    def web_links(self) -> list[str]:
        """The addresses of the links, those that write a mail apart, in order."""
        links = [a.attributes["href"].strip() for a in self.body.all("a") if "href" in a.attributes]
        return [link for link in links if not link.startswith(("mailto:", "tel:"))]

    def shown(self, body: Element) -> Iterator[Element]:
        """The elements with text of their own that a reader sees."""
        return (
            e for e in body.everything() if e.words.strip() and e.tag not in ("style", "script") and not e.is_hidden
        )

    def ways_out(self) -> list[str]:
        """The web addresses of List-Unsubscribe."""
        return re.findall(r"<\s*(https?://[^>\s]+)\s*>", str(self.message["List-Unsubscribe"] or ""))

    @cached_property
    def footer(self) -> Element | None:
        """The block around the last link that ends the mails."""
        ends = [a for a in self.links() if a.attributes["href"] in self.ways_out() or is_way_out(a)]
        blocks = (above for above in ends[-1].ancestry() if above.tag in ("td", "div")) if ends else iter(())
        return next(blocks, None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `check` gives what it found wrong, in words; `states` and `remedy` are sentences for people."""

    id: str
    kinds: frozenset[MailKind]
    part: Scope
    states: str
    remedy: str
    check: Callable[[ParsedMessage], Iterator[str]]

    @property
    def kinds_in_words(self) -> str:
        return "both kinds" if self.kinds == ALL else " ".join(self.kinds)

    def applies_to(self, mail: ParsedMessage) -> bool:
        return mail.kind in self.kinds and self.part in mail.has


ALL = frozenset(MailKind)
BULK = frozenset({MailKind.BULK})


def is_way_out(link: Element) -> bool:
    """Whether a link says that it ends the mails."""
    return bool(_WAY_OUT.search(link.text))


def loose(text: str) -> str:
    """`text` with single spaces and without invisible ones."""
    return " ".join(text.translate(dict.fromkeys(map(ord, SPACERS), " ")).split())


def excerpt(text: str) -> str:
    """The first words, for a message."""
    line = loose(text)
    return line if len(line) <= 40 else f"{line[:40]}…"


def _body(tree: Element) -> Element:
    return next(iter(tree.all("body")), tree)


def _decoded(value: str) -> str:
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except (LookupError, ValueError, UnicodeError):
        return " ".join(value.encode("utf-8", "replace").decode().split())


def _content(part: Message | None) -> str:
    payload = part.get_payload(decode=True) if part is not None else b""
    if part is None or not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset() or "utf-8", "replace").replace("\r\n", "\n")
    except LookupError:
        return payload.decode("utf-8", "replace").replace("\r\n", "\n")
