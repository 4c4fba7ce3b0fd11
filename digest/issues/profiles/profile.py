"""A subscriber's feedback on papers → how much they would like each paper of a pool. Pure.

A profile is never stored: it is computed from the feedback each time, so deleting that resets it. numpy is imported
only where there is feedback. docs/interests.md explains the method.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback

if TYPE_CHECKING:
    from digest.issues.profiles.space import Space

HALF_LIFE = timedelta(days=180)  # after which feedback weighs half
LESS = 0.2  # what "less like this" weighs against "more like this" (Rocchio 1971; docs/interests.md)


def fit_space(texts: Mapping[str, str]) -> "Space":
    """Fit the space of these papers (id → title, abstract and keywords), once per issue."""
    from digest.issues.profiles.space import fit

    return fit(texts)


def affinities(
    space: "Space", feedback: Sequence[Sequence[PaperFeedback]], pools: Sequence[Sequence[str]], now: datetime
) -> list[list[float]]:
    """Return the affinity of each paper, -1 to 1, for each subscriber's feedback and pool of paper ids.

    It is the cosine between the paper and the mean of the liked papers minus LESS times the mean of the disliked ones;
    recent feedback weighs more. It is 0 without feedback and for papers that the space does not hold. A pool given as
    the same object for all is looked up once.
    """
    return space.similarities([_weights(space, items, now) for items in feedback], pools)


def profile_words(space: "Space", feedback: Sequence[PaperFeedback], now: datetime, count: int = 12) -> list[str]:
    """Return the strongest words of a profile; empty for a profile without papers."""
    return space.strongest_words(_weights(space, feedback, now), count)


def _weights(space: "Space", feedback: Sequence[PaperFeedback], now: datetime) -> dict[str, float]:
    """Return papers' weights in the profile, which add up to 1 for liked papers and to -LESS for disliked ones."""
    fresh = {
        item.paper_id: (item.kind is FeedbackKind.MORE, float(0.5 ** (max(now - item.at, timedelta()) / HALF_LIFE)))
        for item in feedback
        if item.kind is not FeedbackKind.READ and item.paper_id in space.rows
    }
    more = sum(weight for liked, weight in fresh.values() if liked)
    less = sum(weight for liked, weight in fresh.values() if not liked)
    return {paper: weight / more if liked else -LESS * weight / less for paper, (liked, weight) in fresh.items()}
