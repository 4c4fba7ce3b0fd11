"""Track records of organisations and submitters from earlier weeks. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

WEEK_BEST = 25  # the ranking predicts being among this many of the ISO week in which a paper was first seen
RECORD_DAYS = 365  # how far back the records go
_MIN_PAPERS = 60  # weeks with fewer papers say little
_PRIOR_PAPERS = 4.0  # every name starts with this many average papers


@dataclass(frozen=True, slots=True)
class Past:
    """A paper of an earlier week, with the most votes observed."""

    organization: str
    submitter: str
    first_seen_at: datetime
    upvotes: int


@dataclass(frozen=True, slots=True)
class TrackRecords:
    """By name, how far its papers ended above the average paper, in logarithms of votes, shrunk towards 0."""

    organizations: Mapping[str, float] = field(default_factory=dict)
    submitters: Mapping[str, float] = field(default_factory=dict)


def track_records(past: Iterable[Past], now: datetime) -> TrackRecords:
    """The records at `now`, from complete ISO weeks, each measured against its own 25th best paper."""
    weeks: dict[tuple[int, int], list[Past]] = {}
    for paper in past:
        weeks.setdefault(paper.first_seen_at.isocalendar()[:2], []).append(paper)
    excesses = [
        (paper, excess)
        for week, papers in sorted(weeks.items())
        if week < now.isocalendar()[:2] and len(papers) >= _MIN_PAPERS
        for paper, excess in _above_the_25th(papers)
    ]
    average = sum(excess for _, excess in excesses) / len(excesses) if excesses else 0.0
    return TrackRecords(
        _shrunk((paper.organization, excess - average) for paper, excess in excesses),
        _shrunk((paper.submitter, excess - average) for paper, excess in excesses),
    )


def _above_the_25th(papers: list[Past]) -> list[tuple[Past, float]]:
    level = math.log1p(sorted((paper.upvotes for paper in papers), reverse=True)[WEEK_BEST - 1])
    return [(paper, math.log1p(paper.upvotes) - level) for paper in papers]


def _shrunk(excesses: Iterable[tuple[str, float]]) -> dict[str, float]:
    by_name: dict[str, list[float]] = {}
    for name, excess in excesses:
        by_name.setdefault(name, []).append(excess)
    return {name: sum(papers) / (len(papers) + _PRIOR_PAPERS) for name, papers in by_name.items() if name}
