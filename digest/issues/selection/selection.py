"""Issue × interests and feedback × papers already received → the papers of one message, each with its reason. Pure.

score = trending + interests + affinity − near duplicates − repeated labs
docs/selection.md explains each term; `diversity.py` computes the two penalties.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import lru_cache
from itertools import islice

from digest.issues.issue import Issue
from digest.issues.reasons import OUTSIDE, why_of
from digest.issues.selection.diversity import NO_PENALTIES, Diversity, Penalties
from digest.issues.selection.interests import Catalogue, Interest, InterestKind, interests_of, muted_by
from digest.issues.selection.picks import TRENDING, UNIT, Pick, Selection
from digest.language import Language, Languages
from digest.ledger.kinds import SkipReason
from digest.papers.paper import Paper
from digest.subscribers.subscriber import Preferences

AFFINITY = "affinity"
_SHORTLIST = 3  # diversity chooses among this many times the length of the list
_CLOSE = 0.25  # an affinity from here on is given as a reason


@dataclass(frozen=True, slots=True)
class PoolProfile:
    """A subscriber's profile for one pool, from feedback, by paper id."""

    affinity: Mapping[str, float] = field(default_factory=dict)  # similarity to what they want more of, 0 to 1
    neighbours: Mapping[str, str] = field(default_factory=dict)  # title of the liked paper that it resembles most
    rated: Set[str] = frozenset()  # papers with feedback, which need not be shown again


NO_PROFILE = PoolProfile()


@dataclass(frozen=True, slots=True)
class SelectionWeights:
    """Weights of matches and of repetition; rank 1 of the issue weighs 1."""

    author: float = 1.2
    keyword: float = 0.8
    lab: float = 0.7
    topic: float = 0.6
    category: float = 0.5
    affinity: float = 0.8
    near_duplicate: float = 0.5
    same_lab: float = 0.1


