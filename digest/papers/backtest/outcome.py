"""Rates a replay: the share of each week's best papers that was sent, how soon, and the share of all that was good."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from digest.papers.backtest.recorded import Recorded
from digest.papers.backtest.replay import ReplayedDay
from digest.papers.ranking import WEEK_BEST

GOOD = 50  # a paper among so many of its week was worth sending
_MIN_PAPERS = 60  # weeks with fewer papers do not count
_WEEKEND = (5, 6, 0)  # Saturday to Monday morning


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """Of the ISO weeks that lie in the replayed days. None where no such week has enough papers."""

    weeks: int
    recall: float | None  # mean share of the week's 25 best that were sent
    delay_hours: float | None  # mean, of those, since they were first seen
    papers_a_week: float
    weekend_papers: float  # a week, from Saturday to Monday morning
    good_share: float | None  # of the sent papers, those that ended among the 50 best of their week
    recall_error: float | None  # standard errors over the weeks; None for fewer than two
    delay_error: float | None


def outcome(recorded: Recorded, replayed: Sequence[ReplayedDay]) -> ReplayOutcome:
    """By the most votes ever observed of each paper. A paper belongs to the week in which it was first seen."""
    sent = {ranked.paper.id: day.cut_at for day in replayed if day.cut_at for ranked in day.sent}
    on_weekends = sum(len(day.sent) for day in replayed if day.day.weekday() in _WEEKEND)
    ordered = _weeks(recorded, replayed)
    found = [[float(paper_id in sent) for paper_id in papers[:WEEK_BEST]] for papers in ordered]
    delays = [
        [
            (sent[paper_id] - recorded.first_seen[paper_id]).total_seconds() / 3600
            for paper_id in papers[:WEEK_BEST]
            if paper_id in sent
        ]
        for papers in ordered
    ]
    good = [place < GOOD for papers in ordered for place, paper_id in enumerate(papers) if paper_id in sent]
    weeks = len(replayed) / 7
    return ReplayOutcome(
        len(ordered),
        _mean(found),
        _mean(delays),
        len(sent) / weeks,
        on_weekends / weeks,
        _mean([list(map(float, good))]),
        _error(found),
        _error(delays),
    )


def _weeks(recorded: Recorded, replayed: Sequence[ReplayedDay]) -> list[list[str]]:
    """The papers of each week that was replayed, best first."""
    weeks: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for paper_id, at in recorded.first_seen.items():
        if replayed[0].day <= at.date() <= replayed[-1].day:
            most = max(map(attrgetter("upvotes"), recorded.votes[paper_id]))
            weeks.setdefault(at.isocalendar()[:2], []).append((-most, paper_id))
    return [[paper_id for _, paper_id in sorted(papers)] for papers in weeks.values() if len(papers) >= _MIN_PAPERS]


def _mean(weeks: Sequence[Sequence[float]]) -> float | None:
    """Return the mean of all values of all weeks."""
    values = [value for week in weeks for value in week]
    return sum(values) / len(values) if values else None


def _error(weeks: Sequence[Sequence[float]]) -> float | None:
    """Return the standard error of that mean. Weeks are taken as independent, the papers of one week are not."""
    mean = _mean(weeks)
    if mean is None or len(weeks) < 2:
        return None
    squares = sum((sum(week) - mean * len(week)) ** 2 for week in weeks)
    return math.sqrt(squares * len(weeks) / (len(weeks) - 1)) / sum(map(len, weeks))
