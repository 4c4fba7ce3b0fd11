"""Issue × what the reader asked for and said × what they already got → the papers of their mail, each with its reason.

score = trending + what they asked for + affinity to what they liked − near duplicates − one lab again and again
docs/selection.md tells of each term. Pure; the numbers are whole ten-thousandths, so that terms add up exactly.
"""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from digest.issues.issue import Issue
from digest.issues.reasons import OUTSIDE, why_of
from digest.issues.selection.diversity import NO_PENALTIES, Diversity, Penalties
from digest.issues.selection.interests import Catalogue, Interest, InterestKind, asked_for, muted
from digest.language import Language, Languages
from digest.ledger.kinds import SkipReason
from digest.papers.paper import Paper
from digest.subscribers.subscriber import Preferences

TRENDING, AFFINITY = "trending", "affinity"
_UNIT = 10_000
_SHORTLIST = 3  # times the length of the list: among so many of the best diversity may choose
_CLOSE = 0.25  # an affinity that is worth a word


class Pick(NamedTuple):
    """One paper of one reader's mail; `why` says what of it they asked for, "" when it is there by its rank alone.

    `points` are the names and values, in ten-thousandths, that its score is the sum of: trending first; none in a list
    of an earlier version.
    """

    paper_id: str
    why: str
    points: tuple[tuple[str, int], ...] = ()

    @property
    def terms(self) -> dict[str, float]:
        """What the score is the sum of, by name."""
        return {name: value / _UNIT for name, value in self.points}

    @property
    def score(self) -> float:
        """The sum of the terms, exact to their four decimals."""
        return sum(value for _name, value in self.points) / _UNIT


@dataclass(frozen=True, slots=True)
class Selection:
    """The papers of one mail in order; `left_out` counts pool papers that this reader already got.

    `language` is the reader's at the first composing, "" the issue's: a mail that is sent once more is the same mail.
    `first`: the reader never got an issue before, and is welcomed in this one.
    """

    picks: tuple[Pick, ...]
    left_out: int = 0
    language: str = ""
    first: bool = False


@dataclass(frozen=True, slots=True)
class PoolProfile:
    """What a reader said of papers, as far as it concerns one pool; the papers are named by their ids.

    `affinity`: how much a paper is like what they asked for more of, 0 to 1. `kin`: the title of the one that it
    resembles most, where it does. `known`: papers that they said something of, and so need not be shown again.
    """

    affinity: Mapping[str, float] = field(default_factory=dict)
    kin: Mapping[str, str] = field(default_factory=dict)
    known: Set[str] = frozenset()


NO_PROFILE = PoolProfile()


@dataclass(frozen=True, slots=True)
class SelectionWeights:
    """What a match is worth beside the first place of the issue, which is worth 1; and what repetition costs."""

    author: float = 1.2
    keyword: float = 0.8
    lab: float = 0.7
    topic: float = 0.6
    category: float = 0.5
    affinity: float = 0.8
    near_duplicate: float = 0.5
    same_lab: float = 0.1

    def as_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


