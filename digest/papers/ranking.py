"""Papers and their votes over time → scored papers; every term of the score is kept. Pure.

score = points / decay
points = prior + upvotes + comment_weight × comments      (latest observation of each source, added up)
decay  = (age_hours + 2) ** gravity                        (age since the paper was listed, as Hacker News counts)
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from digest.papers.paper import Observed, RankedPaper, Votes

FORMULA = "points over age, 1"


@dataclass(frozen=True, slots=True)
class Weights:
    """The constants of the formula; stored with every issue that used them."""

    gravity: float
    comment_weight: float
    prior: float

    def as_dict(self) -> dict[str, float]:
        """By name, for storing."""
        return asdict(self)


def rank(pool: Iterable[Observed], weights: Weights, now: datetime) -> tuple[RankedPaper, ...]:
    """The pool, best first. Papers with equal scores stand in the order of their listing, newest first, then by id."""
    scored = [(terms(observed, weights, now), observed) for observed in pool]
    scored.sort(key=lambda pair: pair[1].paper.id)
    scored.sort(key=lambda pair: (pair[0]["score"], -pair[0]["age_hours"]), reverse=True)
    return tuple(
        RankedPaper(rank=place, paper=observed.paper, score=said["score"], terms=said)
        for place, (said, observed) in enumerate(scored, start=1)
    )


def terms(observed: Observed, weights: Weights, now: datetime) -> dict[str, float]:
    """Every number that leads to the score of one paper at `now`, in the order of the formula."""
    latest = _latest_by_source(observed.votes)
    upvotes = sum(votes.upvotes for votes in latest)
    comments = sum(votes.comments for votes in latest)
    points = weights.prior + upvotes + weights.comment_weight * comments
    age_hours = max(0.0, (now - _listed_at(observed)).total_seconds() / 3600)
    decay = (age_hours + 2) ** weights.gravity
    return {
        "upvotes": float(upvotes),
        "comments": float(comments),
        "prior": weights.prior,
        "points": points,
        "age_hours": age_hours,
        "decay": decay,
        "score": points / decay,
    }


def _latest_by_source(votes: Iterable[Votes]) -> list[Votes]:
    latest: dict[str, Votes] = {}
    for seen in votes:
        if seen.source not in latest or seen.observed_at >= latest[seen.source].observed_at:
            latest[seen.source] = seen
    return list(latest.values())


def _listed_at(observed: Observed) -> datetime:
    return observed.paper.listed_at or observed.first_seen_at
