"""Issue × interests and feedback × papers already received → the papers of one message, each with its reason. Pure.

score = trending + interests + affinity − near duplicates − repeated labs
docs/selection.md explains each term and which papers are in a list; `diversity.py` computes the two penalties.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import groupby, islice
from sys import intern

from digest.issues.issue import Issue
from digest.issues.profiles.profile import CLEARLY_CLOSE, CLOSE, Neighbour, clearly_close
from digest.issues.reasons import joined_reasons, why_followed
from digest.issues.selection.diversity import Diversity
from digest.issues.selection.interests import (
    Catalogue,
    Interest,
    InterestKind,
    PaperSet,
    interests_of,
    muted_by,
    numbers_in,
    of_papers,
    set_of,
)
from digest.issues.selection.personal import FEWEST, PersonalList
from digest.issues.selection.picks import AFFINITY, NEW, PINNED, TRENDING, UNIT, Pick, Selection, in_words
from digest.language import Language, Languages
from digest.ledger.kinds import IssueKind, SkipReason
from digest.papers.paper import Paper, RankedPaper
from digest.subscribers.subscriber import Balance, Preferences

RULES = "the day's and their own, 2"  # issues record it, so that lists of an earlier version are replayed by its rules
_RULES_1 = "the day's and their own, 1"  # as now, but with one CLEARLY_CLOSE for all
_INTERESTS = frozenset(map(str, InterestKind))
_CLOSE_BEFORE = 0.25  # when affinities were cosines
# Days in which the papers without votes were first seen that an issue has for everyone. An hour more than the time
# between two issues, since no two cuts are at the same second.
_PERIOD: dict[str, float] = {IssueKind.DAILY: 1 + 1 / 24, IssueKind.WEEKLY: 7 + 1 / 24}


def _no_neighbours(_papers: Sequence[int]) -> Mapping[int, Neighbour]:
    return {}


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PoolProfile:
    """A subscriber's profile for one pool, whose papers are numbered by rank from 0."""

    affinity: Sequence[int] = ()  # of each paper, in points; empty without a profile
    close: PaperSet = 0  # all papers that resemble what they liked
    liked: int = 0  # how many papers it is made from
    rated: Set[str] = frozenset()  # ids of papers with feedback, which need not be shown again
    # For chosen papers: the liked paper that each resembles most, where there is one to name.
    neighbours: Callable[[Sequence[int]], Mapping[int, Neighbour]] = _no_neighbours


NO_PROFILE = PoolProfile()


