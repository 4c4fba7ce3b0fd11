"""The dimensions in which papers differ most: a truncated singular value decomposition (latent semantic analysis)."""

import numpy as np

from digest.issues.profiles.space.arrays import NOTHING, Halved, Matrix, Sparse, blocks

_ROUNDS = 4  # of subspace iteration; more of them change nothing
_SPARE = 20  # dimensions that are computed and left out, because the last ones are inexact


def decompose(words: Sparse, dimensions: int, seed: int) -> tuple[Matrix, Matrix]:
    """Return the papers' left singular vectors and the squares of their singular values, largest first.

    It is subspace iteration from a fixed seed (Halko, Martinsson and Tropp 2011, algorithm 4.4). All of it happens in
    the memory of one matrix, papers × dimensions: each column of words · wordsᵀ · basis needs that column alone.
    """
    papers = words.shape[0]
    if not papers:
        return np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
    wanted = min(dimensions, papers)
    width = min(wanted + _SPARE, papers)
    basis = np.random.default_rng(seed).standard_normal((papers, width), dtype=np.float32)
    by_word = words.T  # as it is: rows of words would take as much memory again
    for _ in range(_ROUNDS):
        for columns in blocks(width, max(words.shape)):
            basis[:, columns] = words @ (by_word @ np.ascontiguousarray(basis[:, columns]))
        _orthogonalise(basis)
    inner = np.zeros((width, width), np.float32)
    for columns in blocks(width, max(words.shape)):
        inner[:, columns] = basis.T @ (words @ (by_word @ np.ascontiguousarray(basis[:, columns])))
    strengths, turn = np.linalg.eigh((inner + inner.T) / 2)
    best = slice(None, -wanted - 1, -1)  # eigh sorts upwards
    multiply_rows(basis, turn[:, best])
    return basis, np.maximum(strengths[best], 0)


def multiply_rows(vectors: Matrix | Halved, factor: Matrix, origin: Matrix | float = 0.0) -> None:
    """Replace vectors by (vectors - origin) · factor in their own memory, of which they give back what they no longer
    need.
    """
    rows, width = len(vectors), factor.shape[1]
    flat = vectors.reshape(-1)
    for some in blocks(*vectors.shape):
        moved = np.asarray(vectors[some] - origin, np.float32)
        flat[some.start * width : some.stop * width] = (moved @ factor).reshape(-1)
    del flat
    vectors.resize((rows, width), refcheck=False)  # the rows of a narrower product lie closer together


def _orthogonalise(basis: Matrix) -> None:
    """Make the columns orthonormal in their own memory, by the Cholesky factor of their products, twice (Yamamoto et
    al. 2015, CholeskyQR2). Columns that depend on others become 0.
    """
    for _ in range(2):
        inner = sum(basis[rows].T.astype(np.float64) @ basis[rows] for rows in blocks(*basis.shape))
        values, vectors = np.linalg.eigh(inner)
        kept = values > NOTHING * max(values[-1], NOTHING)
        scale = np.where(kept, np.maximum(values, NOTHING * NOTHING) ** -0.5, 0)
        multiply_rows(basis, (vectors * scale).astype(np.float32))
