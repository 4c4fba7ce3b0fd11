"""Reads the entries of any Atom or RSS feed as papers. arXiv's own feeds are read in sources/arxiv_xml.py."""

import html
import re
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from itertools import islice
from time import strftime
from typing import Any
from urllib.parse import urljoin

import feedparser

from digest.papers.paper import Paper, paper_id_of
from digest.papers.sources.feeds.feed_json import MAX_RECORDS, TOO_MANY, Item, page_of
from digest.papers.sources.reading import instant_of, per_record, text_of, web_address_of
from digest.papers.sources.source import SourceUnavailable
from digest.papers.sources.xml import repaired

_DATES = ("published", "updated", "created")
# feedparser keeps only the last of the deleted entries (RFC 6721).
_DELETED = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<(?:[\w.-]+:)?deleted-entry\s[^<>]*?\bref\s*=\s*([\"'])([^<>]*?)\1",
    re.DOTALL,
)
_END = re.compile(r"</(?:\w+:)?(?:feed|rss|RDF)\s*>|<(?:\w+:)?feed\b[^<>]*/>", re.IGNORECASE)
_ENTRY, _ENTRY_END = (re.compile(rf"<{slash}(?:\w+:)?(?:entry|item)[\s/>]", re.IGNORECASE) for slash in ("", "/"))


def items(text: str, address: str = "") -> Iterator[Item | str]:
    """Every entry as an item, or the reason why it is not; the last reason may be a truncated document.

    `address` is that of the feed. Raises SourceUnavailable when the document is not a feed.
    """
    too_many = next(islice(_ENTRY.finditer(text), MAX_RECORDS, None), None)
    text = text[: too_many.start()] if too_many else text
    try:
        feed = feedparser.parse(BytesIO(repaired(text)), sanitize_html=False, resolve_relative_uris=False)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's document does to the parser
        raise SourceUnavailable(f"the XML cannot be read ({type(error).__name__})") from None
    version = feed.get("version")
    if not version:
        raise SourceUnavailable("neither Atom nor RSS")
    base = address if address.startswith(("http://", "https://")) else feed.feed.get("link", "")
    is_cut = not _END.search(text)
    in_entry = is_cut and bool(_ENTRY.search(_ENTRY_END.split(text)[-1]))
    for entry in feed.entries[: len(feed.entries) - in_entry]:
        yield per_record(lambda entry: _item(entry, base, version), entry)
    if is_cut:
        yield TOO_MANY if too_many else "the XML ends before the feed does"
    for deleted in filter(None, (match[2] for match in _DELETED.finditer(text))):
        if paper_id := paper_id_of(html.unescape(deleted)):
            yield Item(Paper(paper_id, ""), withdrawn=True)


def _item(entry: dict[str, Any], address: str, version: str) -> Item | str:
    url = _page(entry, address)
    paper_id = paper_id_of(entry.get("id"), url, entry.get("link"))
    title = text_of(entry.get("title"))
    if paper_id is None:
        return "it has neither an id nor a link"
    if not title:
        return "it has no title"
    contents = [part.get("value") for part in entry.get("content", ())]
    return Item(
        Paper(
            id=paper_id,
            title=title,
            abstract=next(filter(None, map(text_of, [entry.get("summary"), *contents])), ""),
            authors=tuple(_authors(entry, version.startswith("rss"))),
            categories=tuple(dict.fromkeys(filter(None, (text_of(tag.get("term")) for tag in entry.get("tags", ()))))),
            published_at=_published(entry),
            url=page_of(paper_id, url),
        )
    )


def _page(entry: dict[str, Any], address: str) -> str:
    """The entry's own page, and neither its comments nor what it encloses."""
    pages = [link for link in entry.get("links", ()) if link.get("rel") == "alternate"]
    pages.sort(key=lambda link: link.get("type") not in ("text/html", "application/xhtml+xml"))
    candidates = [*(link.get("href", "") for link in pages), entry.get("link", "")]
    return next(filter(None, (web_address_of(urljoin(address, link.strip())) for link in candidates if link)), "")


def _authors(entry: dict[str, Any], is_rss: bool) -> Iterator[str]:
    for author in entry.get("authors", ()):
        name = author.get("name", "")
        # RSS gives "address (name)"; feedparser cuts addresses whose last label has more than four letters.
        is_cut = is_rss and re.search(r"\.\w{4}$", author.get("email", ""))
        if is_cut and ")" not in name and (rest := re.fullmatch(r"[\w.-]+(?:\s*\((.*))?", name)):
            name = rest[1] or ("" if name.islower() else name)
        yield from filter(None, map(text_of, re.split(r",\s+" if is_rss else r"\n", name)))


def _published(entry: dict[str, Any]) -> datetime | None:
    """The first date that can be read, as feed readers read dates."""
    for parsed in filter(None, (dict.get(entry, f"{name}_parsed") for name in _DATES)):
        if instant := instant_of(strftime("%Y-%m-%dT%H:%M:%S", parsed)):
            return instant
    return None
