"""Papers and their votes over time → scored papers; every term of the score is kept. Pure.

The score is the logarithm of the odds that a paper will be among the 25 best of its week, as a sum: what its votes
say by now, what is known of it before many have voted, and what waiting has cost it. docs/ranking.md explains each
term; papers/ranking/coefficients.py has the fitted constants.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime

from digest.papers.paper import Observed, RankedPaper
from digest.papers.ranking.coefficients import CHANCE, GROWTH, between_knots
from digest.papers.ranking.signals import Signals, evidence, hours, readings
from digest.papers.ranking.terms import ScoreTerms
from digest.papers.ranking.track_record import WEEK_BEST, TrackRecords

FORMULA = "odds of the week's best, 1"

_BEST_A_DAY = WEEK_BEST // 5  # lists are made on five days of the week
_USUAL_AUTHORS = 6  # where the authors are not known
_UNVOTED = -100.0  # below every paper that somebody could vote on
_STALE = -30.0  # below every fresh one that has any chance
_NEAR = 1.5  # so far below the level, in logarithms of votes, a young paper begins to be in the running
_YOUTH_HOURS = 24.0  # what is known of a paper besides its votes fades with this age, as the votes begin to speak


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """What the operator decides; stored with every issue that used it.

    `lateness` is taken off for each day since a paper was first seen; after `fresh_days` it only fills places that
    nothing else wants. `comment_votes` is what a comment counts beside a vote, the first one apart, which is mostly the
    submitter's; `bursts` the share of implausibly fast votes that is not counted, from 0 to 1. The others multiply a
    fitted part of the formula: 1 as fitted, 0 leaves it out.
    """

    lateness: float = 0.3
    fresh_days: float = 3.25
    comment_votes: float = 0.25
    bursts: float = 0.5
    pace: float = 1.0
    community: float = 1.0  # code, stars, project page
    records: float = 1.0  # of the organisation and of who listed the paper
    hackernews: float = 0.1  # votes that a point there is worth

    def as_dict(self) -> dict[str, float]:
        """By name, for storing."""
        return asdict(self)


def rank(
    pool: Iterable[Observed], weights: RankingWeights, now: datetime, records: TrackRecords | None = None
) -> tuple[RankedPaper, ...]:
    """The pool, best first. Papers with equal scores stand in the order of their listing, newest first, then by id."""
    papers = list(pool)
    scored = list(zip(_scored(papers, weights, now, records or TrackRecords()), papers, strict=True))
    scored.sort(key=lambda pair: (-pair[0].score, pair[0].age_hours, pair[1].paper.id))
    return tuple(
        RankedPaper(number, observed.paper, terms.score, terms)
        for number, (terms, observed) in enumerate(scored, start=1)
    )


def rescore(terms: ScoreTerms, weights: RankingWeights) -> ScoreTerms:
    """The terms as they would be with other weights, from nothing but what was stored; with the same, the very same.

    A paper's place on its day's list and the level of the pool stay as they were stored. Raises ValueError for terms
    of another formula.
    """
    if terms.earlier:
        raise ValueError("these terms are of another formula")
    parts = _contributions(terms, weights)
    return replace(terms, points=_points(terms, weights), parts=parts, score=sum(parts.values()))


def _scored(
    papers: Sequence[Observed], weights: RankingWeights, now: datetime, records: TrackRecords
) -> list[ScoreTerms]:
    read_at = readings(papers)
    observations = [evidence(observed, now, read_at) for observed in papers]
    inputs = [_inputs(observed, seen, now, records) for observed, seen in zip(papers, observations, strict=True)]
    points = [_points(terms, weights) for terms in inputs]
    days = [seen.listed_at.date() if seen.voted else None for seen in observations]
    level = _level(inputs, points, len(set(days) - {None}))
    places = _places(days, points)
    sizes = Counter(days)
    return [
        rescore(
            replace(terms, level=level, place=places[day, counted], listed=float(sizes[day] if day else 0)), weights
        )
        for terms, counted, day in zip(inputs, points, days, strict=True)
    ]


def _inputs(observed: Observed, seen: Signals, now: datetime, records: TrackRecords) -> ScoreTerms:
    """What is known of one paper by itself, as plain numbers."""
    paper = observed.paper
    return ScoreTerms(
        voted=float(seen.voted),
        upvotes=float(seen.upvotes),
        upvotes_before=-1.0 if seen.upvotes_before is None else float(seen.upvotes_before),
        burst=seen.burst,
        hackernews=float(seen.hackernews),
        comments=float(seen.comments),
        stars=float(seen.stars),
        code=float(bool(paper.code_url)),
        project=float(bool(paper.project_url)),
        authors=float(len(paper.authors) or _USUAL_AUTHORS),
        organization_record=records.organizations.get(paper.organization, 0.0),
        submitter_record=records.submitters.get(paper.submitter, 0.0),
        age_hours=hours(now - seen.listed_at),
        votes_age_hours=seen.votes_age_hours,
        known_days=max(0.0, hours(now - observed.first_seen_at)) / 24,
        waited_days=max(0.0, hours(now - _surfaced_at(observed, now))) / 24,
        gained=None if seen.gained is None else float(seen.gained),
    )


def _surfaced_at(observed: Observed, now: datetime) -> datetime:
    """When it was first seen, or put on a list that people vote on after that."""
    listed = observed.paper.listed_at
    return max(observed.first_seen_at, listed) if listed and listed <= now else observed.first_seen_at


def _points(terms: ScoreTerms, weights: RankingWeights) -> float:
    """The votes that count: less what burst in, plus what comments and points elsewhere are worth."""
    comments = weights.comment_votes * max(0.0, terms.comments - 1)
    elsewhere = weights.hackernews * terms.hackernews
    return max(0.0, terms.upvotes - weights.bursts * terms.burst) + comments + elsewhere


def _level(inputs: Sequence[ScoreTerms], points: Sequence[float], list_days: int) -> float:
    """What it takes to be among the best of the pool, in logarithms of votes: what the 5th paper for each list day may
    end with, so the 25th of a week.
    """
    hoped = sorted(
        (
            math.log1p(counted) + sum(share * GROWTH[knot] for knot, share in between_knots(terms.votes_age_hours))
            for terms, counted in zip(inputs, points, strict=True)
            if terms.voted
        ),
        reverse=True,
    )
    return hoped[min(_BEST_A_DAY * list_days, len(hoped)) - 1] if hoped else 0.0


def _places(days: Sequence[date | None], points: Sequence[float]) -> dict[tuple[date | None, float], float]:
    """By list day and points, the place on that day's list, from 1; equal points share the better place."""
    places: dict[tuple[date | None, float], float] = {}
    placed: Counter[date | None] = Counter()
    for day, counted in sorted(zip(days, points, strict=True), key=lambda pair: -pair[1]):
        placed[day] += 1
        places.setdefault((day, counted), float(placed[day]))
    return places


