"""The papers chosen for one message, and how the ledger stores them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from digest.language import Language

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


@lru_cache(maxsize=1_000)  # subscribers with the same interests, or none, mostly get the same list
def selection_as_json(selection: Selection) -> str:
    """For each pick [paper, why, trending, name of another term, its value, …], values in points; trending may be 0.

    A list keeps its order in every database.
    """
    about = {"left_out": selection.left_out, "language": selection.language}
    about |= {"first": True} if selection.first else {}
    about |= {"since": selection.since.isoformat()} if selection.since else {}
    about |= {"only": True} if selection.only else {}
    picks = ", ".join([_pick_as_json(pick) for pick in selection.picks])
    return f'{{"picks": [{picks}], {json.dumps(about)[1:]}'


@lru_cache(maxsize=20_000)  # most picks are shared by many subscribers
def _pick_as_json(pick: Pick) -> str:
    points = pick.points if not pick.points or pick.points[0][0] == TRENDING else ((TRENDING, 0), *pick.points)
    return json.dumps([pick.paper_id, pick.why, *[part for point in points for part in point][1:]])


def selection_of(stored: Mapping[str, Any]) -> Selection:
    """The selection that selection_as_json() wrote, in this version or an earlier one."""
    picks = tuple(_pick(*pick) for pick in stored["picks"])
    since = date.fromisoformat(stored["since"]) if "since" in stored else None
    language, first, only = stored.get("language", ""), stored.get("first", False), stored.get("only", False)
    return Selection(picks, stored["left_out"], language, first, since, only)


def _pick(paper_id: str, why: str, *points: Any) -> Pick:
    named = (TRENDING, *points) if points else ()  # earlier versions stored no points
    pairs = zip(named[::2], named[1::2], strict=True)
    return Pick(paper_id, why, tuple(pair for pair in pairs if pair != (TRENDING, 0)))
