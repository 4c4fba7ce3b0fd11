"""A space as bytes, and back."""

import io
import json

import numpy as np
from scipy import sparse

from digest.issues.profiles.space.neighbours import Neighbourhood
from digest.issues.profiles.space.space import Space
from digest.issues.profiles.space.words import Lexicon

_VERSION = 2
_READ = (1, _VERSION)  # 1 has the vectors of the papers as well


def to_bytes(space: Space) -> bytes:
    """Write a space without its papers' vectors, which are stored by paper. Large tables have half precision."""
    written = io.BytesIO()
    names = json.dumps([list(space.rows), list(space.lexicon.columns)]).encode()
    np.savez(
        written,
        version=np.array(_VERSION),
        names=np.frombuffer(names, np.uint8),
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


def from_bytes(stored: bytes) -> Space:
    """Read a space. Raises ValueError for bytes that another version of Digest wrote."""
    with np.load(io.BytesIO(stored), allow_pickle=False) as tables:
        if int(tables["version"]) not in _READ:
            raise ValueError(f"a space of version {int(tables['version'])}, not {_VERSION}")
        ids, names = json.loads(tables["names"].tobytes())
        parts = tables["word_weights"].astype(np.float32), tables["word_columns"], tables["word_ends"]
        return Space(
            rows={paper: row for row, paper in enumerate(ids)},
            vectors=np.zeros((0, len(tables["spectrum"])), np.float16),
            spectrum=tables["spectrum"],
            lexicon=Lexicon({word: n for n, word in enumerate(names)}, tables["rarity"], float(tables["mean_length"])),
            words=sparse.csr_array(parts, shape=(len(ids), len(names))),
            neighbourhood=Neighbourhood(tables["reach"], tables["degree"]),
            positions=tables["positions"],
            strengths=tables["strengths"],
            encoder=tables["encoder"].astype(np.float32),
            mean=tables["mean"],
            turn=tables["turn"],
        )
