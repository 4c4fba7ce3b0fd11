"""A paper → the words that set it apart from the others in the archive. Pure; the archive only counts them."""

import math
from collections import Counter
from collections.abc import Mapping

from digest.papers.paper import Paper
from digest.papers.search.tokenizer import STOP_WORDS, stem, words_of

MOST_WORDS = 20
_TITLE_COUNTS = 3  # times; what a paper is about stands in its title
_MOST_COUNTED = 4  # of one word: that a text repeats it more often says no more
_TOO_COMMON = 0.3  # of all papers
_RARE = 0.02  # of all papers; what is rarer tells no more, or the oddest word would decide alone
_STOPS = frozenset(map(stem, STOP_WORDS))


def words_in(paper: Paper) -> dict[str, float]:
    """How often each word stands in the paper, at most _MOST_COUNTED; a word of the title counts more."""
    counted = Counter(word.text for word in words_of(f"{paper.summary}\n{paper.abstract}\n{' '.join(paper.keywords)}"))
    for word in words_of(paper.title):
        counted[word.text] += _TITLE_COUNTS
    return {
        word: float(min(count, _MOST_COUNTED))
        for word, count in counted.items()
        if len(word) > 1 and word not in _STOPS and not word.isdecimal()
    }


def characteristic(counts: Mapping[str, float], papers_with: Mapping[str, int], papers: int) -> dict[str, float]:
    """The words of words_in() that tell the most, with their weights (tf-idf), heaviest first.

    `papers_with` says in how many of all `papers` a word stands. What stands in no other paper finds none.
    """
    weights = {
        word: count * math.log(papers / max(papers_with[word], _RARE * papers))
        for word, count in counts.items()
        if 1 < papers_with.get(word, 0) <= max(_TOO_COMMON * papers, 2)
    }
    heaviest = sorted(weights, key=lambda word: (-weights[word], word))[:MOST_WORDS]
    return {word: weights[word] for word in heaviest}
