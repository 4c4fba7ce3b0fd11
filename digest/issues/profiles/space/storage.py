"""A space as bytes, and back."""

import io
import json

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from digest.issues.profiles.space.arrays import NOTHING, Matrix, blocks
from digest.issues.profiles.space.neighbours import Neighbourhood
from digest.issues.profiles.space.space import Space
from digest.issues.profiles.space.words import Lexicon

_VERSION = 1


def to_bytes(space: Space) -> bytes:
    """Write a space compactly: vectors in whole numbers, other large tables with half precision."""
    written = io.BytesIO()
    whole, step = _in_whole_numbers(space.vectors)
    names = json.dumps([list(space.rows), list(space.lexicon.columns)]).encode()
    np.savez(
        written,
        version=np.array(_VERSION),
        names=np.frombuffer(names, np.uint8),
        vectors=whole,
        step=step,
        spectrum=space.spectrum,
        rarity=space.lexicon.rarity,
        mean_length=np.array(space.lexicon.mean_length),
        word_weights=space.words.data.astype(np.float16),
        word_columns=space.words.indices.astype(np.int32),
        word_ends=space.words.indptr.astype(np.int32),
        reach=space.neighbourhood.reach,
        degree=space.neighbourhood.degree,
        positions=space.positions,
        strengths=space.strengths,
        encoder=space.encoder.astype(np.float16),
        mean=space.mean,
        turn=space.turn,
    )
    return written.getvalue()


def _in_whole_numbers(vectors: Matrix) -> tuple[NDArray[np.int8], Matrix]:
    """Return vectors as multiples of a step for each row, and the steps."""
    largest = np.maximum(vectors.max(axis=1, initial=0), -vectors.min(axis=1, initial=0))[:, None]
    step = np.maximum(largest / 127, NOTHING).astype(np.float32)
    whole = np.empty(vectors.shape, np.int8)
    for rows in blocks(*vectors.shape):
        whole[rows] = np.rint(vectors[rows] / step[rows])
    return whole, step


def from_bytes(stored: bytes) -> Space:
    """Read a space. Raises ValueError for bytes that another version of Digest wrote."""
    with np.load(io.BytesIO(stored), allow_pickle=False) as tables:
        if int(tables["version"]) != _VERSION:
            raise ValueError(f"a space of version {int(tables['version'])}, not {_VERSION}")
        ids, names = json.loads(tables["names"].tobytes())
        full = {name: tables[name].astype(np.float32) for name in ("vectors", "encoder", "word_weights")}
        parts = full["word_weights"], tables["word_columns"], tables["word_ends"]
        return Space(
            rows={paper: row for row, paper in enumerate(ids)},
            vectors=full["vectors"] * tables["step"],
            spectrum=tables["spectrum"],
            lexicon=Lexicon({word: n for n, word in enumerate(names)}, tables["rarity"], float(tables["mean_length"])),
            words=sparse.csr_array(parts, shape=(len(ids), len(names))),
            neighbourhood=Neighbourhood(tables["reach"], tables["degree"]),
            positions=tables["positions"],
            strengths=tables["strengths"],
            encoder=full["encoder"],
            mean=tables["mean"],
            turn=tables["turn"],
        )
