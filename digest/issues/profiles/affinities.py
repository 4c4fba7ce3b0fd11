"""What the subscribers of a claim like in the pool of an issue: one product of their profiles with its papers.

numpy is imported for the first profile. Vectors and weights are whole numbers times a scale each, so the product is
exact, and the same for any number of subscribers at once.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from digest.issues.profiles.store import Profile, liked_papers, profiles_of, spectrum_of, vectors_of

if TYPE_CHECKING:
    from digest.issues.profiles.product import Matrix, PackedRows

CLOSEST = 128  # papers of a pool that are sorted by affinity, of which a subscriber may have received some
_LIKED_KEPT = 3_000  # liked papers that stay in memory: 1.4 MB


@dataclass(frozen=True, slots=True)
class PoolAffinity:
    """One subscriber's affinity to the papers of a pool, which are numbered from 0."""

    points: Sequence[int]  # of each paper
    closest: Sequence[int]  # the papers with the most points, most first
    neighbours: Callable[[Sequence[int]], Mapping[int, str]]  # of these papers: title of the liked paper behind it
