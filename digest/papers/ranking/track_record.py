"""How the papers of an organisation, or of who puts papers on the list, did in the weeks before. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

WEEK_BEST = 25  # what the ranking foretells: being among so many of the ISO week in which a paper was first seen
RECORD_DAYS = 365  # how far back it looks
_LEAST_PAPERS = 60  # weeks with fewer papers say little
_PRIOR_PAPERS = 4.0  # a name starts with so many average papers


@dataclass(frozen=True, slots=True)
class Past:
    """A paper of an earlier week and the most votes it was seen with."""

    organization: str
    submitter: str
    first_seen_at: datetime
    upvotes: int


@dataclass(frozen=True, slots=True)
class TrackRecords:
    """By name, how far its papers ended above (or below) the average paper, in logarithms of votes, shrunk to 0."""

    organizations: Mapping[str, float] = field(default_factory=dict)
    submitters: Mapping[str, float] = field(default_factory=dict)


def track_records(past: Iterable[Past], now: datetime) -> TrackRecords:
    """The records at `now`: only ISO weeks that are over count, each against its own 25th best paper."""
    weeks: dict[tuple[int, int], list[Past]] = {}
    for one in past:
        weeks.setdefault(_week(one.first_seen_at), []).append(one)
    this_week = _week(now)
    told = [
        (one, excess)
        for week, papers in sorted(weeks.items())
        if week < this_week and len(papers) >= _LEAST_PAPERS
        for one, excess in _against_the_best(papers)
    ]
    average = sum(excess for _, excess in told) / len(told) if told else 0.0
    return TrackRecords(
        _shrunk((one.organization, excess - average) for one, excess in told),
        _shrunk((one.submitter, excess - average) for one, excess in told),
    )


def _week(at: datetime) -> tuple[int, int]:
    year, week, _ = at.isocalendar()
    return year, week


def _against_the_best(papers: list[Past]) -> list[tuple[Past, float]]:
    level = math.log1p(sorted((one.upvotes for one in papers), reverse=True)[WEEK_BEST - 1])
    return [(one, math.log1p(one.upvotes) - level) for one in papers]


def _shrunk(told: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, tuple[float, int]] = {}
    for name, excess in told:
        if name:
            total, count = sums.get(name, (0.0, 0))
            sums[name] = (total + excess, count + 1)
    return {name: total / (count + _PRIOR_PAPERS) for name, (total, count) in sums.items()}
