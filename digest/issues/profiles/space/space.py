"""A space of papers in which papers about the same subject are close, by their words alone. Pure.

The same texts give the same numbers on the same machine. It brings scipy: never import it in a delivery worker.
docs/interests.md explains the method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from digest.issues.profiles.space.arrays import NOTHING, Halved, Matrix, Sparse, blocks, scale_rows
from digest.issues.profiles.space.neighbours import Neighbourhood
from digest.issues.profiles.space.words import Lexicon

PULL = 1.0  # weight of a paper's neighbours in its vector, against 1 for its own words
_AT_ONCE = 50  # papers that are placed together


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A fitted space. Papers are rows, in the order of `rows`."""

    rows: dict[str, int]  # paper id → row
    # Papers × dimensions, no rows once stored. Of length 0 without a word in common with another text.
    vectors: Halved | Matrix
    spectrum: Matrix  # the variance of the papers in each dimension, largest first
    lexicon: Lexicon
    words: Sparse  # papers × lexicon, of length 1
    neighbourhood: Neighbourhood
    positions: Halved  # papers × the dimensions of the decomposition
    strengths: Matrix  # the squares of its singular values
    encoder: Matrix  # lexicon × the dimensions of the encoder; without columns where papers are few
    mean: Matrix  # of the vectors before they were centred and turned
    turn: Matrix  # dimensions before × after turning

    @property
    def nbytes(self) -> int:
        """Return the memory of its numbers, without ids and words."""
        tables = (self.vectors, self.positions, self.encoder, self.turn)
        return int(sum(table.nbytes for table in (*tables, self.words.data, self.words.indices)))

    def vectors_of(self, papers: Sequence[str]) -> Matrix:
        """Return the vectors of these papers; of length 0 for papers that are not in the fit."""
        rows = np.array([self.rows.get(paper, -1) for paper in papers], np.int32)
        known = self.vectors[rows] if len(self.rows) else np.zeros((len(rows), 0))
        vectors: Matrix = known.astype(np.float32, copy=False)
        vectors[rows < 0] = 0
        return vectors

    def place(self, texts: Mapping[str, str]) -> Matrix:
        """Return the vectors of these papers (id → title, abstract and keywords), in their order, as the fit would
        give them: a paper of the fit gets nearly its own. A text without a word of the space gets length 0.
        """
        ids = list(texts)
        placed = np.zeros((len(ids), self.vectors.shape[1]), np.float32)
        by_word = self.words.T.tocsr()
        for start in range(0, len(ids) if self.rows else 0, _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            words = self.lexicon.rows(texts[paper] for paper in some)
            placed[start : start + _AT_ONCE] = self._place(some, words, words @ by_word)
        return placed

    def _place(self, ids: list[str], words: Sparse, similarities: Sparse) -> Matrix:
        """Place papers as the fit did. Their position in the decomposition follows from their similarities with the
        papers of the fit (the Nyström method; Williams and Seeger 2001), so that words need no position of their own.
        """
        own = join(self._positions(similarities), words @ self.encoder)
        edges = self._edges(ids, similarities)
        seen, columns = np.unique(edges.indices, return_inverse=True)
        near = join(self.positions[seen], self.words[seen] @ self.encoder)
        parts = edges.data, columns.astype(np.int32), edges.indptr
        pull = sparse.csr_array(parts, shape=(len(ids), len(seen))) @ near
        placed: Matrix = np.asarray((scale_rows(own + PULL * pull) - self.mean) @ self.turn, np.float32)
        placed[np.diff(words.indptr) == 0] = 0
        return placed

    def _positions(self, similarities: Sparse) -> Matrix:
        parts = [
            similarities @ (self.positions[:, some] / np.maximum(self.strengths[some], NOTHING))
            for some in blocks(len(self.strengths), len(self.rows))
        ]
        return np.hstack(parts) if parts else np.zeros((similarities.shape[0], 0), np.float32)

    def _edges(self, ids: list[str], similarities: Sparse) -> Sparse:
        return self.neighbourhood.edges(similarities, [self.rows.get(paper, -1) for paper in ids])


def join(positions: Matrix | Halved, encoded: Matrix) -> Matrix:
    """Return both vectors of each paper as one, each with the same weight."""
    split = positions.shape[1]
    joined = np.empty((len(positions), split + encoded.shape[1]), np.float32)
    joined[:, :split], joined[:, split:] = positions, encoded
    scale_rows(joined[:, :split])
    scale_rows(joined[:, split:])
    return scale_rows(joined)
