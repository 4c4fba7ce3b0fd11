"""The papers chosen for one message, and how the ledger stores them."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from digest.language import Language
from digest.ledger.received import after_ranks, packed_ranks, ranks_of

TRENDING = "trending"
NEW = "new"  # in place of it for a paper that nobody voted on
PINNED = "pinned"  # in place of either for a paper that an editor chose
AFFINITY = "affinity"
UNIT = 10_000  # points are whole numbers of this, so that they add up exactly


@lru_cache(maxsize=5_000)  # a part of a reason, since few subscribers have the same whole reason
def in_words(part: str, language: Language) -> str:
    return language.say(part)


class Pick(NamedTuple):
    """One paper of one subscriber's message.

    `why` is what of it they asked for, "" for a paper that is there by its rank alone. The score is the sum of
    `points` (name, value), trending first where it has votes; lists of earlier versions have none.
    """

    paper_id: str
    why: str
    points: tuple[tuple[str, int], ...] = ()

    @property
    def terms(self) -> dict[str, float]:
        return {name: value / UNIT for name, value in self.points}

    @property
    def score(self) -> float:
        return sum(value for _name, value in self.points) / UNIT


@dataclass(frozen=True, slots=True)
class Selection:
    """The papers of one message in order."""

    picks: tuple[Pick, ...]
    left_out: int = 0  # papers of the issue that this subscriber already received
    language: str = ""  # the subscriber's when the message was first composed, so that a retry is the same message
    first: bool = False  # the subscriber's first issue ever, which welcomes them
    since: date | None = None  # the first day without an email since their last one, as too few papers were worth it
    only: bool = False  # the subscriber gets only what they follow or liked, and the message says so


def packed_selection(selection: Selection, ranks: Mapping[str, int]) -> bytes:
    """Pack it for the ledger; `ranks` of an issue's papers by id.

    First the ranks, which later claims read; then, compressed, a line about all, and for each pick
    [why, trending, name of another term, its value, …], values in points; trending may be 0.
    """
    about = _about(selection.left_out, selection.language, selection.first, selection.since, selection.only)
    lines = [about, *[_reason(why, points) for _paper_id, why, points in selection.picks]]
    return packed_ranks([ranks[pick.paper_id] for pick in selection.picks]) + _compressed("\n".join(lines))


def selection_of(stored: bytes | Mapping[str, Any], papers: Mapping[int, str]) -> Selection:
    """The selection that packed_selection() packed, or an earlier version stored; `papers` of its issue by rank."""
    about: Mapping[str, Any]
    if isinstance(stored, bytes):
        ids = [papers.get(rank, "") for rank in ranks_of(stored)]  # without its card a message is not composed
        lines: list[Any] = _lines(after_ranks(stored)) or [{}, *([""] for _ in ids)]  # without reasons once erased
        about, reasons = lines[0], lines[1:]
        picks = tuple(_pick(paper_id, *reason) for paper_id, reason in zip(ids, reasons, strict=True))
    else:
        about, picks = stored, tuple(_pick(*pick) for pick in stored["picks"])
    since = date.fromisoformat(about["since"]) if "since" in about else None
    language, first, only = about.get("language", ""), about.get("first", False), about.get("only", False)
    return Selection(picks, about.get("left_out", 0), language, first, since, only)


def _pick(paper_id: str, why: str, *points: Any) -> Pick:
    named = (TRENDING, *points) if points else ()  # the first versions stored no points
    pairs = zip(named[::2], named[1::2], strict=True)
    return Pick(paper_id, why, tuple(pair for pair in pairs if pair != (TRENDING, 0)))


@lru_cache(maxsize=1_000)
def _about(left_out: int, language: str, first: bool, since: date | None, only: bool) -> str:
    about: dict[str, Any] = {"left_out": left_out} if left_out else {}
    about |= {"language": language} if language else {}
    about |= {"first": True} if first else {}
    about |= {"since": since.isoformat()} if since else {}
    about |= {"only": True} if only else {}
    return _COMPACT.encode(about)


@lru_cache(maxsize=20_000)  # papers have the same points for many subscribers
def _reason(why: str, points: tuple[tuple[str, int], ...]) -> str:
    pairs = points if not points or points[0][0] == TRENDING else ((TRENDING, 0), *points)
    return _COMPACT.encode([why, *[part for pair in pairs for part in pair][1:]])


# --- compressed, with what most selections have in common; never change this, or stored ones become unreadable ---

_WINDOW = -12
_COMMON = (
    '"near_duplicate",-5000"same_lab",-1000{"left_out":1,"language":"zh"}"pinned","new","affinity","from outside '
    'your interests" · like “you follow matches your keyword “关注你"topic",6000]"category",5000]"author",12000]'
    '"lab",7000]\n[""," · matches your keyword “"]\n["matches your keyword “","keyword",10000]\n["matches your '
    'keyword “","keyword",8000]\n[""'
).encode()
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _compressed(text: str) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, 4, zlib.Z_DEFAULT_STRATEGY, _COMMON)
    return compressor.compress(text.encode()) + compressor.flush()


def _lines(compressed: bytes) -> list[Any]:
    text = zlib.decompressobj(_WINDOW, _COMMON).decompress(compressed) if compressed else b""
    return [json.loads(line) for line in text.decode().splitlines()]
