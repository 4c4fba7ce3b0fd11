"""Reads a user's public library from Zotero's web API (https://www.zotero.org/support/dev/web_api/v3/basics)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from digest.database.engine import transaction
from digest.papers.sources.fetch import Fetcher, Refused
from digest.papers.sources.reading import JSON, decoded
from digest.papers.sources.source import SourceUnavailable
from digest.subscribers.library import store
from digest.subscribers.library.entry import LibraryEntry, entry_of
from digest.subscribers.library.reading import MAX_ENTRIES
from digest.subscribers.library.store import ZoteroLibrary, ZoteroState

SPACING_SECONDS = 1.0
_PER_PAGE = 100  # the most that Zotero gives
_NAMES = ("archiveID", "DOI", "url", "extra", "number", "publicationTitle", "repository")
_NOT_PAPERS = frozenset({"attachment", "note", "annotation"})


def read_page(engine: Engine, base: str, fetcher: Fetcher, library: ZoteroLibrary, now: datetime) -> None:
    """Add the next page of a library to its subscriber's. Raises SourceUnavailable while Zotero does not answer."""
    url = f"{base}/users/{library.user_id}/items/top?format=json&limit={_PER_PAGE}&start={library.next_item}"
    try:
        items = _items(fetcher.get(url).body)
    except Refused:
        with transaction(engine) as connection:
            store.move_zotero(connection, library, library.next_item, ZoteroState.FAILED, now)
        return
    entries = list({entry.name: entry for entry in map(_entry, items) if entry}.values())
    end = library.next_item + len(items)
    state = ZoteroState.WAITING if len(items) == _PER_PAGE and end < MAX_ENTRIES else ZoteroState.READ
    with transaction(engine) as connection:
        if not store.move_zotero(connection, library, end, state, now):
            return
        room = MAX_ENTRIES - sum(store.counts(connection, library.subscriber_id).values())
        store.add_entries(connection, library.subscriber_id, entries[: max(0, room)], now)


def _items(body: bytes) -> list[Mapping[str, Any]]:
    try:
        items = JSON.decode(decoded(body))
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise SourceUnavailable("Zotero's answer is not a list")
    return [item if isinstance(item, dict) else {} for item in items[:_PER_PAGE]]


def _entry(item: Mapping[str, Any]) -> LibraryEntry | None:
    data = item.get("data")
    if not isinstance(data, dict) or data.get("itemType") in _NOT_PAPERS:
        return None
    fields = {name: value for name, value in data.items() if isinstance(value, str)}
    names = [fields.get(name, "") for name in _NAMES]
    return entry_of(fields.get("title", ""), names, fields.get("abstractNote", ""))
