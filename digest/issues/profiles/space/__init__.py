"""A space of papers in which papers about the same subject are close. It brings scipy: never for delivery workers."""

from digest.issues.profiles.space.arrays import Halved, Matrix, Sparse
from digest.issues.profiles.space.fit import fit
from digest.issues.profiles.space.space import Space
from digest.issues.profiles.space.storage import from_bytes, to_bytes
from digest.issues.profiles.space.words import words_of

__all__ = ["Halved", "Matrix", "Space", "Sparse", "fit", "from_bytes", "to_bytes", "words_of"]
