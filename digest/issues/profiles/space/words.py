"""Texts → bags of words, weighted as search engines weigh them."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from digest.issues.profiles.space.arrays import NOTHING, Matrix, Sparse

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_SATURATION, _LENGTH = 1.2, 0.75  # BM25's k1 and b, as search engines ship them
_RAREST = 2  # papers: a rarer word says nothing about similarity
_WIDEST = 0.25  # of all papers: words in more of them are "the", "we", "model"
_FEW = 10  # papers that any word may be in, so that small collections keep their words


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """The telling words of a fit's papers, and the figures of those papers that BM25 needs."""

    columns: dict[str, int]  # word → column
    rarity: Matrix  # of each word
    mean_length: float  # words of a paper, counting only those in `columns`

    def rows(self, texts: Iterable[str]) -> Sparse:
        """Return the weights of the words of each text, as rows of length 1."""
        return self.weigh(_count(texts, dict(self.columns), grow=False))

    def weigh(self, counts: Sparse) -> Sparse:
        """Weight words as Lucene computes them (Robertson and Zaragoza 2009, §3), and scale rows to length 1."""
        lengths = counts.sum(axis=1)
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * lengths / max(self.mean_length, 1))
        weights = np.repeat(norm.astype(np.float32), np.diff(counts.indptr))
        weights += counts.data
        np.divide(counts.data, weights, out=weights)  # in place: here a fit needs most memory
        weights *= self.rarity[counts.indices]
        weights *= _SATURATION + 1
        weighted = sparse.csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)
        lengths = np.sqrt((weighted**2).sum(axis=1))
        weighted.data /= np.repeat(np.maximum(lengths, NOTHING), np.diff(counts.indptr))
        return weighted


def read_words(texts: Iterable[str]) -> tuple[Lexicon, Sparse]:
    """Return the telling words of these texts, and the weights of each text's words."""
    columns: dict[str, int] = {}
    counts = _count(texts, columns, grow=True)
    papers = counts.shape[0]
    spread = np.bincount(counts.indices, minlength=len(columns))
    telling = np.flatnonzero((spread >= _RAREST) & (spread <= max(_WIDEST * papers, _FEW)))
    words = tuple(columns)
    counts, spread = counts[:, telling].tocsr(), spread[telling]
    counts.sort_indices()
    rarity = np.log1p((papers - spread + 0.5) / (spread + 0.5)).astype(np.float32)
    length = float(counts.sum() / papers) if papers else 0.0
    lexicon = Lexicon({words[number]: column for column, number in enumerate(telling)}, rarity, length)
    return lexicon, lexicon.weigh(counts)


def words_of(text: str) -> list[str]:
    """Return the words of a text, without case: letters and digits, with hyphens and apostrophes inside them."""
    return _WORD.findall(text.casefold())


def _count(texts: Iterable[str], columns: dict[str, int], *, grow: bool) -> Sparse:
    """Return how often each word is in each text. Words without a column get one, or are left out."""
    numbers, times, ends = array("i"), array("f"), array("i", [0])
    for text in texts:
        counted = Counter(words_of(text))
        if not grow:
            counted = Counter({word: count for word, count in counted.items() if word in columns})
        numbers.extend(columns.setdefault(word, len(columns)) for word in counted)
        times.extend(counted.values())
        ends.append(len(numbers))
    parts = np.asarray(times), np.asarray(numbers), np.asarray(ends)  # in the memory of the lists
    counts = sparse.csr_array(parts, shape=(len(ends) - 1, len(columns)))
    counts.sort_indices()
    return counts
