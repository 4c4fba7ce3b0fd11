"""Track records of organisations, submitters and authors from earlier weeks. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    first_upvotes: int | None = None  # at the first look; None when the votes were looked at once only
    authors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrackRecords:
    """By name, how earlier papers did in logarithms of votes, compared with the average paper and shrunk towards 0.

    The first two are about where papers ended, the next two about how much they grew from the first look to the last.
    """

    organizations: Mapping[str, float] = field(default_factory=dict)
    submitters: Mapping[str, float] = field(default_factory=dict)
    submitter_growth: Mapping[str, float] = field(default_factory=dict)
    author_growth: Mapping[str, float] = field(default_factory=dict)
    submitter_papers: Mapping[str, int] = field(default_factory=dict)

    def authors_growth(self, authors: Iterable[str]) -> float:
        """The record of the author whose papers grew most unusually, by much or by little."""
        return max((self.author_growth.get(name, 0.0) for name in authors), key=abs, default=0.0)


def track_records(past: Iterable[Past], now: datetime) -> TrackRecords:
    """The records at `now`, from complete ISO weeks, each measured against its own 25th best paper."""
    weeks: dict[tuple[int, int], list[Past]] = {}
    for paper in past:
        weeks.setdefault(paper.first_seen_at.isocalendar()[:2], []).append(paper)
    complete = [
        papers for week, papers in sorted(weeks.items()) if week < now.isocalendar()[:2] and len(papers) >= _MIN_PAPERS
    ]
    ends = _above_average([excess for papers in complete for excess in _above_the_25th(papers)])
    growths = _above_average([growth for papers in complete for growth in _growths(papers)])
    return TrackRecords(
        _shrunk((paper.organization, end) for paper, end in ends),
        _shrunk((paper.submitter, end) for paper, end in ends),
        _shrunk((paper.submitter, growth) for paper, growth in growths),
        _shrunk((author, growth) for paper, growth in growths for author in dict.fromkeys(paper.authors)),
        Counter(paper.submitter for papers in complete for paper in papers if paper.submitter),
    )


def _above_the_25th(papers: Sequence[Past]) -> list[tuple[Past, float]]:
    level = math.log1p(sorted((paper.upvotes for paper in papers), reverse=True)[WEEK_BEST - 1])
    return [(paper, math.log1p(paper.upvotes) - level) for paper in papers]


def _growths(papers: Sequence[Past]) -> list[tuple[Past, float]]:
    return [
        (paper, math.log1p(paper.upvotes) - math.log1p(paper.first_upvotes))
        for paper in papers
        if paper.first_upvotes is not None
    ]


def _above_average(values: Sequence[tuple[Past, float]]) -> list[tuple[Past, float]]:
    average = sum(value for _, value in values) / len(values) if values else 0.0
    return [(paper, value - average) for paper, value in values]


def _shrunk(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    by_name: dict[str, list[float]] = {}
    for name, value in values:
        by_name.setdefault(name, []).append(value)
    return {name: sum(papers) / (len(papers) + _PRIOR_PAPERS) for name, papers in by_name.items() if name}
