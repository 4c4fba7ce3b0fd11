"""Types and small operations that the steps of the space share. numpy alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Halved = NDArray[np.float16]  # of large tables, which need no more precision
Sparse = Any  # scipy.sparse.csr_array of float32; scipy carries no types

CELLS = 1_000_000  # of the largest dense block while fitting: 4 MB
NOTHING = 1e-6  # vectors shorter than this are rounding errors


def scale_rows(vectors: Matrix) -> Matrix:
    """Scale rows to length 1, in their own memory; those of no length become 0."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    vectors *= np.where(lengths > NOTHING, 1 / np.maximum(lengths, NOTHING), 0)
    return vectors


def blocks(count: int, width: int) -> list[slice]:
    """Return slices of `count` rows of `width` numbers each, of at most CELLS numbers."""
    step = max(CELLS // max(width, 1), 1)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
