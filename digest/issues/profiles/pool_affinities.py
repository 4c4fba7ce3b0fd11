"""The affinities of a claim's subscribers to the pool of an issue: one product of their profiles with its papers.

It brings numpy: import it only for a claim with a profile. Vectors and weights are whole numbers times a scale each, so
the product is exact, and explain gets the same points for one subscriber as a worker for hundreds.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache, partial
from itertools import accumulate
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
        named = self._naming(list(profiles.values()))
        return {
            subscriber_id: PoolAffinity(row.data, int.from_bytes(close, "little"), neighbours)
            for subscriber_id, row, close, neighbours in zip(profiles, points, close_papers, named, strict=True)
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

    def _naming(self, profiles: Sequence[Profile]) -> list[Callable[[Sequence[int]], dict[int, Neighbour]]]:
        """Return for each profile what names the liked paper behind each chosen paper; arrays are made for all."""
        liked, row_of = self._liked, self._row
        rows = np.array([row_of.get(paper_id, -1) for profile in profiles for paper_id in profile.liked], np.int32)
        shares = np.frombuffer(b"".join([profile.shares for profile in profiles]), "<f4")
        shares = np.where(rows < 0, 0, shares * liked.scale[rows]) if row_of else np.zeros_like(shares)
        ends = [*accumulate([len(profile.liked) for profile in profiles], initial=0)]
        return [
            partial(self._neighbours, _Liked(liked.whole, self._titles, rows[start:end], shares[start:end]), profile)
            for profile, start, end in zip(profiles, ends, ends[1:], strict=False)
        ]

    def _neighbours(self, liked: "_Liked", profile: Profile, chosen: Sequence[int]) -> dict[int, Neighbour]:
        """Return the liked paper that adds most to the affinity of each chosen paper."""
        whole, titles, rows, shares = liked
        if not len(whole):
            return {}
        # The scale of a chosen paper is left out: it is the same for each of its neighbours.
        leaning = self._papers.whole.take(chosen, axis=0) / self._background(len(rows))
        added = leaning @ whole.take(rows, axis=0).astype(np.float32).T
        added *= shares
        return {
            index: Neighbour(titles[rows[best]], best < profile.from_library)
            for index, best in zip(chosen, added.argmax(axis=1).tolist(), strict=True)
            if rows[best] >= 0
        }


class _Liked(NamedTuple):
    """The liked papers of a subscriber among those in memory, which later claims may replace."""

    whole: NDArray[np.int8]
    titles: Sequence[str]
    rows: NDArray[np.int32]  # -1: no longer stored
    shares: Matrix  # in the affinity, for vectors of whole numbers; 0 for papers that are no longer stored


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
    return _Rows(np.ascontiguousarray(rows[:, 4:]).view(np.int8), scale)  # take() would copy another layout each time


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
    shift = max(len(affinity).bit_length(), 3)
    size = 1 << shift - 3  # bytes, so that shifts tell which number and which group a bit stands for
    packed = b"".join([papers.to_bytes(size, "little") for _points, papers in by_points])
    places = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little").view(np.bool_).nonzero()[0]
    number = places & (8 * size - 1)
    points = np.array([points for points, _papers in by_points], np.int64)[places >> shift]
    points += np.asarray(affinity)[number]
    # Whole numbers that sort by points, then by number: a sort of two keys takes several times as long.
    keys = number - (points << 32)
    if most is not None and len(keys) > most:
        keys.partition(most)
        keys = keys[:most]
    keys.sort()
    return [(-(key >> 32), key & 0xFFFFFFFF) for key in keys.tolist()]
