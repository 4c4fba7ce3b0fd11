"""Scores papers by their votes over time, and keeps every term of the score. Pure.

The score is the logarithm of the odds that a paper will be among the 25 best of its week. It is a sum: the votes so
far, what is known before many have voted, and the price of waiting. docs/ranking.md explains each term;
papers/ranking/coefficients.py has the fitted constants. Papers that nobody votes on come after all others.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime

from digest.papers.paper import Observed, RankedPaper
from digest.papers.ranking.coefficients import CHANCE, GROWTH, Knots, between_knots
from digest.papers.ranking.signals import hours, listed_at, readings, signals_of
from digest.papers.ranking.track_record import WEEK_BEST, TrackRecords
from digest.papers.ranking.words import words_score
from digest.papers.score_terms import ScoreTerms

FORMULA = "odds of the week's best, 2"

# Papers below this score are not worth a subscriber's time unless an interest of theirs matches. Replayed with an issue
# every day of 2025, it halves the papers sent from Saturday to Monday morning (30 to 17 a week), raises the share
# of sent papers that end among their week's 50 best from 68 % to 80 %, and loses 0.007 of the best 25. A floor of -4.5
# loses 0.009, too close to the limit of 0.01 to be safe in other years.
FLOOR = -5.0

_BEST_A_DAY = WEEK_BEST // 5  # lists are made on five days of the week
_USUAL_AUTHORS = 6  # for papers without authors
_UNVOTED = -1000.0  # below every paper that can be voted on
_LEAST_LEFT = 1e-13  # of the odds, after any wait: below every paper that still has a chance
_NEAR = 1.5  # how far below the level, in logarithms of votes, a young paper is in the running
YOUTH_HOURS = 36.0  # signals other than votes fade with this age, as votes accumulate
WORDS_HOURS = 72.0  # the words of older papers are not looked up: little is left of them


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """The operator's choices, stored with every issue that used them.

    `waiting` is the share of its odds that a paper loses with each hour since it was first seen; a paper that has lost
    all of them only fills ranks that no fresher paper takes. `comment_votes` is how many votes a comment is worth,
    except the first, which is mostly the submitter's. `bursts` is the share of implausibly fast votes to ignore, from 0
    to 1. The others multiply a part of the formula: 1 is as fitted, 0 leaves it out.
    """

    waiting: float = 0.0115
    comment_votes: float = 0.25
    bursts: float = 0.5
    pace: float = 1.0
    community: float = 1.0  # code, stars, project page
    records: float = 1.0  # of the organisation, the submitter and the authors
    words: float = 1.0
    hackernews: float = 0.1  # how many votes a point is worth

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def rank(
    pool: Iterable[Observed],
    weights: RankingWeights,
    now: datetime,
    records: TrackRecords | None = None,
    extra: Sequence[Observed] = (),
) -> tuple[RankedPaper, ...]:
    """The pool, best first; equal scores by listing, newest first, then by id.

    `extra`: papers outside the pool that are ranked with it and change no other paper's score.
    """
    papers, records = list(pool), records or TrackRecords()
    terms = _scored(papers, weights, now, records)
    if extra:
        papers += extra
        terms += _scored(papers, weights, now, records)[len(terms) :]
    scored = sorted(
        zip(terms, papers, strict=True), key=lambda pair: (-pair[0].score, pair[0].age_hours, pair[1].paper.id)
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
    again = replace(terms, points=_points(terms, weights))
    _add_up(again, weights, _multipliers(weights))
    return again


def _scored(
    papers: Sequence[Observed], weights: RankingWeights, now: datetime, records: TrackRecords
) -> list[ScoreTerms]:
    read_at = readings(papers)
    listed = [listed_at(observed, now, read_at) for observed in papers]
    pool = [_inputs(observed, at, now, records) for observed, at in zip(papers, listed, strict=True)]
    for terms in pool:
        terms.points = _points(terms, weights)
    days = [at.date() if terms.voted else None for terms, at in zip(pool, listed, strict=True)]
    level = _level(pool, len(set(days) - {None}))
    ranks, sizes = _list_ranks(days, pool), Counter(days)
    for terms, day in zip(pool, days, strict=True):
        terms.level, terms.place, terms.listed = level, ranks[day, terms.points], float(sizes[day] if day else 0)
    _place_in_subjects(papers, pool)
    multipliers = _multipliers(weights)
    for terms in pool:
        _add_up(terms, weights, multipliers)
    return pool


def _inputs(observed: Observed, listed: datetime, now: datetime, records: TrackRecords) -> ScoreTerms:
    """The inputs of a paper's score that do not depend on other papers."""
    paper, terms = observed.paper, signals_of(observed, listed, now)
    terms.code = float(bool(paper.code_url))
    terms.project = float(bool(paper.project_url))
    terms.authors = float(len(paper.authors) or _USUAL_AUTHORS)
    terms.age_hours = hours(now - listed)
    terms.known_days = max(0.0, hours(now - observed.first_seen_at)) / 24
    terms.waited_days = max(0.0, hours(now - _surfaced_at(observed, now))) / 24
    if observed.postponed_to:
        terms.postponed_days = max(0.0, hours(observed.postponed_to - observed.first_seen_at)) / 24
    if terms.voted:
        terms.organization_record = records.organizations.get(paper.organization, 0.0)
        terms.submitter_record = records.submitters.get(paper.submitter, 0.0)
        terms.submitter_growth = records.submitter_growth.get(paper.submitter, 0.0)
        terms.authors_growth = records.authors_growth(paper.authors)
        terms.submitter_papers = float(records.submitter_papers.get(paper.submitter, 0))
        if terms.votes_age_hours < WORDS_HOURS:
            terms.words = words_score(paper.title, paper.abstract)
    return terms


