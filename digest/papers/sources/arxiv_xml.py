"""arXiv's XML, from the export API or an announcement feed, Atom or RSS → entries; also when the document is cut."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from digest.papers.paper import Paper, arxiv_id
from digest.papers.sources.reading import instant_of, text_of

# "arXiv:2508.13426v1 Announce Type: cross \nAbstract: …" stands before the abstract in feeds.
_ANNOUNCEMENT = re.compile(r"\s*arXiv:\S+\s+Announce Type:\s*([a-z-]+)\s+(?:Abstract:\s*)?", re.IGNORECASE)
# Only where the text begins with it: abstracts also speak of drugs and other things that were withdrawn.
_WORK = r"(?:paper|article|submission|manuscript|preprint|work|version)"
_WITHDRAWN = re.compile(
    rf"\W*(?:(?:this|our)\s+(?:\w+\s+)?{_WORK}\s+(?:has\s+been|was|is)\s+(?:\w+\s+)?(?:withdrawn|retracted)"
    rf"|{_WORK}\s+(?:withdrawn|retracted)|withdrawn(?:\s+(?:by|due)\b|\s*[.:;,]|\s*$)"
    rf"|(?:the\s+authors?|we|i)\s+(?:have\s+|has\s+)?withdr[ae]wn?\s+this\s+{_WORK})",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # XML 1.0 §2.2
_OTHER_ENCODING = re.compile(rb"""<\?xml[^>]*encoding=["'](?!utf-?8|us-ascii)""", re.IGNORECASE)


@dataclass(slots=True)
class ArxivDocument:
    """What a document says. `problem` is arXiv's own error message; `cut` why the document is not whole."""

    entries: list["ArxivEntry"] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)  # ids of entries that were taken away (RFC 6721)
    dated: date | None = None  # of a feed: the announcement
    total: int | None = None  # of the API: how many there are in all
    problem: str = ""
    cut: str = ""
    is_feed: bool = False  # it is a list at all, be it an empty one


@dataclass(frozen=True, slots=True)
class ArxivEntry:
    """One entry: the paper, or why there is none. `announced` is new, cross, replace, … in feeds."""

    place: str
    paper: Paper | None
    reason: str = ""
    announced: str = ""
    withdrawn: bool = False


def document(body: bytes) -> ArxivDocument:
    """Every whole entry of the document; never raises."""
    result = ArxivDocument()
    try:
        for event, element in iterparse(io.BytesIO(_readable(body)), events=("start", "end")):
            if event == "start":
                result.is_feed = result.is_feed or _name(element) in ("feed", "rss")
            else:
                _take(result, element)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        result.cut = f"the XML cannot be read to its end ({str(error).splitlines()[0][:100]})"
    return result


def _readable(body: bytes) -> bytes:
    """Without the bytes and characters that one careless title can bring and that would end the whole document."""
    if _OTHER_ENCODING.match(body.lstrip()[:200]):
        return body
    return _FORBIDDEN.sub("", body.decode("utf-8-sig", errors="replace")).encode()


def _take(result: ArxivDocument, element: Element) -> None:
    name = _name(element)
    if name in ("entry", "item"):
        _take_entry(result, element)
        element.clear()
    elif name == "deleted-entry":
        deleted = _known_id([element.get("ref") or ""])
        result.deleted += [deleted] if deleted else []
    elif name == "totalResults":
        result.total = int(element.text) if (element.text or "").strip().isdigit() and element.text else None
    elif name in ("pubDate", "updated", "published") and result.dated is None:
        result.dated = _written_date(element.text or "")


def _take_entry(result: ArxivDocument, element: Element) -> None:
    ids = [text for name in ("id", "guid", "link") for text in _said(element, name)]
    if any("/api/errors" in text for text in ids):
        result.problem = text_of(" ".join(_said(element, "summary"))) or "an error without words"
        return
    result.entries.append(_entry(element, ids, len(result.entries) + 1))


def _entry(element: Element, ids: list[str], number: int) -> ArxivEntry:
    known = _known_id(ids)
    place = f"entry {number}" + (f" ({known or text_of(ids[0])[:60]})" if ids else "")
    title = text_of(" ".join(_said(element, "title")))
    if known is None or not title:
        return ArxivEntry(place, None, "it has no title" if known else "it has no arXiv id")
    abstract = " ".join(_said(element, "summary") + _said(element, "description"))
    announcement = _ANNOUNCEMENT.match(abstract)
    announced = next(iter(_said(element, "announce_type")), announcement.group(1) if announcement else "")
    paper = Paper(
        id=known,
        title=title,
        abstract=text_of(abstract[announcement.end() :] if announcement else abstract),
        authors=tuple(_authors(element)),
        categories=tuple(_categories(element)),
        published_at=_published(element),
        url=f"https://arxiv.org/abs/{known}",
    )
    withdrawn = any(says_withdrawn(text) for text in [paper.abstract, *_said(element, "comment")])
    return ArxivEntry(place, paper, announced=announced.strip().lower(), withdrawn=withdrawn)


def says_withdrawn(text: str) -> bool:
    """Whether a comment or an abstract says that its own paper was withdrawn, as arXiv and authors word it."""
    return bool(_WITHDRAWN.match(text))


def _known_id(texts: list[str]) -> str | None:
    ids = (arxiv_id(text.removeprefix("oai:").replace("arXiv.org:", "")) for text in texts)
    return next(filter(None, ids), None)


def _authors(element: Element) -> Iterator[str]:
    for author in _children(element, "author"):
        yield from filter(None, map(text_of, _said(author, "name")))
    for creators in _said(element, "creator"):
        yield from filter(None, map(text_of, re.split(r",\s+|\n", creators)))


def _categories(element: Element) -> list[str]:
    """Primary first, each once."""
    marked = _children(element, "primary_category") + _children(element, "category")
    terms = (text_of(child.get("term") or child.text or "") for child in marked)
    return list(dict.fromkeys(filter(None, terms)))


def _published(element: Element) -> datetime | None:
    for text in _said(element, "published"):
        return instant_of(text)
    for text in _said(element, "pubDate"):
        try:
            return instant_of(parsedate_to_datetime(text).isoformat())
        except (ValueError, IndexError):
            return None
    return None


def _written_date(text: str) -> date | None:
    # The date as written: arXiv dates an announcement in US Eastern time.
    try:
        return datetime.fromisoformat(text.strip()).date()
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text.strip()).date()
    except (ValueError, IndexError):
        return None


def _children(element: Element, name: str) -> list[Element]:
    return [child for child in element if _name(child) == name]


def _said(element: Element, name: str) -> list[str]:
    texts = ("".join(child.itertext()).strip() for child in _children(element, name))
    return [text for text in texts if text]


def _name(element: Any) -> str:
    # Namespaces have changed between serialisations; local names have not.
    return str(element.tag).rpartition("}")[2]
