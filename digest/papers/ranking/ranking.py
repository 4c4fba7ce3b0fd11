"""Scores papers by their votes over time, and keeps every term of the score. Pure.

The score is the logarithm of the odds that a paper will be among the 25 best of its week. It is a sum: the votes so
far, what is known before many have voted, and the cost of waiting. docs/ranking.md explains each term;
papers/ranking/coefficients.py has the fitted constants.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime

from digest.papers.paper import Observed, RankedPaper
from digest.papers.ranking.coefficients import CHANCE, GROWTH, between_knots
from digest.papers.ranking.signals import hours, listed_at, readings, signals_of
from digest.papers.ranking.track_record import WEEK_BEST, TrackRecords
from digest.papers.score_terms import ScoreTerms

FORMULA = "odds of the week's best, 1"

# Papers below this score are not worth a subscriber's time unless an interest of theirs matches: 3 in 100 of them end
# among the 25 best of their week. Replayed on weekdays of 2025, a floor here loses none of the best papers.
FLOOR = -3.5

_BEST_A_DAY = WEEK_BEST // 5  # lists are made on five days of the week
_USUAL_AUTHORS = 6  # for papers without authors
_UNVOTED = -100.0  # below every paper that can be voted on
_STALE = -30.0  # below every fresh paper with a chance
_NEAR = 1.5  # how far below the level, in logarithms of votes, a young paper is in the running
_YOUTH_HOURS = 24.0  # signals other than votes fade with this age, as votes accumulate


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """The operator's choices, stored with every issue that used them.

    `lateness` is subtracted for each day since a paper was first seen; after `fresh_days` the paper only fills ranks
    that no fresher paper takes. `comment_votes` is how many votes a comment is worth, except the first, which is mostly
    the submitter's. `bursts` is the share of implausibly fast votes to ignore, from 0 to 1. The others multiply a part
    of the formula: 1 is as fitted, 0 leaves it out.
    """

    lateness: float = 0.3
    fresh_days: float = 3.25
    comment_votes: float = 0.25
    bursts: float = 0.5
    pace: float = 1.0
    community: float = 1.0  # code, stars, project page
    records: float = 1.0  # of the organisation and of the submitter
    hackernews: float = 0.1  # how many votes a point is worth

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def rank(
    pool: Iterable[Observed], weights: RankingWeights, now: datetime, records: TrackRecords | None = None
) -> tuple[RankedPaper, ...]:
    """The pool, best first; equal scores by listing, newest first, then by id."""
    papers = list(pool)
    scored = sorted(
        zip(_scored(papers, weights, now, records or TrackRecords()), papers, strict=True),
        key=lambda pair: (-pair[0].score, pair[0].age_hours, pair[1].paper.id),
    )
    return tuple(
        RankedPaper(number, observed.paper, terms.score, terms)
        for number, (terms, observed) in enumerate(scored, start=1)
    )


def rescore(terms: ScoreTerms, weights: RankingWeights) -> ScoreTerms:
    """The terms with other weights, computed from the stored terms alone; the same weights give the same terms.

    A paper's rank on its day's list and the level of the pool stay as stored. Raises ValueError for terms of another
    formula.
    """
    if terms.earlier:
        raise ValueError("these terms are of another formula")
    parts = _contributions(terms, weights)
    return replace(terms, points=_points(terms, weights), parts=parts, score=sum(parts.values()))


def _scored(
    papers: Sequence[Observed], weights: RankingWeights, now: datetime, records: TrackRecords
) -> list[ScoreTerms]:
    read_at = readings(papers)
    listed = [listed_at(observed, now, read_at) for observed in papers]
    pool = [_inputs(observed, at, now, records) for observed, at in zip(papers, listed, strict=True)]
    points = [_points(terms, weights) for terms in pool]
    days = [at.date() if terms.voted else None for terms, at in zip(pool, listed, strict=True)]
    level = _level(pool, points, len(set(days) - {None}))
    ranks = _list_ranks(days, points)
    sizes = Counter(days)
    return [
        rescore(replace(terms, level=level, place=ranks[day, votes], listed=float(sizes[day] if day else 0)), weights)
        for terms, votes, day in zip(pool, points, days, strict=True)
    ]


def _inputs(observed: Observed, listed: datetime, now: datetime, records: TrackRecords) -> ScoreTerms:
    """The inputs of a paper's score that do not depend on other papers."""
    paper = observed.paper
    return replace(
        signals_of(observed, listed, now),
        code=float(bool(paper.code_url)),
        project=float(bool(paper.project_url)),
        authors=float(len(paper.authors) or _USUAL_AUTHORS),
        organization_record=records.organizations.get(paper.organization, 0.0),
        submitter_record=records.submitters.get(paper.submitter, 0.0),
        age_hours=hours(now - listed),
        known_days=max(0.0, hours(now - observed.first_seen_at)) / 24,
        waited_days=max(0.0, hours(now - _surfaced_at(observed, now))) / 24,
    )


