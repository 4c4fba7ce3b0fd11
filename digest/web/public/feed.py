"""Entries → JSON Feed 1.1 (https://jsonfeed.org/version/1.1); templates/web/feed.atom writes Atom (RFC 4287). Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


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


def as_json(feed: Feed) -> str:
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
    return json.dumps(document, ensure_ascii=False)


def _item(entry: FeedEntry) -> dict[str, Any]:
    optional: dict[str, Any] = {
        "summary": entry.summary,
        "authors": [{"name": name} for name in entry.authors],
        "tags": list(entry.categories),
    }
    return {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "content_text": entry.text or entry.summary or entry.title,
        "date_published": rfc3339(entry.published),
    } | {name: value for name, value in optional.items() if value}


def rfc3339(at: datetime) -> str:
    """In whole seconds."""
    return at.isoformat(timespec="seconds")
