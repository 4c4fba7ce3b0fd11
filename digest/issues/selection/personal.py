"""Fills and orders the list of a subscriber with interests or feedback. Pure.

A list has papers of two kinds: the day's best, and the subscriber's own, which match what they follow or resemble what
they liked. Their balance decides how many of each.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from digest.issues.reasons import OUTSIDE, joined_reasons, names_neighbour, why_close
from digest.issues.selection.diversity import NO_PENALTIES, Penalties, Stage, filled
from digest.issues.selection.interests import Interest, InterestKind, PaperSet, interests_of, numbers_in, of_papers
from digest.issues.selection.picks import AFFINITY, Pick, in_words
from digest.language import Language
from digest.subscribers.subscriber import Balance, Preferences

if TYPE_CHECKING:
    from digest.issues.profiles import Neighbour
    from digest.issues.selection.selection import Pool, PoolProfile

_SHORTLIST = 3  # diversity chooses among this many times the length of the list
FEWEST = 3  # papers worth an email
_HALF = 0.6  # of a list: a match is a guess, and about one in ten is off the subject
_TOP = 2  # of the day's best that are in every list with room for them
_NEVER_MISSED = (InterestKind.AUTHOR, InterestKind.LAB)


class Mix(NamedTuple):
    """The numbers of papers of each kind in a list."""

    share: int  # of their own, next to the top of the day
    top: int  # of the day's best that are always in it
    most: int  # when its last papers are chosen among their own


@lru_cache(maxsize=1_000)
def mix_of(balance: Balance, count: int, has_votes: bool) -> Mix:
    """The mix of a list of `count` papers; `has_votes`: of those of the issue."""
    is_mostly_own = balance in (Balance.MINE, Balance.ONLY) or (balance is Balance.BOTH and not has_votes)
    if balance is Balance.BEST:
        share = 0
    elif balance is Balance.ONLY:
        share = count
    else:
        share = max(count - 1 if is_mostly_own else round(_HALF * count), 1)
    # A thin day adds no further matches to a mix: what is left of their interests by then is filler, too.
    most = count if is_mostly_own else min(max(share, FEWEST) if share else 0, count)
    return Mix(share, min(_TOP, count - share), most)


class PersonalList:
    """The list of one subscriber. Papers are numbered as in the pool."""

    def __init__(
        self,
        pool: "Pool",
        preferences: Preferences,
        profile: "PoolProfile",
        fresh: PaperSet,
        best: PaperSet,
        language: Language,
    ) -> None:
        """Takes what may be in it, and what of that the issue has for everyone."""
        self._pool = pool
        self._preferences = preferences
        self._profile = profile
        self._fresh = fresh
        self._best = best
        self._language = language
        self._count = preferences.papers
        self._mix = mix_of(preferences.balance, self._count, pool.has_votes)
        self._keeps_order = preferences.balance is Balance.BEST and not pool.by_score  # the order of the issue
        self._matches = [(interest, pool.catalogue.matches(interest)) for interest in interests_of(preferences)]
        self._picks: dict[int, tuple[Pick, int]] = {}
        matched = never_missed = 0
        for interest, papers in self._matches:
            matched |= papers
            if interest.kind in _NEVER_MISSED and not pool.by_score:
                never_missed |= papers
        self._matched, self._matching, self._never_missed = matched, matched & fresh, never_missed & fresh

    def picks(self, pinned: PaperSet = 0) -> tuple[Pick, ...]:
        """The papers with their points and reasons; before them those of `pinned`, which its length does not count."""
        chosen = self._chosen() if self._count else []
        outsider = self._outsider()
        if outsider is not None and all(index != outsider for index, _penalties in chosen):
            chosen = self._with_outsider(chosen, outsider)
        if len(chosen) > 1 and chosen[0][0] == outsider:
            chosen[:2] = chosen[1], chosen[0]
        if pinned:
            chosen = [*((index, NO_PENALTIES) for index in numbers_in(pinned)), *chosen]
        if self._profile.affinity or self._keeps_order:
            neighbours = self._neighbours([index for index, _penalties in chosen]) if self._profile.affinity else {}
            return tuple(
                [self._pick(index, costs, neighbours.get(index), index == outsider) for index, costs in chosen]
            )
        return tuple(
            [
                self._scored(index)[0]
                if costs is NO_PENALTIES and index != outsider
                else self._pick(index, costs, None, index == outsider)
                for index, costs in chosen
            ]
        )

    def _neighbours(self, chosen: Sequence[int]) -> "Mapping[int, Neighbour]":
        """The liked papers that chosen ones resemble, where their reasons have room for one."""
        affinity, least = self._profile.affinity, self._pool.least_close
        named = [index for index in chosen if affinity[index] >= least and names_neighbour(self._interests(index))]
        return self._profile.neighbours(named) if named else {}

    def is_urgent(self) -> bool:
        """True if a paper that they must not miss leaves the pool before their next issue."""
        days = sorted(self._preferences.weekdays)
        longest = max((after - day - 1) % 7 + 1 for day, after in zip(days, (*days[1:], days[0]), strict=True))
        return any(self._pool.days_left(index) < longest for index in numbers_in(self._never_missed))

    # --- which papers ---

    def _chosen(self) -> list[tuple[int, Penalties]]:
        """In order."""
        if self._keeps_order:
            return [(index, NO_PENALTIES) for index in sorted(filled(self._stages()))]
        diversity, followed = self._pool.diversity, self._of_followed_labs()
        stages = [Stage(self._by_score(), self._count)] if self._pool.by_score else self._stages()
        members = sorted([(-self._score(index), index) for index in diversity.choose(stages, followed)])
        return diversity.in_order([(-negative, index) for negative, index in members], followed)

    def _stages(self) -> list[Stage]:
        """The steps that fill a list: what they must not miss, the top of the day, their own, the day's best."""
        count, (share, first, most) = self._count, self._mix
        by_points = self._pool.by_points(self._matches, self._matching | self._profile.close & self._fresh)
        never_missed = self._first(self._never_missed, by_points) if self._never_missed else []
        shortlist = self._first(self._fresh, by_points, count * _SHORTLIST)
        best = self._best_fresh(count * _SHORTLIST)
        top = best[:first]
        others = len([index for _score, index in top if not self._never_missed >> index & 1])
        until = min(max(share, len(never_missed)) + others, count)
        return [
            Stage(never_missed, count),
            Stage(top, count),
            Stage(shortlist, until),
            Stage(best, count),
            Stage(shortlist, most),
        ]

    def _first(
        self, papers: PaperSet, by_points: Sequence[tuple[int, PaperSet]], most: int | None = None
    ) -> list[tuple[int, int]]:
        """Those of `papers` with most points (points, index), from interests and affinity; then by rank."""
        if self._profile.affinity:
            from digest.issues.profiles.pool_affinities import best_matches  # which brings numpy

            return best_matches(self._profile.affinity, [(points, some & papers) for points, some in by_points], most)
        ordered: list[tuple[int, int]] = []
        for points, some in by_points:
            ordered += [(points, index) for index in numbers_in(some & papers)]
            if most is not None and len(ordered) >= most:
                return ordered[:most]
        return ordered

    def _best_fresh(self, count: int) -> list[tuple[int, int]]:
        return list(islice(of_papers(self._best, self._pool.by_rank_alone), count))

    def _by_score(self) -> list[tuple[int, int]]:
        """The papers with the best scores, whatever kind they are of, as earlier versions chose them."""
        rest = list(numbers_in(self._best & ~self._matching))
        if not self._profile.affinity:  # then only the first few of the others can be in the list
            rest = rest[: self._count * (_SHORTLIST - 1)]
        best = sorted((-self._score(index), index) for index in (*numbers_in(self._matching), *rest))
        return [(-negative, index) for negative, index in best[: self._count * _SHORTLIST]]

    def _of_followed_labs(self) -> PaperSet:
        return self._pool.catalogue.matches_any(Interest(InterestKind.LAB, lab) for lab in self._preferences.labs)

    # --- one from outside ---

    def _outsider(self) -> int | None:
        """The day's best paper that neither matches an interest nor resembles a liked paper; None if not wanted."""
        if not self._preferences.surprise or self._count == 1 or self._keeps_order:
            return None
        if not self._matching:
            return None
        return next(numbers_in(self._best & ~self._matching & ~self._profile.close), None)

    def _with_outsider(self, chosen: list[tuple[int, Penalties]], outsider: int) -> list[tuple[int, Penalties]]:
        """The list with a paper from outside at its end, for the last one that may give way."""
        if len(chosen) < self._count:
            return [*chosen, (outsider, NO_PENALTIES)]
        top = set() if self._pool.by_score else {index for _points, index in self._best_fresh(self._mix.top)}
        may_give_way = (pair for pair in reversed(chosen) if pair[0] not in top and not self._is_never_missed(pair[0]))
        last = next(may_give_way, None)
        return [*(pair for pair in chosen if pair is not last), (outsider, NO_PENALTIES)] if last else chosen

    # --- points and reasons ---

    def _affinity(self, index: int) -> int:
        return self._profile.affinity[index] if self._profile.affinity else 0

    def _is_never_missed(self, index: int) -> bool:
        return bool(self._never_missed >> index & 1)

    def _interests(self, index: int) -> tuple[Interest, ...]:
        """Those that a paper matches."""
        if not self._matched >> index & 1:
            return ()
        return tuple([interest for interest, papers in self._matches if papers >> index & 1])

    def _score(self, index: int) -> int:
        """The score before diversity."""
        return self._scored(index)[1] + (self._affinity(index) if self._profile.affinity else 0)

    def _scored(self, index: int) -> tuple[Pick, int]:
        """A paper with its points and reason, and their sum, both without affinity."""
        if not self._matched >> index & 1:
            return self._pool.unmatched[index]
        scored = self._picks.get(index)
        if scored is None:
            scored = self._picks[index] = self._pool.pick(index, self._interests(index), self._language)
        return scored

    def _pick(self, index: int, penalties: Penalties, neighbour: "Neighbour | None", surprise: bool) -> Pick:
        interests, affinity, pick = self._interests(index), self._affinity(index), self._scored(index)[0]
        is_lowered = penalties != NO_PENALTIES
        if not (self._keeps_order or affinity or neighbour or surprise or is_lowered):
            return pick
        paper_id, why, points = pick
        if self._keeps_order:
            points = points[:1]
        elif affinity:
            points = (*points, (AFFINITY, affinity))
        if surprise:
            why = in_words(OUTSIDE, self._language)
        elif (neighbour and names_neighbour(interests)) or (self._pool.is_close(affinity) and not interests):
            like = in_words(why_close(neighbour), self._language)
            why = joined_reasons([why, like]) if why else like
        if is_lowered:
            points = (*points, *((name, -cost) for name, cost in penalties._asdict().items() if cost))
        return Pick(paper_id, why, points)
