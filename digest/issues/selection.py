"""Issue × what the reader asked for × what they already got → the papers of their mail, each with its reason."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import NamedTuple

from digest.issues.issue import Issue
from digest.papers.late import in_words
from digest.papers.paper import Paper, RankedPaper
from digest.papers.topics import TOPICS, Topic, matches_topic
from digest.subscribers.subscriber import Preferences


class SkipReason(StrEnum):
    """Why a delivery that was due was not made. The words are stored in the ledger and shown by `digest audit`."""

    NOTHING_NEW = "nothing new"  # the reader already got everything that the issue holds
    EMPTY_ISSUE = "empty issue"
    UNSUBSCRIBED = "unsubscribed"
    PAUSED = "paused by the reader"
    SUPPRESSED = "suppressed"
    CANCELLED = "issue cancelled"
    ERASED = "erased"
    CHANGED = "no longer asked for"  # e.g. a confirmation for an address that has confirmed meanwhile


class Pick(NamedTuple):
    """One paper of one reader's mail; `why` says what of it they asked for, "" when it is there by its rank alone."""

    paper_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The papers of one mail in order; `left_out` counts pool papers that this reader already got."""

    picks: tuple[Pick, ...]
    left_out: int = 0


class Pool:
    """The papers of an issue, ready to be chosen from for many readers: what matches a word is looked up once."""

    def __init__(self, issue: Issue) -> None:
        self._papers = sorted(issue.papers, key=lambda ranked: ranked.rank)
        self._ids = [ranked.paper.id for ranked in self._papers]
        self._by_topic = lru_cache(maxsize=None)(self._find_topic)
        self._by_keyword = lru_cache(maxsize=10_000)(self._find_keyword)

    def select(self, preferences: Preferences, already_got: Set[str]) -> Selection | SkipReason:
        """The reader's papers: first what they asked for, then the best of the rest; never one twice.

        Within each part the issue's ranking decides. The list is `preferences.papers` long at the most.
        """
        if not self._ids:
            return SkipReason.EMPTY_ISSUE
        asked_for = self._asked_for(preferences)
        others = (place for place in range(len(self._ids)) if place not in asked_for)
        fresh: Iterator[int] = chain(sorted(asked_for), others)
        if already_got:
            fresh = (place for place in fresh if self._ids[place] not in already_got)
        picks = tuple(Pick(self._ids[place], asked_for.get(place, "")) for place in islice(fresh, preferences.papers))
        left_out = sum(paper_id in already_got for paper_id in self._ids) if already_got else 0
        return Selection(picks, left_out) if picks else SkipReason.NOTHING_NEW

    def _asked_for(self, preferences: Preferences) -> dict[int, str]:
        """Which places of the pool the reader asked for, and by which of their words; a keyword says more."""
        found: dict[int, str] = {}
        for topic in TOPICS:
            if topic.slug in preferences.topics:
                found = self._by_topic(topic) | found
        by_keyword: dict[int, str] = {}
        for keyword in preferences.keywords:
            by_keyword = self._by_keyword(keyword) | by_keyword
        return found | by_keyword

    def _find_topic(self, topic: Topic) -> dict[int, str]:
        why = f"you follow {topic.name}"
        return {place: why for place, ranked in enumerate(self._papers) if matches_topic(ranked.paper, topic)}

    def _find_keyword(self, keyword: str) -> dict[int, str]:
        why = f"matches your keyword “{keyword}”"
        return {place: why for place, text in enumerate(self._texts) if keyword.casefold() in text}

    @cached_property
    def _texts(self) -> list[str]:
        return [_text(ranked.paper) for ranked in self._papers]


def select(issue: Issue, preferences: Preferences, already_got: Set[str]) -> Selection | SkipReason:
    """One reader's papers of an issue; see Pool for many readers."""
    return Pool(issue).select(preferences, already_got)


def place_of(ranked: RankedPaper) -> str:
    """Why a paper is in the issue at all, in words: the same for every reader."""
    votes = int(ranked.terms.get("upvotes", 0))
    said = f"no. {ranked.rank} of the day" + (f", {votes} vote{'s' * (votes != 1)}" if votes else "")
    return f"{said} · {in_words(ranked.late_days)}" if ranked.late_days else said


def reason_of(ranked: RankedPaper, why: str) -> str:
    """Why a paper is in one reader's mail: its place, and what of it they asked for."""
    return f"{place_of(ranked)} · {why}" if why else place_of(ranked)


def _text(paper: Paper) -> str:
    return f"{paper.title} {paper.summary} {paper.abstract} {' '.join(paper.keywords)}".casefold()
