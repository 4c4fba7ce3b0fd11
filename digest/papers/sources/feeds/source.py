"""The operator's own lists: files or web addresses with JSON, JSON Lines, Atom or RSS (docs/sources.md).

A paper belongs to the day of its date (`listed_at`, else `published_at`), or without a date to the day on which it is
read. So a list may keep everything that was ever on it: an issue only takes what is new.
"""

import re
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from digest.papers.paper import Votes
from digest.papers.sources.feeds.feed_json import MAX_RECORDS, TOO_MANY, Item, item_of
from digest.papers.sources.feeds.feed_xml import items as xml_items
from digest.papers.sources.fetch import MAX_BYTES, Fetcher, FetchResponse, without_secrets
from digest.papers.sources.reading import JSON, decoded, in_time, per_record
from digest.papers.sources.source import Remembered, SourceResult, SourceUnavailable, Unreadable, Validator

_LIST = re.compile(r'\s*\[|\s*\{.*?"(?:papers|items)"\s*:\s*\[', re.DOTALL)
_VALUE = re.compile(r"[^\s,]")
_NEXT = re.compile(r"\}\s*+(?:,\s*+)?(?=\{)")


@dataclass(slots=True)
class _Lists:
    """The contents of all lists at one instant."""

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
        addresses: Sequence[str],
        fetcher: Callable[[str], Fetcher],
        remembered: Remembered = lambda _url: None,
    ) -> None:
        """`addresses`: paths of files, or http and https addresses; `fetcher` makes a client for one of them."""
        self._addresses = tuple(addresses)
        self._fetcher = fetcher
        self._remembered = remembered
        self._lists: _Lists | None = None

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The papers dated `day`, and all withdrawals. Raises SourceUnavailable when no list can be read."""
        if self._lists is None or self._lists.at != now:  # all days of one run are read at once
            self._lists = self._read(now)
        lists = self._lists
        if lists.problems and len(lists.problems) == len(self._addresses):
            raise SourceUnavailable("; ".join(lists.problems))
        if lists.unchanged and lists.unchanged == len(self._addresses):
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
        for address in self._addresses:
            shown = without_secrets(address)
            try:
                answer = self._answer(address)
                lists.unchanged += answer.unchanged
                items = [] if answer.unchanged else list(in_time(_items(answer.body, shown)))
            except SourceUnavailable as problem:
                lists.problems.append(f"{shown}: {problem}")
                continue
            lists.items += [item for item in items if isinstance(item, Item)]
            skipped = [(number, item) for number, item in enumerate(items, start=1) if isinstance(item, str)]
            lists.unreadable += [Unreadable(f"{shown}, record {number}", reason) for number, reason in skipped]
            if answer.cut:
                lists.problems.append(f"{shown}: {answer.cut}")
            elif not skipped and answer.validator != Validator() and shown == address:  # or a secret would be stored
                lists.validators[address] = answer.validator
        return lists

    def _answer(self, address: str) -> FetchResponse:
        if address.startswith(("http://", "https://")):
            # Only a single list is requested conditionally: among several, an unchanged one would be missing.
            return self._fetcher(address).get(address, self._remembered(address) if len(self._addresses) == 1 else None)
        return _file(address)


def _file(name: str) -> FetchResponse:
    try:
        path = Path(name)
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceUnavailable("not a file")
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as problem:
        raise SourceUnavailable(f"cannot be read ({getattr(problem, 'strerror', None) or problem})") from None
    return FetchResponse(
        body[:MAX_BYTES], cut=f"larger than {MAX_BYTES // 1_000_000} MB" if len(body) > MAX_BYTES else ""
    )


def _items(body: bytes, address: str) -> Iterator[Item | str]:
    """Every record as an item, or the reason why it is not. Raises SourceUnavailable for what is not a list."""
    text = decoded(_unpacked(body))
    start = text.lstrip()[:1]
    if start == "<":
        yield from xml_items(text, address)
    elif start in ("[", "{"):
        records = _records(text)
        yield from (per_record(item_of, record) for record in records[:MAX_RECORDS])
        if len(records) > MAX_RECORDS:
            yield TOO_MANY
    elif start:
        raise SourceUnavailable("neither JSON, nor JSON Lines, nor Atom, nor RSS")


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpacking = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacking.decompress(body, MAX_BYTES)
    except zlib.error as error:
        raise SourceUnavailable(f"a damaged gzip file ({error}); make it again") from None
    if unpacking.unconsumed_tail:
        raise SourceUnavailable(f"larger than {MAX_BYTES // 1_000_000} MB when unpacked; split it into several lists")
    return unpacked


def _records(text: str) -> Sequence[Any]:
    try:
        whole = JSON.decode(text)
    except (ValueError, RecursionError) as problem:
        lines = [_record(line) for line in text.split("\n") if line.strip()]
        if sum(isinstance(record, dict) for record in lines) * 2 >= len(lines):
            return lines
        records = list(islice(_whole_records(text), MAX_RECORDS + 1))
        if not any(isinstance(record, dict) for record in records):
            raise SourceUnavailable(f"not JSON to its end ({problem})") from None
        return records
    if isinstance(whole, dict):
        lists = [whole[name] for name in ("papers", "items") if isinstance(whole.get(name), list)]
        whole = lists[0] if lists else [whole]
    return whole if isinstance(whole, list) else []


def _whole_records(text: str) -> Iterator[Any]:
    """The records of a list that is not JSON to its end, None for each that is broken."""
    position = start.end() if (start := _LIST.match(text)) else len(text)
    while (start := _VALUE.search(text, position)) and start[0] != "]":
        try:
            record, position = JSON.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            following = _NEXT.search(text, start.end())
            record, position = None, following.end() if following else len(text)
        yield record


def _record(line: str) -> Any:
    try:
        return JSON.decode(line.strip().rstrip(","))
    except (ValueError, RecursionError):
        return None


def _day_of(item: Item, now: datetime) -> date:
    at = item.paper.listed_at or item.paper.published_at
    return at.date() if at else now.date()


def _votes(item: Item, now: datetime) -> Votes:
    return Votes(item.paper.id, Feeds.name, now, item.upvotes or 0, item.comments)