@dataclass(frozen=True, slots=True)
class SelectionWeights:
    """Weights of matches and of repetition; rank 1 of the issue weighs 1, or `new` if it has no votes."""

    new: float = 0.1
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
        self._ranked = sorted(issue.pool, key=lambda paper: paper.rank)
        papers = [paper.paper for paper in self._ranked]
        self.issue = issue
        self.by_score = issue.settings.rules not in (RULES, _RULES_1)  # as earlier versions chose
        self.has_votes = any(paper.has_votes for paper in issue.papers)
        self._language = lru_cache(maxsize=100)((languages or Languages()).get)
        self.paper_ids = [intern(paper.id) for paper in papers]
        self._all = (1 << len(papers)) - 1
        self._bits = {paper_id: 1 << index for index, paper_id in enumerate(self.paper_ids)}
        self._pinned = set_of(index for index, paper in enumerate(self._ranked) if paper.terms.is_pinned)
        self.ranks = {ranked.paper.id: ranked.rank for ranked in self._ranked}
        self.by_rank = {rank: paper_id for paper_id, rank in self.ranks.items()}
        self.index = {paper_id: index for index, paper_id in enumerate(self.paper_ids)}
        self.points: dict[str, int] = {
            name: round(value * UNIT) for name, value in asdict(weights or SelectionWeights()).items()
        }
        self._boosts = {kind: _boosts(self.points[kind]) for kind in InterestKind}
        self.least_close = self._least(_CLOSE_BEFORE if self.by_score else CLOSE)  # points of affinity that are a match
        self.rank_points = [self._rank_points(ranked) for ranked in self._ranked]
        self.by_rank_alone = [(points, index) for index, (_name, points) in enumerate(self.rank_points)]
        self.diversity = Diversity(papers, self.points["near_duplicate"], self.points["same_lab"])
        self.catalogue = Catalogue(papers)
        self.listed_before = lru_cache(maxsize=100)(self._listed_before)
        self.pick = lru_cache(maxsize=10_000)(self._pick)  # of a kilobyte each
        self.best = lru_cache(maxsize=100)(self._best)
        # Papers that match nothing: what _pick() would return.
        self.unmatched = [
            (Pick(paper_id, "", (points,)), points[1])
            for paper_id, points in zip(self.paper_ids, self.rank_points, strict=True)
        ]
        self._dates = [_date_of(paper) for paper in papers]

    def select(
        self,
        preferences: Preferences,
        received: Set[str],
        profile: PoolProfile = NO_PROFILE,
        not_before: date | None = None,
        since: date | None = None,
    ) -> Selection | SkipReason:
        """At most `preferences.papers` papers, best first, without those received, muted or rated.

        Those that editors pinned come first. Without interests and feedback the others are the day's best in the order
        of the issue. Papers listed before `not_before` do not count, unless they are pinned. `since`: the first day
        without an email, as too few papers were worth it. With the balance "only", no other paper is in it, pinned or
        not.
        """
        if not self.paper_ids:
            return SkipReason.EMPTY_ISSUE
        left_out = self._set_of(received)
        is_only_own = preferences.balance is Balance.ONLY
        unwanted = left_out | self._set_of(profile.rated) | self._muted(preferences)
        unwanted |= self._all & ~self._own(preferences, profile) if is_only_own else 0
        pinned = self._pinned and set_of(islice(numbers_in(self._pinned & ~unwanted), preferences.papers))
        fresh = self._all & ~(unwanted | self.listed_before(not_before) | self._pinned)
        is_full = self.by_score or preferences.full_lists or self.issue.settings.floor is None
        best = fresh & self.best(is_full, (self.issue.date - since).days if since else 0)
        if preferences.follows_something or profile.affinity:
            language = self._language(preferences.language or self.issue.settings.language)
            own = PersonalList(self, _with_room(preferences, pinned), profile, fresh, best, language)
            picks, is_urgent = own.picks(pinned), own.is_urgent
        else:
            picks = self._in_order(pinned | best, preferences.papers)
            is_urgent = _never
        if not picks and (is_only_own or not fresh):
            return SkipReason.NOTHING_FOLLOWED if is_only_own else SkipReason.NOTHING_NEW
        may_wait = self.issue.kind == IssueKind.DAILY and not (is_full or is_only_own)
        if may_wait and not pinned and len(picks) < min(FEWEST, preferences.papers) and not is_urgent():
            return SkipReason.TOO_FEW
        if not picks:
            return SkipReason.NOTHING_NEW
        return Selection(picks, left_out.bit_count(), preferences.language, only=is_only_own)

    def _in_order(self, papers: PaperSet, count: int) -> tuple[Pick, ...]:
        """The first of these papers, by rank alone."""
        return tuple([pick for pick, _points in islice(of_papers(papers, self.unmatched), count)])

    def _least(self, affinity: float) -> float:
        return math.ceil(affinity * self.points[AFFINITY]) or math.inf

    def _least_clearly_close(self, liked: int) -> float:
        if self.by_score:
            return self.least_close
        return self._least(CLEARLY_CLOSE if self.issue.settings.rules == _RULES_1 else clearly_close(liked))

    def is_close(self, affinity: int) -> bool:
        return affinity >= self.least_close

    def is_own(self, pick: Pick) -> bool:
        """True if it matches an interest or resembles a liked paper."""
        return any(name in _INTERESTS or (name == AFFINITY and self.is_close(value)) for name, value in pick.points)

    def _set_of(self, paper_ids: Set[str]) -> PaperSet:
        bit_of = self._bits.get
        return sum([bit_of(paper_id, 0) for paper_id in paper_ids])

    def _own(self, preferences: Preferences, profile: PoolProfile) -> PaperSet:
        """The papers that match an interest, and those clearly like the liked ones."""
        followed = self.catalogue.matches_any(interests_of(preferences))
        if not profile.affinity:
            return followed
        from digest.issues.profiles.pool_affinities import at_least  # which brings numpy

        return followed | at_least(profile.affinity, self._least_clearly_close(profile.liked))

    def _muted(self, preferences: Preferences) -> PaperSet:
        return self.catalogue.matches_any(muted_by(preferences))

    def _listed_before(self, not_before: date | None) -> PaperSet:
        if not_before is None:
            return 0
        return set_of(index for index, day in enumerate(self._dates) if day and day < not_before)

    def _rank_points(self, ranked: RankedPaper) -> tuple[str, int]:
        """The term for a paper's rank. Nothing that an editor chose or nobody voted on is called trending."""
        if ranked.terms.is_pinned:
            return PINNED, UNIT
        if ranked.has_votes or self.by_score:
            return TRENDING, round(UNIT / math.log2(1 + ranked.score_rank))
        return NEW, round(self.points[NEW] / math.log2(1 + ranked.score_rank))

    def _best(self, is_full: bool, days_withheld: int) -> PaperSet:
        """The papers for everyone: all for a full list, otherwise only what is worth an email.

        That is what may end among the best of its week; where nobody votes, what is new since the last issue.
        """
        if is_full:
            return self._all
        every = numbers_in(self._all)
        floor, period = self.issue.settings.floor or 0.0, _PERIOD.get(self.issue.kind, math.inf) + days_withheld
        if self.has_votes:
            return set_of(index for index in every if self._ranked[index].score >= floor)
        return set_of(index for index in every if self._ranked[index].terms.open_days <= period)

    def days_left(self, index: int) -> float:
        """For how many days a paper will still be in the pools of later issues."""
        return self.issue.settings.pool_days - self._ranked[index].terms.open_days

    def by_points(self, matches: Iterable[tuple[Interest, PaperSet]], papers: PaperSet) -> list[tuple[int, PaperSet]]:
        """These papers by the points of the interests that they match, most points first."""
        by_points = {0: papers}
        for kind, of_kind in groupby(matches, key=lambda match: match[0].kind):
            none, one, two, more = papers, 0, 0, 0
            for _interest, some in of_kind:
                none, one, two, more = (
                    none & ~some,
                    one & ~some | none & some,
                    two & ~some | one & some,
                    more | two & some,
                )
            split: dict[int, PaperSet] = {}
            for points, with_points in by_points.items():
                for of_count, added in zip((none, one, two, more), self._boosts[kind], strict=True):
                    if both := with_points & of_count:
                        split[points + added] = split.get(points + added, 0) | both
            by_points = split
        return sorted(by_points.items(), reverse=True)

    def _pick(self, index: int, interests: tuple[Interest, ...], language: Language) -> tuple[Pick, int]:
        """A paper with the points and the reason for its rank and these matches, and the sum of these points."""
        kinds = [interest.kind for interest in interests]
        terms = [(str(kind), self._boosts[kind][min(kinds.count(kind), 3)]) for kind in dict.fromkeys(kinds)]
        why = joined_reasons([in_words(part, language) for part in why_followed(interests)])
        points = (self.rank_points[index], *terms)
        return Pick(self.paper_ids[index], why, points), sum([value for _name, value in points])


def _with_room(preferences: Preferences, pinned: PaperSet) -> Preferences:
    """The preferences for the papers next to the pinned ones."""
    return replace(preferences, papers=preferences.papers - pinned.bit_count()) if pinned else preferences


def _boosts(points: int) -> tuple[int, ...]:
    """Points of no, one, two, and more matches of a kind: the second and third add a quarter each."""
    return 0, points, points * 5 // 4, points * 6 // 4


def _date_of(paper: Paper) -> date | None:
    at = paper.listed_at or paper.published_at
    return at.date() if at else None