def _contributions(terms: ScoreTerms, weights: RankingWeights) -> dict[str, float]:
    """What each part adds to the score, in the order of the formula."""
    waited = terms.waited_days
    late = -weights.lateness * waited + (_STALE if waited > weights.fresh_days else 0.0)
    if not terms.voted:
        return {"no_votes": _UNVOTED, "lateness": late}
    told = signals(terms, weights)
    at_knots = between_knots(terms.votes_age_hours)
    by_age = {name: sum(share * CHANCE[name][knot] for knot, share in at_knots) for name in ("age", "votes")}
    factors = _factors(weights)
    return {
        "age": by_age["age"],
        "votes": by_age["votes"] * told.pop("votes"),
        **{name: factors.get(name, 1.0) * CHANCE[name][0] * value for name, value in told.items()},
        "lateness": late,
    }


def _factors(weights: RankingWeights) -> dict[str, float]:
    community, records = weights.community, weights.records
    return {
        "pace": weights.pace,
        **dict.fromkeys(("code", "stars", "project"), community),
        **dict.fromkeys(("organization", "submitter"), records),
    }


def signals(terms: ScoreTerms, weights: RankingWeights) -> dict[str, float]:
    """The numbers that the fitted coefficients multiply, by name; the formula and its fitting share them."""
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