class Pool:
    """The papers of an issue, ready to select from for many subscribers: each interest is looked up once.

    Papers are numbered by rank, from 0. Reasons are given in any of `languages`, in English alone by default.
    """

    def __init__(
        self, issue: Issue, weights: SelectionWeights | None = None, languages: Languages | None = None
    ) -> None:
        ranked = sorted(issue.pool, key=lambda paper: paper.rank)
        papers = [paper.paper for paper in ranked]
        self._issue = issue
        self._language = lru_cache(maxsize=100)((languages or Languages()).get)
        self.paper_ids = [paper.id for paper in papers]
        self.index = {paper_id: index for index, paper_id in enumerate(self.paper_ids)}
        self.trending = [round(UNIT / math.log2(1 + paper.rank)) for paper in ranked]
        self.points: dict[str, int] = {
            name: round(value * UNIT) for name, value in asdict(weights or SelectionWeights()).items()
        }
        self.diversity = Diversity(papers, self.points["near_duplicate"], self.points["same_lab"])
        self.catalogue = Catalogue(papers)
        self.boost = lru_cache(maxsize=50_000)(self._boost)
        self.pick = lru_cache(maxsize=50_000)(self.new_pick)
        self._why = lru_cache(maxsize=50_000)(_reason_in)
        self.outside = lru_cache(maxsize=100)(lambda language: language.say(OUTSIDE))
        ids_and_points = zip(self.paper_ids, self.trending, strict=True)
        self._by_rank = [Pick(paper_id, "", ((TRENDING, points),)) for paper_id, points in ids_and_points]
        self._dates = [_date_of(paper) for paper in papers]

    def select(
        self,
        preferences: Preferences,
        received: Set[str],
        profile: PoolProfile = NO_PROFILE,
        not_before: date | None = None,
    ) -> Selection | SkipReason:
        """At most `preferences.papers` papers, best first, without those received, muted or rated.

        Without interests and feedback the order is the issue's. Papers listed before `not_before` do not count.
        """
        if not self.paper_ids:
            return SkipReason.EMPTY_ISSUE
        left_out = self._indexes(received)
        excluded = left_out | self._indexes(profile.rated) | self._muted(preferences) | self._listed_before(not_before)
        interests = interests_of(preferences)
        if interests or profile.affinity:
            language = self._language(preferences.language or self._issue.settings.language)
            picks = _PersonalRanking(self, preferences, interests, profile, excluded, language).picks()
        else:
            fresh = (pick for index, pick in enumerate(self._by_rank) if index not in excluded)
            picks = tuple(islice(fresh, preferences.papers))
        return Selection(picks, len(left_out), preferences.language) if picks else SkipReason.NOTHING_NEW

    def is_close(self, affinity: int) -> bool:
        return affinity >= _CLOSE * self.points[AFFINITY] > 0

    def _indexes(self, paper_ids: Iterable[str]) -> set[int]:
        return {self.index[paper_id] for paper_id in paper_ids if paper_id in self.index}

    def _muted(self, preferences: Preferences) -> set[int]:
        return {index for interest in muted_by(preferences) for index in self.catalogue.matches(interest)}

    def _listed_before(self, not_before: date | None) -> set[int]:
        if not_before is None:
            return set()
        return {index for index, day in enumerate(self._dates) if day and day < not_before}

    def _boost(self, interests: tuple[Interest, ...]) -> tuple[int, tuple[tuple[str, int], ...]]:
        """Points of these matches, in all and by name; the second and third of a kind add a quarter each."""
        kinds = [interest.kind for interest in interests]
        terms = [(str(kind), self.points[kind] * (3 + min(kinds.count(kind), 3)) // 4) for kind in dict.fromkeys(kinds)]
        return sum(points for _name, points in terms), tuple(terms)

    def new_pick(
        self, index: int, interests: tuple[Interest, ...], language: Language, affinity: int = 0, neighbour: str = ""
    ) -> Pick:
        """A paper with the points and the reason for it."""
        terms = [(TRENDING, self.trending[index]), *self.boost(interests)[1]]
        terms += [(AFFINITY, affinity)] if affinity else []
        why = self._why(interests, language, neighbour, self.is_close(affinity))
        return Pick(self.paper_ids[index], why, tuple(terms))


class _PersonalRanking:
    """The papers of a pool in the order of one subscriber's scores."""

    def __init__(
        self,
        pool: Pool,
        preferences: Preferences,
        interests: Sequence[Interest],
        profile: PoolProfile,
        excluded: Set[int],
        language: Language,
    ) -> None:
        self._pool = pool
        self._preferences = preferences
        self._neighbours = profile.neighbours
        self._excluded = excluded
        self._language = language
        self._matches: dict[int, tuple[Interest, ...]] = {}
        for interest in interests:
            for index in pool.catalogue.matches(interest):
                if index not in excluded:
                    self._matches[index] = (*self._matches.get(index, ()), interest)
        worth, indexes = pool.points[AFFINITY], pool.index
        affinities = profile.affinity.items()
        self._affinity = {indexes[id_]: round(value * worth) for id_, value in affinities if id_ in indexes}

    def picks(self) -> tuple[Pick, ...]:
        count = self._preferences.papers
        shortlist = [(-negative, index) for negative, index in sorted(self._scored())[: count * _SHORTLIST]]
        chosen = self._pool.diversity.choose(shortlist, count, self._of_followed_labs())
        outsider = self._outsider() if self._preferences.surprise and self._matches and count > 1 else None
        if outsider is not None and all(index != outsider for index, _penalties in chosen):
            chosen = [*chosen[: count - 1], (outsider, NO_PENALTIES)]
        return tuple([self._pick(index, penalties, index == outsider) for index, penalties in chosen])

    def _scored(self) -> list[tuple[int, int]]:
        """(Minus the score before diversity, index) of every paper that may be in the list."""
        trending, boost, affinity = self._pool.trending, self._pool.boost, self._affinity.get
        scored = [
            (-trending[index] - boost(interests)[0] - affinity(index, 0), index)
            for index, interests in self._matches.items()
        ]
        others = self._without_match()
        if not self._affinity:  # then only the first few of the others can be in the list
            others = islice(others, self._preferences.papers * (_SHORTLIST - 1))
        return scored + [(-trending[index] - affinity(index, 0), index) for index in others]

    def _without_match(self) -> Iterator[int]:
        """Papers that match no interest and are not excluded, by rank."""
        matches, excluded = self._matches, self._excluded
        return (index for index in range(len(self._pool.paper_ids)) if index not in matches and index not in excluded)

    def _of_followed_labs(self) -> Set[int]:
        labs, matches = self._preferences.labs, self._pool.catalogue.matches
        return {index for lab in labs for index in matches(Interest(InterestKind.LAB, lab))}

    def _outsider(self) -> int | None:
        """The best paper that neither matches an interest nor resembles a liked paper."""
        pool, affinity = self._pool, self._affinity
        far = (index for index in self._without_match() if not pool.is_close(affinity.get(index, 0)))
        return next((index for index in far if pool.paper_ids[index] not in self._neighbours), None)

    def _pick(self, index: int, penalties: Penalties, surprise: bool) -> Pick:
        pool, interests, language = self._pool, self._matches.get(index, ()), self._language
        if self._affinity:  # almost never the same for two subscribers, so not cached
            neighbour = self._neighbours.get(pool.paper_ids[index], "")
            pick = pool.new_pick(index, interests, language, self._affinity.get(index, 0), neighbour)
        else:
            pick = pool.pick(index, interests, language)
        if surprise:
            pick = pick._replace(why=pool.outside(language))
        if any(penalties):
            costs = [(name, -cost) for name, cost in penalties._asdict().items() if cost]
            pick = pick._replace(points=(*pick.points, *costs))
        return pick


def _reason_in(interests: tuple[Interest, ...], language: Language, neighbour: str, close: bool) -> str:
    return " · ".join([language.say(part) for part in why_of(interests, neighbour, close)])


def _date_of(paper: Paper) -> date | None:
    at = paper.listed_at or paper.published_at
    return at.date() if at else None
