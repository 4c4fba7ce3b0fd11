"""The operator's own lists: files or web addresses with JSON, JSON Lines, Atom or RSS (docs/sources.md).

A paper belongs to the day of its date (`listed_at`, else `published_at`); one without a date to the day on which it is
read. So a list may hold everything that ever was on it, and an issue still takes only what is new.
"""

import json
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from digest.papers.paper import Votes
from digest.papers.sources.feeds.feed_json import Item, item_of
from digest.papers.sources.feeds.feed_xml import items as xml_items
from digest.papers.sources.fetch import MAX_BYTES, Fetcher, FetchResponse
from digest.papers.sources.source import Remembered, SourceResult, SourceUnavailable, Unreadable, Validator


@dataclass(slots=True)
class _Lists:
    """All lists as they were at one instant."""

    at: datetime
    items: list[Item] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    validators: dict[str, Validator] = field(default_factory=dict)
    unchanged: int = 0


class Feeds:
    """The source "feeds"."""

    name = "feeds"

    def __init__(
        self,
        places: Sequence[str],
        fetcher: Callable[[str], Fetcher],
        remembered: Remembered = lambda _url: None,
    ) -> None:
        """`places`: paths of files, or http and https addresses; `fetcher` makes a client for one of these."""
        self._places = tuple(places)
        self._fetcher = fetcher
        self._remembered = remembered
        self._lists: _Lists | None = None

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The papers dated `day`, with the others' withdrawals. Raises SourceUnavailable when no list can be read."""
        if self._lists is None or self._lists.at != now:  # the days of one collecting are read in one go
            self._lists = self._read(now)
        lists = self._lists
        if lists.problems and len(lists.problems) == len(self._places):
            raise SourceUnavailable("; ".join(lists.problems))
        if lists.unchanged and lists.unchanged == len(self._places):
            return SourceResult(unchanged=True)
        items = [item for item in lists.items if _day_of(item, now) == day]
        return SourceResult(
            papers=[item.paper for item in items if not item.withdrawn],
            votes=[_votes(item, now) for item in items if item.upvotes is not None and not item.withdrawn],
            withdrawn=[item.paper.id for item in lists.items if item.withdrawn],
            unreadable=lists.unreadable if day == now.date() else [],
            incomplete="; ".join(lists.problems),
            validators=lists.validators,
        )

    def _read(self, now: datetime) -> _Lists:
        lists = _Lists(now)
        for place in self._places:
            try:
                answer = self._answer(place)
                lists.unchanged += answer.unchanged
                found = [] if answer.unchanged else list(_items(answer.body))
            except SourceUnavailable as problem:
                lists.problems.append(f"{place}: {problem}")
                continue
            lists.items += [one for one in found if isinstance(one, Item)]
            wrong = [(number, one) for number, one in enumerate(found, start=1) if isinstance(one, str)]
            lists.unreadable += [Unreadable(f"{place}, record {number}", reason) for number, reason in wrong]
            if answer.cut:
                lists.problems.append(f"{place}: {answer.cut}")
            elif not wrong and answer.validator != Validator():
                lists.validators[place] = answer.validator
        return lists

    def _answer(self, place: str) -> FetchResponse:
        if place.startswith(("http://", "https://")):
            # Conditionally only a single list: of several, one that is unchanged would be missing among the others.
            return self._fetcher(place).get(place, self._remembered(place) if len(self._places) == 1 else None)
        return _file(place)


def _file(place: str) -> FetchResponse:
    try:
        path = Path(place)
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceUnavailable("not a file")
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as problem:
        raise SourceUnavailable(f"cannot be read ({getattr(problem, 'strerror', None) or problem})") from None
    return FetchResponse(
        body[:MAX_BYTES], cut=f"larger than {MAX_BYTES // 1_000_000} MB" if len(body) > MAX_BYTES else ""
    )


def _items(body: bytes) -> Iterator[Item | str]:
    """Every record of a list, as an item or in words why it is none. Raises SourceUnavailable when it is no list."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        yield from xml_items(body)
    elif start in (b"[", b"{"):
        yield from map(item_of, _records(body.decode("utf-8-sig", errors="replace")))
    elif start:
        raise SourceUnavailable("neither JSON, nor JSON Lines, nor Atom, nor RSS")


def _records(text: str) -> Sequence[Any]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as problem:
        lines = [line for line in text.splitlines() if line.strip()]
        if lines[0].strip()[-1:] != "}":
            raise SourceUnavailable(f"not JSON to its end ({problem})") from None
        return [_record(line) for line in lines]
    if isinstance(whole, dict):
        whole = whole["papers"] if isinstance(whole.get("papers"), list) else [whole]
    return whole if isinstance(whole, list) else []


def _record(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _day_of(item: Item, now: datetime) -> date:
    at = item.paper.listed_at or item.paper.published_at
    return at.date() if at else now.date()


def _votes(item: Item, now: datetime) -> Votes:
    return Votes(item.paper.id, Feeds.name, now, item.upvotes or 0, item.comments)
