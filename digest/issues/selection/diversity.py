"""Pushes near duplicates, and long runs of papers from one lab, down the list. Pure.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the next paper is the
one with the best score after the penalties for what the list already holds.
"""

import re
from collections import Counter
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import NamedTuple

from digest.papers.paper import Paper

_ALIKE = 0.6  # Jaccard similarity of two titles' rare words: higher for versions of one report, lower within a field
_FEWEST_WORDS = 3
_RARE = 4  # titles of a pool that a word is in, or a tenth of them: "language models" makes no two papers alike
_LAB_FREE = 2  # papers of one lab that cost nothing
_LAB_MOST = 3  # steps: the sixth costs no more than the fifth


class Penalties(NamedTuple):
    """Points taken off a paper's score."""

    near_duplicate: int
    same_lab: int


NO_PENALTIES = Penalties(0, 0)


class Diversity:
    """Finds papers of a pool that repeat each other; papers are numbered from 0."""

    def __init__(self, papers: Sequence[Paper], near_duplicate: int, same_lab: int) -> None:
        """Takes the points that a near duplicate costs, and each paper of a lab beyond the second."""
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
        """The `count` best of `scored` (score, paper), best first, with their penalties.

        Ties keep the order of `scored`. `may_repeat`: papers of labs that the subscriber follows.
        """
        best = [paper for _score, paper in scored[:count]]
        if not self._repeats(best):  # then no penalty would change the list
            return [(paper, NO_PENALTIES) for paper in best]
        return self._with_penalties(scored, count, may_repeat)

    def _repeats(self, papers: Sequence[int]) -> bool:
        """True if two are near duplicates, or too many are from one lab."""
        chosen, alike = set(papers), self._alike
        for paper in papers:
            twins = alike(paper)
            if twins and not twins.isdisjoint(chosen):
                return True
        labs = [lab for paper in papers if (lab := self._labs[paper])]
        return len(labs) > _LAB_FREE and max(Counter(labs).values()) > _LAB_FREE

    def _with_penalties(
        self, scored: Sequence[tuple[int, int]], count: int, may_repeat: Set[int]
    ) -> list[tuple[int, Penalties]]:
        left = {paper: score for score, paper in scored}
        scores = left.copy()
        twins: set[int] = set()
        labs: Counter[str] = Counter()
        chosen: list[tuple[int, Penalties]] = []
        while left and len(chosen) < count:
            paper = max(left, key=left.__getitem__)
            twin = self._duplicate if paper in twins else 0
            chosen.append((paper, Penalties(twin, scores[paper] - left.pop(paper) - twin)))
            new = self._alike(paper) & left.keys() - twins
            twins |= new
            _lower(left, new, self._duplicate)
            lab = self._labs[paper]
            labs[lab] += 1
            if lab and _LAB_FREE <= labs[lab] < _LAB_FREE + _LAB_MOST:
                same = {paper for paper in left if self._labs[paper] == lab}
                _lower(left, same - may_repeat, self._step)
        return chosen

    def _find_alike(self, paper: int) -> frozenset[int]:
        mine = self._words[paper]
        if len(mine) < _FEWEST_WORDS:
            return frozenset()
        return frozenset(
            other
            for other, words in enumerate(self._words)
            if other != paper and len(mine & words) >= _ALIKE * len(mine | words)
        )


def _lower(left: dict[int, int], papers: Set[int], by: int) -> None:
    for paper in papers:
        left[paper] -= by
