"""Texts of papers → a space. Some thousand papers take seconds. docs/interests.md has the steps."""

from collections.abc import Mapping

import numpy as np

from digest.issues.profiles.space.arrays import NOTHING, Halved, Matrix, Sparse, blocks, scale_rows
from digest.issues.profiles.space.decomposition import decompose, multiply_rows
from digest.issues.profiles.space.encoder import teach
from digest.issues.profiles.space.neighbours import find_neighbours
from digest.issues.profiles.space.space import PULL, Space, join
from digest.issues.profiles.space.words import read_words

_DECOMPOSED = 512  # dimensions
_WEAK = 16.0  # strength of a dimension that counts half; the weaker ones of a small archive are chance
_ENCODED = 128  # dimensions
_KEPT = 448  # dimensions after turning
_ENCODED_FROM = 5_000  # papers: with fewer the encoder does not help
_EPOCHS, _LESSONS = 12, 150_000  # of the encoder: at least so many epochs, and papers seen in all of them
_SEED = 4


def fit(texts: Mapping[str, str]) -> Space:
    """Fit the space of these papers: id → text, in any order."""
    ids = sorted(texts)
    lexicon, words = read_words(texts[paper] for paper in ids)
    positions, strengths = decompose(words, _DECOMPOSED, _SEED)
    start = _word_vectors(words, positions, strengths)
    positions *= strengths / (strengths + _WEAK)
    halved = positions.astype(np.float16)
    del positions  # a third of the memory that a fit needs
    encoder = teach(words, start, max(_EPOCHS, _LESSONS // max(len(ids), 1)), _SEED) if start.size else start
    graph, neighbourhood = find_neighbours(words)
    vectors = _pulled(halved, words, encoder, graph)
    spectrum, mean, turn = _turn(vectors)
    vectors[np.diff(words.indptr) == 0] = 0
    rows = {paper: row for row, paper in enumerate(ids)}
    return Space(rows, vectors, spectrum, lexicon, words, neighbourhood, halved, strengths, encoder, mean, turn)


def _word_vectors(words: Sparse, positions: Matrix, strengths: Matrix) -> Matrix:
    """Return the words' vectors in the decomposition, from which the encoder starts; without columns for few papers."""
    if len(positions) < _ENCODED_FROM:
        return np.zeros((words.shape[1], 0), np.float32)
    start: Matrix = words.T @ (positions[:, :_ENCODED] / np.maximum(strengths[:_ENCODED], NOTHING))
    start *= 0.05 / max(start.std(), NOTHING)
    return start


def _pulled(halved: Halved, words: Sparse, encoder: Matrix, graph: Sparse) -> Halved:
    """Return the vectors of the papers, pulled towards their neighbours and scaled to length 1."""
    vectors = np.empty((len(halved), halved.shape[1] + encoder.shape[1]), np.float16)
    for some in blocks(*vectors.shape):
        vectors[some] = join(halved[some], words[some] @ encoder)
    for columns in blocks(vectors.shape[1], len(vectors)):
        own = np.ascontiguousarray(vectors[:, columns], np.float32)
        vectors[:, columns] = own + PULL * (graph @ own)
    for some in blocks(*vectors.shape):
        vectors[some] = scale_rows(vectors[some].astype(np.float32))
    return vectors


def _turn(vectors: Halved) -> tuple[Matrix, Matrix, Matrix]:
    """Turn the vectors onto the eigenvectors of their covariance, and return its eigenvalues, the mean that was taken
    off and the turn. The last dimensions hold next to nothing and are left out.
    """
    mean = (vectors.sum(axis=0, dtype=np.float64) / max(len(vectors), 1)).astype(np.float32)
    spread = np.zeros((vectors.shape[1], vectors.shape[1]))
    for rows in blocks(*vectors.shape):
        centred = vectors[rows] - mean
        spread += centred.T @ centred
    spectrum, turn = np.linalg.eigh(spread / max(len(vectors), 1))
    spectrum, turn = spectrum[::-1][:_KEPT], turn[:, ::-1][:, :_KEPT]
    kept = spectrum > NOTHING * spectrum[:1].sum()
    turn = np.ascontiguousarray(turn[:, kept], np.float32)
    multiply_rows(vectors, turn, mean)
    return spectrum[kept].astype(np.float32), mean, turn
