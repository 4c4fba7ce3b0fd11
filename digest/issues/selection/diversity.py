"""A list that does not say the same thing twice: near duplicates, and long runs of one lab, are pushed down. Pure.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each next paper is the one with the best score after
what is already in the list has lowered it.
"""

import re
from collections import Counter
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import NamedTuple

from digest.papers.paper import Paper

_ALIKE = 0.6  # of the rare words of two titles; two versions of one report share more, two papers of one field less
_FEWEST_WORDS = 3
_RARE = 4  # titles of a pool that a word is in, or a tenth of them: "language models" makes no two papers alike
_LAB_FREE = 2  # papers of one lab that cost nothing
_LAB_MOST = 3  # steps: the sixth costs no more than the fifth


class Penalties(NamedTuple):
    """By how much a paper was lowered: as a near duplicate, and for its lab."""

    near_duplicate: int
    same_lab: int


NO_PENALTIES = Penalties(0, 0)


class Diversity:
    """Which papers of a pool are alike. A place is a paper's position in `papers`."""

    def __init__(self, papers: Sequence[Paper], near_duplicate: int, same_lab: int) -> None:
        """What a near duplicate of a chosen paper costs, and each paper of a lab beyond the second."""
        titles = [frozenset(re.findall(r"\w+", paper.title.casefold())) for paper in papers]
        usual = Counter(word for words in titles for word in words)
        rare = {word for word, count in usual.items() if count <= max(_RARE, len(papers) // 10)}
        self._words = [words & rare for words in titles]
        names = [paper.organization.casefold().strip() for paper in papers]
        labs = Counter(names)
        # A lab that made most of the pool cannot be avoided; one of two papers cannot be too many.
        self._labs = [name if name and _LAB_FREE < labs[name] <= len(papers) // 2 else "" for name in names]
        self._duplicate = near_duplicate
        self._step = same_lab
        self._alike = lru_cache(maxsize=None)(self._find_alike)

    def choose(
        self, scored: Sequence[tuple[int, int]], count: int, may_repeat: Set[int]
    ) -> list[tuple[int, Penalties]]:
        """The `count` best of `scored` = (score, place), one after the other, and by how much each was lowered.

        Of equal ones the first in `scored` comes first. `may_repeat`: places whose lab the reader follows.
        """
        best = [place for _score, place in scored[:count]]
        if not self._repeats(best):  # then nothing is lowered that would have been chosen
            return [(place, NO_PENALTIES) for place in best]
        return self._one_by_one(scored, count, may_repeat)

    def _repeats(self, places: Sequence[int]) -> bool:
        """Whether two of them are alike, or too many of one lab."""
        there, alike = set(places), self._alike
        for place in places:
            twins = alike(place)
            if twins and not twins.isdisjoint(there):
                return True
        labs = [lab for place in places if (lab := self._labs[place])]
        return len(labs) > _LAB_FREE and max(Counter(labs).values()) > _LAB_FREE

    def _one_by_one(
        self, scored: Sequence[tuple[int, int]], count: int, may_repeat: Set[int]
    ) -> list[tuple[int, Penalties]]:
        left = {place: score for score, place in scored}
        scores = left.copy()
        twins: set[int] = set()
        labs: Counter[str] = Counter()
        chosen: list[tuple[int, Penalties]] = []
        while left and len(chosen) < count:
            place = max(left, key=left.__getitem__)
            twin = self._duplicate if place in twins else 0
            chosen.append((place, Penalties(twin, scores[place] - left.pop(place) - twin)))
            new = self._alike(place) & left.keys() - twins
            twins |= new
            _lower(left, new, self._duplicate)
            lab = self._labs[place]
            labs[lab] += 1
            if lab and _LAB_FREE <= labs[lab] < _LAB_FREE + _LAB_MOST:
                same = {one for one in left if self._labs[one] == lab}
                _lower(left, same - may_repeat, self._step)
        return chosen

    def _find_alike(self, place: int) -> frozenset[int]:
        mine = self._words[place]
        if len(mine) < _FEWEST_WORDS:
            return frozenset()
        return frozenset(
            other
            for other, words in enumerate(self._words)
            if other != place and len(mine & words) >= _ALIKE * len(mine | words)
        )


def _lower(left: dict[int, int], places: Set[int], by: int) -> None:
    for place in places:
        left[place] -= by
