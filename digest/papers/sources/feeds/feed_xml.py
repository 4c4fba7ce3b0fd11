"""An Atom or RSS feed of anybody's → papers. What arXiv's own feeds hold is read in arxiv_xml.py."""

import io
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from digest.papers.paper import Paper
from digest.papers.sources.feeds.feed_json import Item, id_of, page_of
from digest.papers.sources.reading import instant_of, text_of, web_address_of
from digest.papers.sources.source import SourceUnavailable


def items(body: bytes) -> Iterator[Item | str]:
    """Every entry, as an item or in words why it is none; the last word is about a document that breaks off.

    Raises SourceUnavailable when the document is no feed.
    """
    is_feed = False
    try:
        for event, element in iterparse(io.BytesIO(body), events=("start", "end")):
            name = _name(element)
            if event == "start":
                is_feed = is_feed or name in ("feed", "rss", "RDF")
            elif name in ("entry", "item"):
                yield _item(element)
                element.clear()
            elif name == "deleted-entry":  # RFC 6721
                gone = id_of([element.get("ref")])
                yield Item(Paper(gone, ""), withdrawn=True) if gone else "a deleted entry does not say which"
    except (ParseError, DefusedXmlException, ValueError, LookupError) as problem:
        if not is_feed:
            raise SourceUnavailable("neither Atom nor RSS") from None
        yield f"the XML cannot be read beyond this place ({str(problem).splitlines()[0][:100]})"
    if not is_feed:
        raise SourceUnavailable("neither Atom nor RSS")


def _item(entry: Element) -> Item | str:
    links = [child.get("href") or child.text or "" for child in entry if _name(child) == "link"]
    url = next(filter(None, map(web_address_of, links)), "")
    paper_id = id_of([*_said(entry, "id", "guid"), *links])
    title = text_of(" ".join(_said(entry, "title")[:1]))
    if paper_id is None:
        return "it has neither an id nor a link"
    if not title:
        return "it has no title"
    paper = Paper(
        id=paper_id,
        title=title,
        abstract=text_of(next(iter(_said(entry, "summary", "description", "content")), "")),
        authors=tuple(_authors(entry)),
        categories=tuple(_categories(entry)),
        published_at=_instant(_said(entry, "published", "pubDate", "date", "updated")),
        url=page_of(paper_id, url),
    )
    return Item(paper)


def _authors(entry: Element) -> Iterator[str]:
    for child in entry:
        if _name(child) == "author":
            yield from filter(None, [text_of(next(iter(_said(child, "name")), (child.text or "").strip()))])
        elif _name(child) == "creator":
            yield from filter(None, map(text_of, (child.text or "").split(", ")))


def _categories(entry: Element) -> Iterator[str]:
    terms = (child.get("term") or child.text or "" for child in entry if _name(child) == "category")
    yield from dict.fromkeys(filter(None, map(text_of, terms)))


def _instant(texts: list[str]) -> datetime | None:
    for text in texts:
        found = instant_of(text) or instant_of(_mail_date(text))
        if found:
            return found
    return None


def _mail_date(text: str) -> str:
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, IndexError):
        return ""


def _said(element: Element, *names: str) -> list[str]:
    """The texts of the children with these names, in the order of the names."""
    texts = ("".join(child.itertext()).strip() for name in names for child in element if _name(child) == name)
    return [text for text in texts if text]


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
