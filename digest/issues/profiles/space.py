"""A space of papers: near each other lie papers about the same things, by their words alone.

Comes in: texts. Goes out: a vector for each paper, and how near papers are to what a reader leans to. Touches nothing;
the same texts give the same numbers on the same machine. Import it only where a reader has said something: it brings
numpy and scipy with it. docs/interests.md tells the method in plain words, and what was measured.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix = NDArray[np.float32]
Sparse = Any  # scipy.sparse.csr_array of float32; scipy carries no types
Leaning = Mapping[str, float]  # paper id → its weight in a profile; below 0 for what the reader wants less of

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_SATURATION, _LENGTH = 1.2, 0.75  # BM25's k1 and b, as search engines ship them
_RAREST = 2  # a word of a single paper says nothing about its likeness to another
_WIDEST = 0.25  # of all papers: words that stand in more of them are "the", "we", "model"
_FEW = 10  # papers that a word may always stand in: small collections keep their words
_DIMENSIONS = 320
_KIN = 10
_PULL = 4.0  # what a paper's kin weigh in its place, against 1 for its own words
_ROUNDS = 4  # of subspace iteration; more of them change nothing
_SEED = 4
_CELLS = 1_000_000  # of the largest dense block while fitting: 4 MB
_NOTHING = 1e-6  # a vector shorter than this, beside vectors of length 1, is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """What was fitted. Papers are rows, in the order of `rows`."""

    rows: dict[str, int]  # paper id → row
    vectors: Matrix  # papers × dimensions, of length 1; of length 0 where a text has no word in common with another
    words: Sparse  # papers × vocabulary, of length 1
    vocabulary: tuple[str, ...]
    kin: Sparse  # papers × papers

    @property
    def nbytes(self) -> int:
        """What its numbers take in memory, without ids and words."""
        tables = [array for table in (self.words, self.kin) for array in (table.data, table.indices, table.indptr)]
        return int(self.vectors.nbytes + sum(array.nbytes for array in tables))

    def likeness(self, leanings: Sequence[Leaning], pools: Iterable[Sequence[str]]) -> list[list[float]]:
        """For each leaning and the pool of papers beside it: the cosine of each paper with the profile, -1 to 1.

        0 for papers that the space does not hold, and for a profile that holds none of its papers. A pool that is the
        same object as the one before it is looked up once.
        """
        profiles = _unit(self._mixture(leanings) @ self.vectors)
        found, last, vectors = [], None, self.vectors[:0]
        for profile, pool in zip(profiles, pools, strict=True):
            if pool is not last:
                last, vectors = pool, self._vectors_of(pool)
            found.append((vectors @ profile).tolist())
        return found

    def strongest_words(self, leaning: Leaning, count: int) -> list[str]:
        """The words that weigh most in the papers of a profile and in their kin, strongest first."""
        mixture = self._mixture([leaning])
        weights = ((mixture + _PULL * (mixture @ self.kin)) @ self.words).toarray()[0]
        strongest = np.argsort(-weights, kind="stable")[:count]
        return [self.vocabulary[word] for word in strongest if weights[word] > _NOTHING]

    def _mixture(self, leanings: Sequence[Leaning]) -> Sparse:
        """Profiles × papers."""
        known = [
            [(self.rows[paper], weight) for paper, weight in one.items() if paper in self.rows] for one in leanings
        ]
        ends = np.cumsum([0, *map(len, known)])
        papers = np.array([row for one in known for row, _ in one], np.int32)
        weights = np.array([weight for one in known for _, weight in one], np.float32)
        return sparse.csr_array((weights, papers, ends), shape=(len(leanings), len(self.rows)))

    def _vectors_of(self, pool: Sequence[str]) -> Matrix:
        rows = np.array([self.rows.get(paper, -1) for paper in pool], np.int32)
        vectors = self.vectors[rows] if len(self.rows) else np.zeros((len(rows), 0), np.float32)
        vectors[rows < 0] = 0
        return vectors


def fit(texts: Mapping[str, str]) -> Space:
    """The space of these papers: id → text, in any order. Some thousand papers take seconds (docs/interests.md)."""
    ids = sorted(texts)
    vocabulary, counts = _count(texts[paper] for paper in ids)
    words = _unit_rows(_bm25(counts))
    kin = _find_kin(words)
    places = _unit(_principal(words))
    vectors = _unit(places + _PULL * (kin @ places))
    return Space({paper: row for row, paper in enumerate(ids)}, vectors, words, vocabulary, kin)


def words_of(text: str) -> list[str]:
    """The words of a text, without case: letters and digits, with the hyphens and apostrophes inside them."""
    return _WORD.findall(text.casefold())


def _count(texts: Iterable[str]) -> tuple[tuple[str, ...], Sparse]:
    """The words that say something, and how often each stands in each text."""
    numbers: dict[str, int] = {}
    columns, times, ends = array("i"), array("f"), array("i", [0])
    for text in texts:
        counted = Counter(words_of(text))
        columns.extend(numbers.setdefault(word, len(numbers)) for word in counted)
        times.extend(counted.values())
        ends.append(len(columns))
    papers = len(ends) - 1
    parts = np.array(times, np.float32), np.array(columns, np.int32), np.array(ends, np.int32)
    counts = sparse.csr_array(parts, shape=(papers, len(numbers)))
    spread = np.bincount(counts.indices, minlength=len(numbers))
    telling = np.flatnonzero((spread >= _RAREST) & (spread <= max(_WIDEST * papers, _FEW)))
    words = tuple(numbers)
    return tuple(words[number] for number in telling), counts[:, telling]


def _bm25(counts: Sparse) -> Sparse:
    """Weights of words as Lucene computes them (Robertson and Zaragoza 2009, §3)."""
    papers, lengths = counts.shape[0], counts.sum(axis=1)
    spread = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log1p((papers - spread + 0.5) / (spread + 0.5))
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * lengths / max(lengths.mean(), 1)) if papers else lengths
    times = counts.data
    saturated = times * (_SATURATION + 1) / (times + np.repeat(norm, np.diff(counts.indptr)))
    weights = (saturated * rarity[counts.indices]).astype(np.float32)
    return sparse.csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)


def _find_kin(words: Sparse) -> Sparse:
    """The graph of nearest neighbours by shared words: symmetric, and scaled so that a paper which is everybody's
    neighbour pulls little on each (D^-½ A D^-½; Zhou et al. 2003, Learning with Local and Global Consistency).
    """
    papers = words.shape[0]
    count = min(_KIN, papers - 1)
    if count < 1:
        return sparse.csr_array((papers, papers), dtype=np.float32)
    step = max(_CELLS // papers, 1)
    by_word = words.T.tocsr()
    blocks = [_nearest(words[start : start + step] @ by_word, start, count) for start in range(0, papers, step)]
    nearest, near = zip(*blocks, strict=True)
    ends = np.arange(0, papers * count + 1, count)
    graph = sparse.csr_array((np.concatenate(near), np.concatenate(nearest), ends), shape=(papers, papers))
    graph = graph.maximum(graph.T).tocsr()
    degree = np.maximum(graph.sum(axis=1), _NOTHING) ** -0.5
    scale = sparse.diags_array(degree.astype(np.float32))
    return (scale @ graph @ scale).tocsr()


def _nearest(block: Sparse, start: int, count: int) -> tuple[NDArray[np.int32], Matrix]:
    """The neighbours of some papers, and how near they are, one after the other; themselves left out."""
    cosines = block.toarray()
    own = np.arange(len(cosines))
    cosines[own, start + own] = -1
    nearest = np.argpartition(cosines, -count, axis=1)[:, -count:]
    return nearest.ravel().astype(np.int32), np.take_along_axis(cosines, nearest, axis=1).ravel()


def _principal(words: Sparse) -> Matrix:
    """The papers in the dimensions in which they differ most: a truncated singular value decomposition (latent
    semantic analysis), by subspace iteration from a fixed seed (Halko, Martinsson and Tropp 2011, algorithm 4.4).
    """
    papers = words.shape[0]
    wanted = min(_DIMENSIONS, papers)
    width = min(wanted + 20, papers)
    basis = np.random.default_rng(_SEED).standard_normal((papers, width), dtype=np.float32)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(_covary(words, basis))[0]
    strengths, turn = np.linalg.eigh(basis.T @ _covary(words, basis))
    best = slice(None, -wanted - 1, -1)  # eigh sorts upwards
    places: Matrix = (basis @ turn[:, best]) * np.sqrt(np.maximum(strengths[best], 0))
    return places


def _covary(words: Sparse, basis: Matrix) -> Matrix:
    """words · wordsᵀ · basis, a few columns at a time: the vocabulary is far longer than the list of papers."""
    step = max(_CELLS // max(words.shape[1], 1), 1)
    parts = [words @ (words.T @ basis[:, start : start + step]) for start in range(0, basis.shape[1], step)]
    return np.hstack(parts) if parts else basis


def _unit_rows(weights: Sparse) -> Sparse:
    lengths = np.sqrt(weights.multiply(weights).sum(axis=1))
    return (sparse.diags_array((1 / np.maximum(lengths, _NOTHING)).astype(np.float32)) @ weights).tocsr()


def _unit(vectors: Matrix) -> Matrix:
    """Rows of length 1; those of no length stay 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths <= _NOTHING] = np.inf
    scaled: Matrix = vectors / lengths
    return scaled
