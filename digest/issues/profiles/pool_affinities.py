"""The affinities of a claim's subscribers to the pool of an issue: one product of their profiles with its papers.

It brings numpy: import it only for a claim with a profile. Vectors and weights are whole numbers times a scale each, so
the product is exact, and explain gets the same points for one subscriber as a worker for hundreds.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from digest.issues.profiles.discriminant import Matrix, affinity, background
from digest.issues.profiles.positions import liked_papers, vectors_of
from digest.issues.profiles.profile import Neighbour
from digest.issues.profiles.store import Profile, spectrum_of

_PAPERS = 50  # of a pool that are multiplied at once: 0.1 MB for a claim of 500, which malloc need not map anew
_LIKED = 2_000  # liked papers that stay in memory: 1 MB


class PoolAffinity(NamedTuple):
    """One subscriber's affinity to the papers of a pool, which are numbered from 0."""

    points: Sequence[int]  # of each paper
    close: int  # papers with enough points to match, a bit each
    neighbours: Callable[[Sequence[int]], Mapping[int, Neighbour]]  # for some papers: the liked paper behind each


class _Rows(NamedTuple):
    """Vectors: whole numbers, and the scale of each row."""

    whole: NDArray[np.int8]
    scale: Matrix


class PoolAffinities:
    """The papers of one pool in a space, and the papers that its subscribers like."""

    def __init__(self, space_id: int, papers: _Rows, spectrum: Matrix) -> None:
        self._space_id = space_id
        self._papers = papers
        self._background = lru_cache(maxsize=100)(partial(background, spectrum))
        self._forget_liked()

    def of(
        self, connection: Connection, profiles: Mapping[int, Profile], worth: int, least: float
    ) -> dict[int, PoolAffinity]:
        """Return what these profiles like. An affinity of 1 is `worth` so many points; `least` points are a match."""
        self._read_liked(connection, {paper_id for profile in profiles.values() for paper_id in profile.liked})
        points = _points(_rows([profile.weights for profile in profiles.values()]), self._papers, worth)
        close_papers = np.packbits(points >= least, axis=1, bitorder="little")
        return {
            subscriber_id: PoolAffinity(row.data, int.from_bytes(close, "little"), partial(self._neighbours, profile))
            for (subscriber_id, profile), row, close in zip(profiles.items(), points, close_papers, strict=True)
        }

    def _forget_liked(self) -> None:
        self._row: dict[str, int] = {}
        self._titles: list[str] = []
        self._liked = _Rows(self._papers.whole[:0], self._papers.scale[:0])

    def _read_liked(self, connection: Connection, wanted: Set[str]) -> None:
        if len(wanted | self._row.keys()) > _LIKED:
            self._forget_liked()
        missing = wanted - self._row.keys()
        if missing and (read := liked_papers(connection, self._space_id, missing)):
            self._row |= {paper.id: row for row, paper in enumerate(read, start=len(self._row))}
            self._titles += [paper.title for paper in read]
            more, liked = _rows([paper.vector for paper in read]), self._liked
            self._liked = _Rows(np.concatenate([liked.whole, more.whole]), np.concatenate([liked.scale, more.scale]))

    def _neighbours(self, profile: Profile, chosen: Sequence[int]) -> dict[int, Neighbour]:
        """Return the liked paper that adds most to the affinity of each chosen paper."""
        rows = [self._row.get(paper_id, -1) for paper_id in profile.liked]
        if max(rows, default=-1) < 0:
            return {}
        shares = np.frombuffer(profile.shares, "<f4") * self._liked.scale[rows]
        if -1 in rows:
            shares[[row < 0 for row in rows]] = 0
        # The scale of a chosen paper is left out: it is the same for each of its neighbours.
        leaning = self._papers.whole[chosen] / self._background(len(rows))
        added = leaning @ self._liked.whole[rows].T.astype(np.float32) * shares
        titles = self._titles
        return {
            index: Neighbour(titles[rows[best]], best < profile.from_library)
            for index, best in zip(chosen, added.argmax(axis=1).tolist(), strict=True)
        }


def pool_affinities(connection: Connection, space_id: int, paper_ids: Sequence[str]) -> PoolAffinities | None:
    """Read the papers of a pool in a space; None once the space was deleted."""
    spectrum = spectrum_of(connection, space_id)
    if spectrum is None:
        return None
    vectors = vectors_of(connection, space_id, paper_ids)
    nowhere = bytes(4 + len(spectrum) // 4)  # as a vector is packed: a scale of 0
    rows = _rows([vectors.get(paper_id, nowhere) for paper_id in paper_ids])
    return PoolAffinities(space_id, rows, np.frombuffer(spectrum, "<f4"))


def _rows(packed: Sequence[bytes]) -> _Rows:
    rows = np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), -1)
    scale = np.ascontiguousarray(rows[:, :4]).view("<f4")[:, 0]
    return _Rows(rows[:, 4:].view(np.int8), scale)


def _points(weights: _Rows, papers: _Rows, worth: int) -> NDArray[np.signedinteger]:
    """Return subscribers × papers."""
    points = np.empty((len(weights.whole), len(papers.whole)), np.int16 if worth < 2**15 else np.int32)
    whole = weights.whole.astype(np.float32)  # float32 holds whole numbers below 2²⁴ exactly: 127 · 127 · 1,040
    for start in range(0, len(papers.whole), _PAPERS):
        some = slice(start, start + _PAPERS)
        scores = whole @ papers.whole[some].T.astype(np.float32)
        scores *= weights.scale[:, None]
        scores *= papers.scale[some]
        points[:, some] = np.rint(affinity(scores) * worth)
    return points


def at_least(affinity: Sequence[int], points: float) -> int:
    """Return the papers with so many points, a bit each."""
    return int.from_bytes(np.packbits(np.asarray(affinity) >= points, bitorder="little"), "little")


def best_matches(
    affinity: Sequence[int], by_points: Sequence[tuple[int, int]], most: int | None
) -> list[tuple[int, int]]:
    """Return the papers (points, number) with most points, then by number. `by_points`: points to add to the affinity,
    and the papers that get them, a bit each.
    """
    size = len(affinity) // 8 + 1
    packed = b"".join([papers.to_bytes(size, "little") for _points, papers in by_points])
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little").view(np.bool_)
    group, number = np.divmod(bits.nonzero()[0], 8 * size)
    points = np.array([points for points, _papers in by_points], np.int64)[group] + np.asarray(affinity)[number]
    # Whole numbers that sort by points, then by number: a sort of two keys takes several times as long.
    best = np.sort(number - (points << 32))[:most].tolist()
    return [(-(key >> 32), key & 0xFFFFFFFF) for key in best]
