"""What a reader said about papers → how much each paper of a pool is theirs.

Comes in: opinions as stored, and the instant. Goes out: plain numbers and words. A profile is nothing that is kept: it
is computed from the opinions each time, so deleting them resets it. Touches nothing; numpy is imported only where a
reader has said something.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback

if TYPE_CHECKING:
    from digest.issues.profiles.space import Space

HALF_LIFE = timedelta(days=180)  # after which an opinion weighs half
LESS = 0.2  # what "less like this" weighs against "more like this" (Rocchio 1971; docs/interests.md)


def fit_space(texts: Mapping[str, str]) -> "Space":
    """The space of these papers (id → title, abstract and keywords), for everything below; once an issue."""
    from digest.issues.profiles.space import fit

    return fit(texts)


def affinities(
    space: "Space | None", readers: Sequence[Sequence[PaperFeedback]], pools: Sequence[Sequence[str]], now: datetime
) -> list[list[float]]:
    """For each reader's opinions and the pool of paper ids beside them: how much each paper is theirs, -1 to 1.

    The cosine between the paper and the mean of what they wanted more of minus LESS times the mean of what they wanted
    less of; recent opinions weigh more. 0 says nothing: for readers without opinions, papers that the space does not
    hold, or without a space. A pool given as the same object for all is looked up once.
    """
    spoke = [place for place, opinions in enumerate(readers) if opinions]
    found = [[0.0] * len(pool) for pool in pools]
    if space is None or not spoke:
        return found
    leanings = [_leaning(space, readers[place], now) for place in spoke]
    for place, cosines in zip(spoke, space.likeness(leanings, [pools[place] for place in spoke]), strict=True):
        found[place] = cosines
    return found


def profile_words(space: "Space", opinions: Sequence[PaperFeedback], now: datetime, count: int = 12) -> list[str]:
    """The strongest words of a reader's profile, for them to look at; empty where it holds none."""
    return space.strongest_words(_leaning(space, opinions, now), count)


def _leaning(space: "Space", opinions: Sequence[PaperFeedback], now: datetime) -> dict[str, float]:
    """What each paper weighs in the profile: 1 in all for what they want more of, -LESS in all for the rest."""
    fresh = {
        one.paper_id: (one.kind is FeedbackKind.MORE, _freshness(now - one.at))
        for one in opinions
        if one.kind is not FeedbackKind.READ and one.paper_id in space.rows
    }
    more = sum(weight for wanted, weight in fresh.values() if wanted)
    less = sum(weight for wanted, weight in fresh.values() if not wanted)
    return {paper: weight / more if wanted else -LESS * weight / less for paper, (wanted, weight) in fresh.items()}


def _freshness(age: timedelta) -> float:
    return float(0.5 ** (max(age, timedelta()) / HALF_LIFE))
