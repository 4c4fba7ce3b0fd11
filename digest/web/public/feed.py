"""Entries → Atom (RFC 4287) and JSON Feed 1.1 (https://jsonfeed.org/version/1.1). Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as ET

_ATOM = "http://www.w3.org/2005/Atom"
# What XML 1.0 §2.2 has no place for.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ET.register_namespace("", _ATOM)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One paper."""

    id: str
    url: str
    title: str
    summary: str
    text: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    published: datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed and its own addresses; every one is absolute."""

    id: str
    title: str
    subtitle: str
    home: str  # the page with the same papers
    atom: str
    json: str
    updated: datetime
    author: str
    entries: Sequence[FeedEntry]


def as_atom(feed: Feed) -> bytes:
    """The feed as an Atom document."""
    root = ET.Element(f"{{{_ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": "en"})
    _add(root, "id", feed.id)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.subtitle)
    _add(root, "updated", _instant(feed.updated))
    _add(_add(root, "author"), "name", feed.author)
    _add(root, "link", rel="self", type="application/atom+xml", href=feed.atom)
    _add(root, "link", rel="alternate", type="text/html", href=feed.home)
    for entry in feed.entries:
        _add_entry(root, entry)
    ET.indent(root, "")
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def as_json(feed: Feed) -> bytes:
    """The feed as a JSON Feed document."""
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.subtitle,
        "home_page_url": feed.home,
        "feed_url": feed.json,
        "language": "en",
        "authors": [{"name": feed.author}],
        "items": [_item(entry) for entry in feed.entries],
    }
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _add_entry(root: ET.Element, entry: FeedEntry) -> None:
    one = _add(root, "entry")
    _add(one, "id", entry.id)
    _add(one, "title", entry.title)
    _add(one, "updated", _instant(entry.published))
    _add(one, "published", _instant(entry.published))
    _add(one, "link", rel="alternate", type="text/html", href=entry.url)
    for name in entry.authors:
        _add(_add(one, "author"), "name", name)
    for category in entry.categories:
        _add(one, "category", term=category)
    if entry.summary:
        _add(one, "summary", entry.summary)
    if entry.text:
        _add(one, "content", entry.text, type="text")


def _item(entry: FeedEntry) -> dict[str, object]:
    item: dict[str, object] = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "content_text": entry.text or entry.summary or entry.title,
        "date_published": _instant(entry.published),
    }
    if entry.summary:
        item["summary"] = entry.summary
    if entry.authors:
        item["authors"] = [{"name": name} for name in entry.authors]
    if entry.categories:
        item["tags"] = list(entry.categories)
    return item


def _add(parent: ET.Element, name: str, text: str = "", /, **attributes: str) -> ET.Element:
    clean = {key: _NOT_XML.sub("", value) for key, value in attributes.items()}
    child = ET.SubElement(parent, f"{{{_ATOM}}}{name}", clean)
    child.text = _NOT_XML.sub("", text) or None
    return child


def _instant(at: datetime) -> str:
    """RFC 3339, whole seconds."""
    return at.replace(microsecond=0).isoformat()