def _surfaced_at(observed: Observed, now: datetime) -> datetime:
    """The last time at which the paper was first seen, put on a list that people vote on, or no longer postponed."""
    later = filter(None, (observed.paper.listed_at, observed.postponed_to))
    return max([observed.first_seen_at, *(at for at in later if at <= now)])


def _points(terms: ScoreTerms, weights: RankingWeights) -> float:
    """The votes that count: without bursts, plus the worth of comments and of points elsewhere."""
    comments = weights.comment_votes * max(0.0, terms.comments - 1)
    elsewhere = weights.hackernews * terms.hackernews
    return max(0.0, terms.upvotes - weights.bursts * terms.burst) + comments + elsewhere


def _level(pool: Sequence[ScoreTerms], list_days: int) -> float:
    """The logarithm of the votes needed to be among the best of the pool.

    The 5th paper for each list day, that is the 25th of a week, may end with as many.
    """
    expected = sorted(
        (
            math.log1p(terms.points) + _between(between_knots(terms.votes_age_hours), GROWTH)
            for terms in pool
            if terms.voted
        ),
        reverse=True,
    )
    return expected[min(_BEST_A_DAY * list_days, len(expected)) - 1] if expected else 0.0


def _list_ranks(days: Sequence[date | None], pool: Sequence[ScoreTerms]) -> dict[tuple[date | None, float], float]:
    """By list day and points, the rank on that day's list, from 1; equal points share the better rank."""
    ranks: dict[tuple[date | None, float], float] = {}
    counts: Counter[date | None] = Counter()
    for day, terms in sorted(zip(days, pool, strict=True), key=lambda pair: -pair[1].points):
        counts[day] += 1
        ranks.setdefault((day, terms.points), float(counts[day]))
    return ranks


def _place_in_subjects(papers: Sequence[Observed], pool: Sequence[ScoreTerms]) -> None:
    """Number the papers that nobody votes on within their day and subject, newest first."""
    subjects: dict[tuple[int, str], list[tuple[float, str, ScoreTerms]]] = {}
    for observed, terms in zip(papers, pool, strict=True):
        if not terms.voted:
            subject = (int(terms.open_days), next(iter(observed.paper.categories), ""))
            subjects.setdefault(subject, []).append((terms.age_hours, observed.paper.id, terms))
    for subject_papers in subjects.values():
        for place, (_, _, terms) in enumerate(sorted(subject_papers, key=lambda paper: paper[:2]), start=1):
            terms.subject_place, terms.subject_papers = float(place), float(len(subject_papers))


def _add_up(terms: ScoreTerms, weights: RankingWeights, multipliers: Mapping[str, float]) -> None:
    """Set the parts, in the order of the formula, and their sum, the score."""
    terms.parts = _voted_parts(terms, weights, multipliers) if terms.voted else _unvoted_parts(terms, weights)
    terms.score = sum(terms.parts.values())


def _voted_parts(terms: ScoreTerms, weights: RankingWeights, multipliers: Mapping[str, float]) -> dict[str, float]:
    knots, values = between_knots(terms.votes_age_hours), features(terms)
    parts = {"age": _between(knots, CHANCE["age"]), "votes": _between(knots, CHANCE["votes"]) * values.pop("votes")}
    for name, value in values.items():
        parts[name] = multipliers[name] * value
    parts["waiting"] = math.log(max(_LEAST_LEFT, 1 - weights.waiting * 24 * terms.waited_days))
    return parts


def _unvoted_parts(terms: ScoreTerms, weights: RankingWeights) -> dict[str, float]:
    """Whole days since the first sight, then breadth: of n papers, the kth comes by (k - 0.5) / sqrt(n).

    So large subjects come first, and none fills the list. Breadth costs less than a day.
    """
    turn = (terms.subject_place - 0.5) / math.sqrt(terms.subject_papers) if terms.subject_papers else 0.0
    days = float(int(terms.open_days)) if weights.waiting else 0.0
    return {"no_votes": _UNVOTED, "waiting": -days, "breadth": -turn / (1 + turn)}


def _multipliers(weights: RankingWeights) -> Mapping[str, float]:
    """By name, the fitted coefficients that are the same at every age, times the operator's weights."""
    factors = {
        "pace": weights.pace,
        "words": weights.words,
        **dict.fromkeys(("code", "stars", "project"), weights.community),
        **dict.fromkeys(
            ("organization", "submitter", "submitter_growth", "authors_growth", "submitter_papers"), weights.records
        ),
    }
    constant = {name: values[0] for name, values in CHANCE.items() if len(values) == 1} | {"words": 1.0}
    return {name: factors.get(name, 1.0) * value for name, value in constant.items()}


def _between(knots: Knots, values: Sequence[float]) -> float:
    (before, share_before), (after, share_after) = knots
    return share_before * values[before] + share_after * values[after]


def features(terms: ScoreTerms) -> dict[str, float]:
    """The values that the fitted coefficients multiply, by name. benchmarks/fit_ranking.py fits them."""
    above = math.log1p(terms.points) - terms.level
    before = terms.upvotes_before
    youth = math.exp(-terms.votes_age_hours / YOUTH_HOURS)
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
        "submitter_growth": youth * terms.submitter_growth,
        "authors_growth": youth * terms.authors_growth,
        "submitter_papers": youth * math.log1p(terms.submitter_papers),
        "words": youth * terms.words,
    }