class Pool:
    """The papers of an issue, ready to be chosen from for many readers: what matches a word is looked up once.

    The reasons are said in those of `languages` that readers chose, English alone when left out.
    """

    def __init__(
        self, issue: Issue, weights: SelectionWeights | None = None, languages: Languages | None = None
    ) -> None:
        ranked = sorted(issue.papers, key=lambda one: one.rank)
        papers = [one.paper for one in ranked]
        self._ids = [paper.id for paper in papers]
        self._place = {paper_id: place for place, paper_id in enumerate(self._ids)}
        self.ids = self._place.keys()
        self._dates = [_date_of(paper) for paper in papers]
        self._trending = [round(_UNIT / math.log2(1 + one.rank)) for one in ranked]
        self._plain = [
            Pick(paper_id, "", ((TRENDING, value),)) for paper_id, value in zip(self._ids, self._trending, strict=True)
        ]
        self._catalogue = Catalogue(papers)
        self._worth = {name: round(value * _UNIT) for name, value in (weights or SelectionWeights()).as_dict().items()}
        self._variety = Diversity(papers, self._worth["near_duplicate"], self._worth["same_lab"])
        self._boost = lru_cache(maxsize=50_000)(self._boost_of)
        self._wished = lru_cache(maxsize=50_000)(self._pick_of)
        self._why = lru_cache(maxsize=50_000)(_reason_in)
        self._outside = lru_cache(maxsize=None)(_outside_in)
        self._issue = issue
        self._languages = languages or Languages()

    def select(
        self,
        preferences: Preferences,
        already_got: Set[str],
        taste: PoolProfile = NO_PROFILE,
        not_before: date | None = None,
    ) -> Selection | SkipReason:
        """The reader's papers, at most `preferences.papers`: the best by score, never one twice, never a muted one.

        Who asked for nothing and said nothing gets the issue's ranking as it is. With `not_before`, papers that were
        listed before that date do not count.
        """
        if not self._ids:
            return SkipReason.EMPTY_ISSUE
        got = {self._place[paper_id] for paper_id in already_got if paper_id in self._place}
        out = got | self._unwanted(preferences, taste, not_before)
        wishes = asked_for(preferences)
        if wishes or taste.affinity:
            language = self._languages.get(self._issue.language_for(preferences.language))
            picks = _Reader(self, preferences, wishes, taste, out, language).picks()
        else:
            fresh = (pick for place, pick in enumerate(self._plain) if place not in out)
            picks = tuple(islice(fresh, preferences.papers))
        return Selection(picks, len(got), preferences.language) if picks else SkipReason.NOTHING_NEW

    def _unwanted(self, preferences: Preferences, taste: PoolProfile, not_before: date | None) -> set[int]:
        """Places of what the reader muted, said something of, or has no use for by its date."""
        places = {self._place[paper_id] for paper_id in taste.known if paper_id in self._place}
        if preferences.muted_topics or preferences.muted_words:
            for wish in muted(preferences):
                places.update(self._catalogue.places(wish))
        if not_before:
            places.update(place for place, day in enumerate(self._dates) if day and day < not_before)
        return places

    def _boost_of(self, wishes: tuple[Interest, ...]) -> tuple[int, tuple[tuple[str, int], ...]]:
        """What these matches add, in all and by name; a second and third of a kind add a quarter each."""
        abouts = [wish.about for wish in wishes]
        terms = []
        for about in dict.fromkeys(abouts):
            more = min(abouts.count(about), 3) - 1
            terms.append((str(about), self._worth[about] * (4 + more) // 4))
        return sum(value for _name, value in terms), tuple(terms)

    def _pick_of(
        self, place: int, wishes: tuple[Interest, ...], language: Language, affinity: int = 0, kin: str = ""
    ) -> Pick:
        """A paper with what speaks for it."""
        terms = [(TRENDING, self._trending[place]), *self._boost(wishes)[1]]
        terms += [(AFFINITY, affinity)] if affinity else []
        why = self._why(wishes, language, kin, self._is_close(affinity))
        return Pick(self._ids[place], why, tuple(terms))

    def _is_close(self, affinity: int) -> bool:
        return affinity >= _CLOSE * self._worth[AFFINITY] > 0


class _Reader:
    """One reader's way through a pool."""

    def __init__(
        self,
        pool: Pool,
        preferences: Preferences,
        wishes: Sequence[Interest],
        taste: PoolProfile,
        out: Set[int],
        language: Language,
    ) -> None:
        self._pool = pool
        self._language = language
        self._wants = preferences
        self._taste = taste
        self._out = out
        self._found: dict[int, tuple[Interest, ...]] = {}
        for wish in wishes:
            for place in pool._catalogue.places(wish):
                if place not in out:
                    self._found[place] = (*self._found.get(place, ()), wish)
        self._affinity = self._affinities() if taste.affinity else {}

    def picks(self) -> tuple[Pick, ...]:
        """The list."""
        count = self._wants.papers
        best = sorted(self._scored())[: count * _SHORTLIST]
        scored = [(-negative, place) for negative, place in best]
        chosen = self._pool._variety.choose(scored, count, self._of_followed_labs())
        outsider = self._outsider() if self._wants.surprise and self._found and count > 1 else None
        if outsider is not None and all(place != outsider for place, _lowered in chosen):
            chosen = [*chosen[: count - 1], (outsider, NO_PENALTIES)]
        return tuple([self._pick(place, lowered, place == outsider) for place, lowered in chosen])

    def _scored(self) -> list[tuple[int, int]]:
        """Minus the score, and the place, of all that may be in the list, before diversity."""
        trending, boost, affinity, found = self._pool._trending, self._pool._boost, self._affinity, self._found
        if affinity:
            rest = affinity.get
            scored = [(-trending[place] - boost(wishes)[0] - rest(place, 0), place) for place, wishes in found.items()]
            return scored + [(-trending[place] - rest(place, 0), place) for place in self._others()]
        scored = [(-trending[place] - boost(wishes)[0], place) for place, wishes in found.items()]
        # Of what has no more than its rank, only the first can be in the list.
        others = islice(self._others(), self._wants.papers * (_SHORTLIST - 1))
        return scored + [(-trending[place], place) for place in others]

    def _others(self) -> Iterator[int]:
        """What the reader did not ask for, and may get, by rank."""
        found, out = self._found, self._out
        return (place for place in range(len(self._pool._ids)) if place not in found and place not in out)

    def _affinities(self) -> dict[int, int]:
        worth, places = self._pool._worth[AFFINITY], self._pool._place
        liked = self._taste.affinity.items()
        return {places[paper_id]: round(value * worth) for paper_id, value in liked if paper_id in places}

    def _of_followed_labs(self) -> Set[int]:
        if not self._wants.labs:
            return frozenset()
        return {
            place for place, wishes in self._found.items() if any(wish.about is InterestKind.LAB for wish in wishes)
        }

    def _outsider(self) -> int | None:
        """The best of what the reader neither asked for nor is like what they liked."""
        pool, kin, affinity = self._pool, self._taste.kin, self._affinity
        far = (place for place in self._others() if not pool._is_close(affinity.get(place, 0)))
        return next((place for place in far if pool._ids[place] not in kin), None)

    def _pick(self, place: int, lowered: Penalties, surprise: bool) -> Pick:
        pool, wishes = self._pool, self._found.get(place, ())
        if self._affinity:
            kin = self._taste.kin.get(pool._ids[place], "")
            pick = pool._pick_of(place, wishes, self._language, self._affinity.get(place, 0), kin)
        else:
            pick = pool._wished(place, wishes, self._language) if wishes else pool._plain[place]
        if surprise:
            pick = pick._replace(why=pool._outside(self._language))
        if lowered is not NO_PENALTIES and any(lowered):
            costs = [(name, -cost) for name, cost in lowered._asdict().items() if cost]
            pick = pick._replace(points=(*pick.points, *costs))
        return pick


def select(
    issue: Issue, preferences: Preferences, already_got: Set[str], taste: PoolProfile = NO_PROFILE
) -> Selection | SkipReason:
    """One reader's papers of an issue; see Pool for many readers."""
    return Pool(issue).select(preferences, already_got, taste)


def _outside_in(language: Language) -> str:
    return language.say(OUTSIDE)


def _reason_in(wishes: tuple[Interest, ...], language: Language, kin: str, close: bool) -> str:
    return " · ".join([language.say(part) for part in why_of(wishes, kin, close)])


def _date_of(paper: Paper) -> date | None:
    at = paper.listed_at or paper.published_at
    return at.date() if at else None
