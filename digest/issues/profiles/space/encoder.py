"""A word encoder that teaches itself: a vector for each word, so that two halves of one paper find each other.

The words of each paper are split at random into two halves. A half's vector is the sum of its words' vectors, scaled to
length 1. Among the papers of a batch the halves of one paper shall be nearest: InfoNCE in both directions (van den Oord
et al. 2018, Representation Learning with Contrastive Predictive Coding).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from digest.issues.profiles.space.arrays import NOTHING, Matrix, Sparse

_BATCH = 512  # papers
_TEMPERATURE = 0.1
_STEP, _DECAY = 0.06, 0.99  # Adam (Kingma and Ba 2015), without momentum and with a scale for each word
_QUIET = 1e-8


def teach(words: Sparse, start: Matrix, epochs: int, seed: int) -> Matrix:
    """Return the vectors of the words, from those to start with and in their memory."""
    random = np.random.default_rng(seed)
    vectors, energy = start, np.zeros(len(start), np.float32)
    papers, step = words.shape[0], 0
    for _ in range(epochs):
        order = random.permutation(papers)
        for first in range(0, papers - 1, _BATCH):
            step += 1
            batch = words[np.sort(order[first : first + _BATCH])]
            seen, slope = _slope(batch, random.random(batch.nnz) < 0.5, vectors)
            energy[seen] *= _DECAY
            energy[seen] += (1 - _DECAY) * (slope**2).mean(axis=1)
            rate = _STEP * np.sqrt(1 - _DECAY**step)
            vectors[seen] -= slope * (rate / (np.sqrt(energy[seen]) + _QUIET))[:, None]
    return vectors


def _slope(batch: Sparse, side: NDArray[np.bool_], vectors: Matrix) -> tuple[NDArray[np.int32], Matrix]:
    """Return the words of a batch and the derivative of its loss by their vectors."""
    seen, columns = np.unique(batch.indices, return_inverse=True)
    parts = [
        sparse.csr_array((batch.data * half, columns, batch.indptr), shape=(batch.shape[0], len(seen)))
        for half in (side, ~side)
    ]
    sums = [part @ vectors[seen] for part in parts]
    lengths = [np.maximum(np.linalg.norm(half, axis=1, keepdims=True), NOTHING) for half in sums]
    left, right = (half / length for half, length in zip(sums, lengths, strict=True))
    slope = _loss_slope(left @ right.T / _TEMPERATURE)
    total = np.zeros((len(seen), vectors.shape[1]), np.float32)
    for part, half, length, pull in zip(parts, (left, right), lengths, (slope @ right, slope.T @ left), strict=True):
        across = pull - np.einsum("ij,ij->i", pull, half)[:, None] * half
        total += part.T @ (across / length)
    return seen, total


def _loss_slope(logits: Matrix) -> Matrix:
    """Return the derivative of the loss by the products of the halves."""
    rows = np.exp(logits - logits.max(axis=1, keepdims=True))
    columns = np.exp(logits - logits.max(axis=0, keepdims=True))
    slope = rows / rows.sum(axis=1, keepdims=True) + columns / columns.sum(axis=0, keepdims=True)
    slope[np.diag_indices(len(slope))] -= 2
    slope /= 2 * len(slope) * _TEMPERATURE
    return np.asarray(slope, np.float32)
