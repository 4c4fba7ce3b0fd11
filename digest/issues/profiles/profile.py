"""A subscriber's feedback on papers → how much they would like each paper of a pool. Pure.

numpy is imported only where there is feedback. docs/interests.md explains the method.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback

if TYPE_CHECKING:
    from digest.issues.profiles.space import Space

SCALE = 6.0  # standard deviations: papers that a subscriber likes score 6 in the median
_CLEARLY, _FEW = 4.0, 2.0  # standard deviations; with a single liked paper it is six
HALF_LIFE = timedelta(days=180)  # after which feedback weighs half
CLOSE = 0.46  # affinity from which a paper is called similar: three standard deviations above the background
CLEARLY_CLOSE = 0.58  # where nothing else is sent, as earlier versions had it however many papers were liked


class Neighbour(NamedTuple):
    """The liked paper that a paper resembles most."""

    title: str
    in_library: bool = False  # it was brought with a library


def clearly_close(liked: int) -> float:
    """Return the affinity that makes a paper clearly like so many liked ones: four standard deviations, more if they
    are few, because then it is open what they have in common.
    """
    return math.tanh((_CLEARLY + _FEW / max(liked, 1)) / SCALE)


def fit_space(texts: Mapping[str, str]) -> "Space":
    """Fit the space of these papers (id → title, abstract and keywords)."""
    from digest.issues.profiles.space import fit

    return fit(texts)


def affinities(
    space: "Space", feedback: Sequence[Sequence[PaperFeedback]], pools: Sequence[Sequence[str]], now: datetime
) -> list[list[float]]:
    """Return the affinity of each paper, -1 to 1, for each subscriber's feedback and pool of paper ids.

    Recent feedback weighs more. It is 0 without feedback and for papers that the space does not hold. A pool given as
    the same object for all is looked up once.
    """
    import numpy as np

    from digest.issues.profiles.discriminant import affinity, discriminants

    fresh = [
        {paper: weight for paper, weight in freshness(items, now).items() if paper in space.rows} for items in feedback
    ]
    rated = [space.vectors_of(list(papers)) for papers in fresh]
    weights, _ = discriminants(rated, [np.fromiter(p.values(), np.float32) for p in fresh], space.spectrum)
    mapped, last, vectors = [], None, space.vectors_of([])
    for row, pool in zip(weights, pools, strict=True):
        if pool is not last:
            last, vectors = pool, space.vectors_of(pool)
        mapped.append(affinity(vectors @ row).tolist())
    return mapped


def freshness(feedback: Sequence[PaperFeedback], now: datetime) -> dict[str, float]:
    """Return how much each rated paper counts, at most 1: below 0 for disliked papers, as the last feedback says."""
    return {
        item.paper_id: (1 if item.kind is FeedbackKind.MORE else -1)
        * float(0.5 ** (max(now - item.at, timedelta()) / HALF_LIFE))
        for item in feedback
        if item.kind is not FeedbackKind.READ
    }
