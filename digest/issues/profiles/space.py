"""A space of papers in which papers about the same subject are close, by their words alone. Pure.

The same texts give the same numbers on the same machine. Import it only where there is feedback: it brings numpy and
scipy. docs/interests.md explains the method and has the measurements.
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
ProfileWeights = Mapping[str, float]  # paper id → its weight in a profile; below 0 for disliked papers

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_SATURATION, _LENGTH = 1.2, 0.75  # BM25's k1 and b, as search engines ship them
_RAREST = 2  # papers: a rarer word says nothing about similarity
_WIDEST = 0.25  # of all papers: words in more of them are "the", "we", "model"
_FEW = 10  # papers that any word may be in, so that small collections keep their words
_DIMENSIONS = 320
_NEIGHBOURS = 10
_PULL = 4.0  # weight of a paper's neighbours in its vector, against 1 for its own words
_ROUNDS = 4  # of subspace iteration; more of them change nothing
_SEED = 4
_CELLS = 1_000_000  # of the largest dense block while fitting: 4 MB
_NOTHING = 1e-6  # vectors shorter than this are rounding errors


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A fitted space. Papers are rows, in the order of `rows`."""

    rows: dict[str, int]  # paper id → row
    vectors: Matrix  # papers × dimensions, of length 1; of length 0 where a text has no word in common with another
    words: Sparse  # papers × vocabulary, of length 1
    vocabulary: tuple[str, ...]
    neighbours: Sparse  # papers × papers

    @property
    def nbytes(self) -> int:
        """Return the memory of its numbers, without ids and words."""
        tables = [
            array for table in (self.words, self.neighbours) for array in (table.data, table.indices, table.indptr)
        ]
        return int(self.vectors.nbytes + sum(array.nbytes for array in tables))

    def similarities(self, profiles: Sequence[ProfileWeights], pools: Iterable[Sequence[str]]) -> list[list[float]]:
        """Return the cosine of each paper of a pool with its profile, -1 to 1, for each profile and pool.

        It is 0 for papers outside the space and for profiles without papers. A pool that is the same object as the one
        before it is looked up once.
        """
        directions = _unit(self._mixture(profiles) @ self.vectors)
        cosines, last, vectors = [], None, self.vectors[:0]
        for direction, pool in zip(directions, pools, strict=True):
            if pool is not last:
                last, vectors = pool, self._vectors_of(pool)
            cosines.append((vectors @ direction).tolist())
        return cosines

    def strongest_words(self, profile: ProfileWeights, count: int) -> list[str]:
        """Return the words that weigh most in a profile's papers and their neighbours, strongest first."""
        mixture = self._mixture([profile])
        weights = ((mixture + _PULL * (mixture @ self.neighbours)) @ self.words).toarray()[0]
        strongest = np.argsort(-weights, kind="stable")[:count]
        return [self.vocabulary[word] for word in strongest if weights[word] > _NOTHING]

    def _mixture(self, profiles: Sequence[ProfileWeights]) -> Sparse:
        """Return profiles × papers."""
        placed = [
            [(self.rows[paper], weight) for paper, weight in weighted.items() if paper in self.rows]
            for weighted in profiles
        ]
        ends = np.cumsum([0, *map(len, placed)])
        papers = np.array([row for weighted in placed for row, _ in weighted], np.int32)
        weights = np.array([weight for weighted in placed for _, weight in weighted], np.float32)
        return sparse.csr_array((weights, papers, ends), shape=(len(profiles), len(self.rows)))

    def _vectors_of(self, pool: Sequence[str]) -> Matrix:
        rows = np.array([self.rows.get(paper, -1) for paper in pool], np.int32)
        vectors = self.vectors[rows] if len(self.rows) else np.zeros((len(rows), 0), np.float32)
        vectors[rows < 0] = 0
        return vectors


def fit(texts: Mapping[str, str]) -> Space:
    """Fit the space of these papers: id → text, in any order. Some thousand papers take seconds (docs/interests.md)."""
    ids = sorted(texts)
    vocabulary, counts = _count(texts[paper] for paper in ids)
    words = _unit_rows(_bm25(counts))
    neighbours = _find_neighbours(words)
    positions = _unit(_principal(words))
    vectors = _unit(positions + _PULL * (neighbours @ positions))
    return Space({paper: row for row, paper in enumerate(ids)}, vectors, words, vocabulary, neighbours)


def words_of(text: str) -> list[str]:
    """Return the words of a text, without case: letters and digits, with hyphens and apostrophes inside them."""
    return _WORD.findall(text.casefold())


def _count(texts: Iterable[str]) -> tuple[tuple[str, ...], Sparse]:
    """Return the telling words, and how often each is in each text."""
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
    """Weight words as Lucene computes them (Robertson and Zaragoza 2009, §3)."""
    papers, lengths = counts.shape[0], counts.sum(axis=1)
    spread = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log1p((papers - spread + 0.5) / (spread + 0.5))
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * lengths / max(lengths.mean(), 1)) if papers else lengths
    times = counts.data
    saturated = times * (_SATURATION + 1) / (times + np.repeat(norm, np.diff(counts.indptr)))
    weights = (saturated * rarity[counts.indices]).astype(np.float32)
    return sparse.csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)


def _find_neighbours(words: Sparse) -> Sparse:
    """Return the symmetric graph of nearest neighbours by shared words. It is scaled so that a paper with many
    neighbours pulls little on each (D^-½ A D^-½; Zhou et al. 2003, Learning with Local and Global Consistency).
    """
    papers = words.shape[0]
    count = min(_NEIGHBOURS, papers - 1)
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
    """Return the neighbours of some papers, without themselves, and their similarities, as two flat arrays."""
    cosines = block.toarray()
    own = np.arange(len(cosines))
    cosines[own, start + own] = -1
    nearest = np.argpartition(cosines, -count, axis=1)[:, -count:]
    return nearest.ravel().astype(np.int32), np.take_along_axis(cosines, nearest, axis=1).ravel()


def _principal(words: Sparse) -> Matrix:
    """Return the papers in the dimensions in which they differ most: a truncated singular value decomposition (latent
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
    positions: Matrix = (basis @ turn[:, best]) * np.sqrt(np.maximum(strengths[best], 0))
    return positions


def _covary(words: Sparse, basis: Matrix) -> Matrix:
    """Compute words · wordsᵀ · basis, a few columns at a time: the vocabulary is far longer than the list of papers."""
    step = max(_CELLS // max(words.shape[1], 1), 1)
    parts = [words @ (words.T @ basis[:, start : start + step]) for start in range(0, basis.shape[1], step)]
    return np.hstack(parts) if parts else basis


def _unit_rows(weights: Sparse) -> Sparse:
    lengths = np.sqrt(weights.multiply(weights).sum(axis=1))
    return (sparse.diags_array((1 / np.maximum(lengths, _NOTHING)).astype(np.float32)) @ weights).tocsr()


def _unit(vectors: Matrix) -> Matrix:
    """Scale rows to length 1; those of no length stay 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths <= _NOTHING] = np.inf
    scaled: Matrix = vectors / lengths
    return scaled
