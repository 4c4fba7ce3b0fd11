"""The graph of nearest neighbours by shared words, and where a paper outside of it would be attached."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from digest.issues.profiles.space.arrays import NOTHING, Matrix, Sparse, blocks

_NEIGHBOURS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Figures of the papers of a fit by which a new paper finds its neighbours among them."""

    reach: Matrix  # a paper's similarity with its last neighbour: whatever is nearer would be a neighbour
    degree: Matrix  # the sum of a paper's similarities with its neighbours, on either side

    def edges(self, similarities: Sparse, own: Sequence[int]) -> Sparse:
        """Return new papers × papers of the fit: the weights of the neighbours that the graph would give them. `own`
        has the row of each paper that is in the fit itself, and -1 for others.
        """
        ends = similarities.indptr
        rows = [
            self._edges_of(similarities.indices[start:end], similarities.data[start:end], itself)
            for start, end, itself in zip(ends, ends[1:], own, strict=False)
        ]
        papers = np.concatenate([papers for papers, _ in rows] or [np.zeros(0, np.int32)])
        weights = np.concatenate([weights for _, weights in rows] or [np.zeros(0, np.float32)])
        ends = np.cumsum([0, *(len(papers) for papers, _ in rows)])
        return sparse.csr_array((weights, papers, ends), shape=similarities.shape)

    def _edges_of(self, papers: NDArray[np.int32], near: Matrix, itself: int) -> tuple[NDArray[np.int32], Matrix]:
        others = papers != itself
        papers, near = papers[others], near[others]
        chosen = near >= np.maximum(self.reach[papers], NOTHING)
        count = min(_NEIGHBOURS, len(papers))
        if count:
            chosen[np.argpartition(near, -count)[-count:]] = True
        papers, near = papers[chosen], near[chosen]
        return papers, near * np.maximum(near.sum() * self.degree[papers], NOTHING) ** -0.5


def find_neighbours(words: Sparse) -> tuple[Sparse, Neighbourhood]:
    """Return the symmetric graph of nearest neighbours by shared words. It is scaled so that a paper with many
    neighbours pulls little on each (D^-½ A D^-½; Zhou et al. 2003, Learning with Local and Global Consistency).
    """
    papers = words.shape[0]
    count = min(_NEIGHBOURS, papers - 1)
    if count < 1:
        nothing = np.ones(papers, np.float32)
        return sparse.csr_array((papers, papers), dtype=np.float32), Neighbourhood(nothing, nothing)
    by_word = words.T.tocsr()
    edges = [_nearest(words[rows] @ by_word, rows.start, count) for rows in blocks(papers, papers)]
    nearest, near = (np.concatenate(parts) for parts in zip(*edges, strict=True))
    ends = np.arange(0, papers * count + 1, count)
    graph = sparse.csr_array((near, nearest, ends), shape=(papers, papers))
    graph = graph.maximum(graph.T).tocsr()
    degree = np.maximum(graph.sum(axis=1), NOTHING).astype(np.float32)
    scale = sparse.diags_array(degree**-0.5)
    reach = near.reshape(papers, count).min(axis=1)
    return (scale @ graph @ scale).tocsr(), Neighbourhood(reach, degree)


def _nearest(block: Sparse, start: int, count: int) -> tuple[NDArray[np.int32], Matrix]:
    """Return the neighbours of some papers, without themselves, and their similarities, as two flat arrays."""
    cosines = block.toarray()
    own = np.arange(len(cosines))
    cosines[own, start + own] = -1
    nearest = np.argpartition(cosines, -count, axis=1)[:, -count:]
    return nearest.ravel().astype(np.int32), np.take_along_axis(cosines, nearest, axis=1).ravel()
