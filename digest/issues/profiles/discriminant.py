"""Liked papers → weights whose product with a paper's vector says how much more it is like them than others are.

The weights are Fisher's linear discriminant between the liked papers and the background of all papers, shrunk more
where little is liked. numpy alone, so that delivery workers can use it. docs/interests.md explains the method.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digest.issues.profiles.profile import SCALE

Matrix = NDArray[np.float32]

LESS = 0.2  # what the discriminant of the disliked papers weighs against that of the liked ones
_BACKGROUND = 8  # liked papers count as much against the background as its mean variance this many times
_RIDGE = 0.3
_AT_ONCE = 100  # subscribers
_NOTHING = 1e-12


def discriminants(
    rated: Sequence[Matrix], freshness: Sequence[Matrix], spectrum: Matrix
) -> tuple[Matrix, list[Matrix]]:
    """Return each subscriber's weights, subscribers × dimensions, and the coefficients of their papers. `rated` has the
    vectors of a subscriber's papers, `freshness` how much each counts: above 0 for liked ones, below 0 for disliked.

    Over all papers the scores have mean 0 and standard deviation 1. Without papers the weights are 0.
    """
    weights = np.zeros((len(rated), len(spectrum)), np.float32)
    of_papers = [np.zeros(0, np.float32)] * len(rated)
    for some, vectors, fresh in _of_one_size(rated, freshness):
        coefficients, leaning = _solve(vectors, fresh, spectrum)
        weights[some] = _combine(coefficients, leaning)
        for subscriber, own in zip(some, coefficients, strict=True):
            of_papers[subscriber] = own
    return weights, of_papers


def affinity(scores: Matrix) -> Matrix:
    """Map scores in standard deviations to -1 to 1. 0 says nothing, 1 is as close as papers get."""
    mapped: Matrix = np.tanh(scores / SCALE)
    return mapped


def pack(vectors: NDArray[np.floating]) -> list[bytes]:
    """Write each vector as whole numbers from -127 to 127, after the float32 that they are multiples of."""
    vectors = vectors.astype(np.float32, copy=False)  # a step of half precision could make 128 of the largest
    step = (np.abs(vectors).max(axis=1, initial=0) / 127).astype("<f4")
    whole = np.rint(vectors / np.where(step > 0, step, 1)[:, None]).astype(np.int8)
    return [scale.tobytes() + row.tobytes() for scale, row in zip(step, whole, strict=True)]


def unpack(packed: Sequence[bytes]) -> Matrix:
    """Return the vectors of packed rows of one length."""
    rows = np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), -1)
    step = np.ascontiguousarray(rows[:, :4]).view("<f4")
    vectors: Matrix = rows[:, 4:].view(np.int8) * step
    return vectors


def _of_one_size(rated: Sequence[Matrix], freshness: Sequence[Matrix]) -> Iterator[tuple[list[int], Matrix, Matrix]]:
    """Yield subscribers who have rated the same number of papers, some at a time."""
    by_size = defaultdict(list)
    for subscriber, vectors in enumerate(rated):
        if len(vectors):
            by_size[len(vectors)].append(subscriber)
    for alike in by_size.values():
        for start in range(0, len(alike), _AT_ONCE):
            some = alike[start : start + _AT_ONCE]
            yield some, np.stack([rated[one] for one in some]), np.stack([freshness[one] for one in some])


def _solve(vectors: Matrix, freshness: Matrix, spectrum: Matrix) -> tuple[Matrix, Matrix]:
    """Return the coefficient of each rated paper, subscribers × papers, and the papers' vectors over the variance of
    the background: the weights are their sum.

    Coefficients solve a ridge regression, in which liked and disliked papers do not see each other.
    """
    liked = freshness > 0
    leaning = vectors / background(spectrum, liked.sum(axis=1)[:, None])[:, None]
    kernel = leaning @ vectors.transpose(0, 2, 1) * (liked[:, :, None] == liked[:, None])
    sides = (liked.astype(np.float32), (~liked).astype(np.float32))
    own, mean = np.einsum("sii->si", kernel), np.zeros_like(freshness)
    fresh = np.zeros_like(freshness)
    for side in sides:
        count = np.maximum(side.sum(axis=1, keepdims=True), 1)
        mean += side * (own * side).sum(axis=1, keepdims=True) / count
        fresh += side * (np.abs(freshness) * side).sum(axis=1, keepdims=True) / count
    system = _RIDGE * kernel / np.maximum(mean, _NOTHING)[:, :, None]
    diagonal = np.arange(vectors.shape[1])
    system[:, diagonal, diagonal] += fresh / np.maximum(np.abs(freshness), _NOTHING)
    solved = np.linalg.solve(system, np.ones((*freshness.shape, 1), np.float32))[:, :, 0]
    more, less = (side * solved * _per_deviation(side * solved, leaning, spectrum) for side in sides)
    coefficients = more - np.float32(LESS) * less
    return coefficients * _per_deviation(coefficients, leaning, spectrum), leaning


def background(spectrum: Matrix, liked: Any) -> Matrix:
    """Return the variance of the background in each dimension, and what it counts for against so many liked papers."""
    spread: Matrix = spectrum + spectrum.sum() / (_BACKGROUND * np.maximum(liked, 1))
    return np.maximum(spread, _NOTHING)


def _per_deviation(coefficients: Matrix, leaning: Matrix, spectrum: Matrix) -> Matrix:
    """Return one over the standard deviation of all papers' scores, subscribers × 1; 0 if they are all the same."""
    weights = _combine(coefficients, leaning)
    variance = (weights**2 * spectrum).sum(axis=1, keepdims=True)
    scale: Matrix = np.where(variance > _NOTHING, 1 / np.sqrt(np.maximum(variance, _NOTHING)), 0)
    return scale


def _combine(coefficients: Matrix, leaning: Matrix) -> Matrix:
    weights: Matrix = (coefficients[:, None] @ leaning)[:, 0]
    return weights