def _surfaced_at(observed: Observed, now: datetime) -> datetime:
    """The time at which the paper was first seen or put on a list that people vote on, whichever is later."""
    listed = observed.paper.listed_at
    return max(observed.first_seen_at, listed) if listed and listed <= now else observed.first_seen_at


def _points(terms: ScoreTerms, weights: RankingWeights) -> float:
    """The votes that count: without bursts, plus the worth of comments and of points elsewhere."""
    comments = weights.comment_votes * max(0.0, terms.comments - 1)
    elsewhere = weights.hackernews * terms.hackernews
    return max(0.0, terms.upvotes - weights.bursts * terms.burst) + comments + elsewhere


def _level(pool: Sequence[ScoreTerms], points: Sequence[float], list_days: int) -> float:
    """The logarithm of the votes needed to be among the best of the pool.

    The 5th paper for each list day, that is the 25th of a week, may end with as many.
    """
    expected = sorted(
        (
            math.log1p(votes) + sum(share * GROWTH[knot] for knot, share in between_knots(terms.votes_age_hours))
            for terms, votes in zip(pool, points, strict=True)
            if terms.voted
        ),
        reverse=True,
    )
    return expected[min(_BEST_A_DAY * list_days, len(expected)) - 1] if expected else 0.0


def _list_ranks(days: Sequence[date | None], points: Sequence[float]) -> dict[tuple[date | None, float], float]:
    """By list day and points, the rank on that day's list, from 1; equal points share the better rank."""
    ranks: dict[tuple[date | None, float], float] = {}
    counts: Counter[date | None] = Counter()
    for day, votes in sorted(zip(days, points, strict=True), key=lambda pair: -pair[1]):
        counts[day] += 1
        ranks.setdefault((day, votes), float(counts[day]))
    return ranks


def _contributions(terms: ScoreTerms, weights: RankingWeights) -> dict[str, float]:
    """The parts that add up to the score, in the order of the formula."""
    waited = terms.waited_days
    lateness = -weights.lateness * waited + (_STALE if waited > weights.fresh_days else 0.0)
    if not terms.voted:
        return {"no_votes": _UNVOTED, "lateness": lateness}
    values = features(terms, weights)
    at_knots = between_knots(terms.votes_age_hours)
    by_age = {name: sum(share * CHANCE[name][knot] for knot, share in at_knots) for name in ("age", "votes")}
    factors = {
        "pace": weights.pace,
        **dict.fromkeys(("code", "stars", "project"), weights.community),
        **dict.fromkeys(("organization", "submitter"), weights.records),
    }
    return {
        "age": by_age["age"],
        "votes": by_age["votes"] * values.pop("votes"),
        **{name: factors.get(name, 1.0) * CHANCE[name][0] * value for name, value in values.items()},
        "lateness": lateness,
    }


def features(terms: ScoreTerms, weights: RankingWeights) -> dict[str, float]:
    """The values that the fitted coefficients multiply, by name. benchmarks/fit_ranking.py fits them."""
    above = math.log1p(_points(terms, weights)) - terms.level
    before = terms.upvotes_before
    youth = math.exp(-terms.votes_age_hours / _YOUTH_HOURS)
    return {
        "votes": above,
        "near": youth * max(0.0, above + _NEAR),
        "pace": max(0.0, math.log1p(terms.upvotes) - math.log1p(before)) if before >= 0 else 0.0,
        "place": youth * math.log(terms.place / _BEST_A_DAY),
        "list": youth * math.log(terms.listed / WEEK_BEST),
        "authors": youth * math.log(terms.authors / _USUAL_AUTHORS),
        "code": youth * terms.code,
        "stars": youth * math.log1p(terms.stars),
        "project": youth * terms.project,
        "organization": youth * terms.organization_record,
        "submitter": youth * terms.submitter_record,
    }
