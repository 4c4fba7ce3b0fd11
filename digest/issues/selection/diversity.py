"""Pushes near duplicates, and long runs of papers from one lab, down the list. Pure.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the next paper is the
one with the best score after the penalties for what the list already holds.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import cached_property, lru_cache
from typing import NamedTuple

from digest.issues.selection.interests import PaperSet
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


class Stage(NamedTuple):
    """Adds the best of its candidates to a list until that has so many papers."""

    candidates: Sequence[tuple[int, int]]  # (score, paper), best first
    until: int


def filled(stages: Sequence[Stage]) -> list[int]:
    """The papers that the stages add to an empty list, whether or not they repeat each other."""
    chosen: dict[int, None] = {}
    for candidates, until in stages:
        for _score, paper in candidates:
            if len(chosen) >= until:
                break
            chosen[paper] = None
    return list(chosen)


class Diversity:
    """Finds papers of a pool that repeat each other; papers are numbered from 0."""

    def __init__(self, papers: Sequence[Paper], near_duplicate: int, same_lab: int) -> None:
        """Takes the points that a near duplicate costs, and each paper of a lab beyond the second."""
        names = [paper.organization.casefold().strip() for paper in papers]
        labs = Counter(names)
        # A lab that made most of the pool cannot be avoided; one of two papers cannot be too many.
        self.labs = [name if name and _LAB_FREE < labs[name] <= len(papers) // 2 else "" for name in names]
        self.duplicate = near_duplicate
        self.step = same_lab
        self.alike = lru_cache(maxsize=None)(self._find_alike)
        self._papers = papers

    def choose(self, stages: Sequence[Stage], may_repeat: PaperSet) -> list[int]:
        """The papers that the stages add to an empty list, one stage after the other.

        `may_repeat`: papers of labs that the subscriber follows.
        """
        best = filled(stages)
        if not self._repeats(best):  # then no penalty would change the list
            return best
        growing = _GrowingList(self, may_repeat)
        for candidates, until in stages:
            growing.add(candidates, until)
        return list(growing.chosen)

    def in_order(self, scored: Sequence[tuple[int, int]], may_repeat: PaperSet) -> list[tuple[int, Penalties]]:
        """All of `scored` (score, paper), best first, with their penalties. Ties keep their order."""
        papers = [paper for _score, paper in scored]
        if not self._repeats(papers):
            return [(paper, NO_PENALTIES) for paper in papers]
        growing = _GrowingList(self, may_repeat)
        growing.add(scored, len(scored))
        return list(growing.chosen.items())

    def _repeats(self, papers: Sequence[int]) -> bool:
        """True if two are near duplicates, or too many are from one lab."""
        chosen, alike = set(papers), self.alike
        for paper in papers:
            twins = alike(paper)
            if twins and not twins.isdisjoint(chosen):
                return True
        labs = [lab for paper in papers if (lab := self.labs[paper])]
        return len(labs) > _LAB_FREE and max(Counter(labs).values()) > _LAB_FREE

    def _find_alike(self, paper: int) -> frozenset[int]:
        """Two such titles share most rare words, so at least one of the rarest."""
        mine = self._words[paper]
        if len(mine) < _FEWEST_WORDS:
            return frozenset()
        with_word = self._with_word
        rarest = sorted(mine, key=lambda word: (len(with_word[word]), word))
        rarest = rarest[: len(mine) - math.ceil(_ALIKE * len(mine)) + 1]
        others = {other for word in rarest for other in with_word[word]} - {paper}
        return frozenset(
            other for other in others if len(mine & self._words[other]) >= _ALIKE * len(mine | self._words[other])
        )

    @cached_property
    def _words(self) -> list[Set[str]]:
        titles = [frozenset(re.findall(r"\w+", paper.title.casefold())) for paper in self._papers]
        usual = Counter(word for words in titles for word in words)
        rare = {word for word, count in usual.items() if count <= max(_RARE, len(titles) // 10)}
        return [words & rare for words in titles]

    @cached_property
    def _with_word(self) -> Mapping[str, list[int]]:
        """The papers with each rare word."""
        papers: dict[str, list[int]] = {}
        for paper, words in enumerate(self._words):
            for word in words:
                papers.setdefault(word, []).append(paper)
        return papers


class _GrowingList:
    """Chosen papers and their penalties; each choice lowers what repeats it."""

    def __init__(self, diversity: Diversity, may_repeat: PaperSet) -> None:
        self._diversity = diversity
        self._may_repeat = may_repeat
        self._twins: set[int] = set()
        self._labs: Counter[str] = Counter()
        self.chosen: dict[int, Penalties] = {}

    def add(self, candidates: Sequence[tuple[int, int]], until: int) -> None:
        """Add the best of the candidates (score, paper) until the list has so many."""
        left = {paper: score for score, paper in candidates if paper not in self.chosen}
        while left and len(self.chosen) < until:
            costs = {paper: self._penalties(paper) for paper in left}
            paper = max(left, key=lambda paper: left[paper] - sum(costs[paper]))
            del left[paper]
            self.chosen[paper] = costs[paper]
            self._twins |= self._diversity.alike(paper)
            self._labs[self._diversity.labs[paper]] += 1

    def _penalties(self, paper: int) -> Penalties:
        diversity, lab = self._diversity, self._diversity.labs[paper]
        twin = diversity.duplicate if paper in self._twins else 0
        counts = lab and not self._may_repeat >> paper & 1
        same = min(max(self._labs[lab] + 1 - _LAB_FREE, 0), _LAB_MOST) if counts else 0
        return Penalties(twin, same * diversity.step)
