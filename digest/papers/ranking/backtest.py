"""Recorded days replayed: what one reader of every issue would have got, and when, had each been ranked as now.

One issue a list day, cut at the instant at which that day's list was first read; nothing is known but what was observed
by then. The ranking is the product's own.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from digest.papers.paper import Observed, Paper, RankedPaper, Votes
from digest.papers.ranking.ranking import RankingWeights, rank
from digest.papers.ranking.recorded import Recorded
from digest.papers.ranking.track_record import RECORD_DAYS, Past, TrackRecords, track_records


@dataclass(frozen=True, slots=True)
class Replayed:
    """One day: its issue with the papers that were sent, best first, or the reason why there was none."""

    day: date
    cut_at: datetime | None
    sent: tuple[RankedPaper, ...]
    pool: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """How the days are replayed: the weights, how long a paper stays in the pool, and how many are sent a day."""

    weights: RankingWeights
    pool_days: float
    per_day: int


def replay(recorded: Recorded, rules: Rules, first: date, last: date) -> Iterator[Replayed]:
    """Every day from `first` to `last`, both included, in order; no paper is sent twice."""
    archive = Archive(recorded)
    already: set[str] = set()
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        cut_at = cut_of(recorded, day)
        if cut_at is None:
            yield Replayed(day, None, (), 0, _why_none(recorded, day))
            continue
        pool = archive.pool(cut_at, rules.pool_days)
        ranked = rank(pool, rules.weights, cut_at, archive.records(cut_at))
        sent = [one for one in ranked if one.paper.id not in already][: rules.per_day]
        already.update(one.paper.id for one in sent)
        yield Replayed(day, cut_at, tuple(sent), len(pool), "" if sent else "nothing new was on the lists")


def cut_of(recorded: Recorded, day: date) -> datetime | None:
    """When the list of `day` was first read on that very day (UTC)."""
    return min((at for at in recorded.read_at.get(day, ()) if at.date() == day), default=None)


def _why_none(recorded: Recorded, day: date) -> str:
    later = recorded.read_at.get(day, ())
    if later:
        return f"its list was first read on {min(later).date()}"
    if day in recorded.list_days:
        return "its votes were not recorded"
    return "no lists are made on weekends" if day.weekday() >= 5 else "no list was recorded"


class Archive:
    """What was known at an instant that moves forward."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._seen = sorted((at, paper_id) for paper_id, at in recorded.first_seen.items())
        self._instants = [at for at, _ in self._seen]
        self._records: tuple[tuple[int, int], TrackRecords] | None = None

    def pool(self, cut_at: datetime, pool_days: float) -> list[Observed]:
        """The papers first seen on a list in the days before, with the votes observed by then."""
        return [
            Observed(self._paper(paper_id, cut_at), at, self._votes(paper_id, cut_at))
            for at, paper_id in self._between(cut_at - timedelta(days=pool_days), cut_at)
        ]

    def records(self, cut_at: datetime) -> TrackRecords:
        """The track records of this ISO week: what was known at its first cut."""
        week = cut_at.isocalendar()[:2]
        if self._records is None or self._records[0] != week:
            self._records = week, track_records(self._past(cut_at), cut_at)
        return self._records[1]

    def _past(self, cut_at: datetime) -> Iterator[Past]:
        for at, paper_id in self._between(cut_at - timedelta(days=RECORD_DAYS), cut_at):
            paper, votes = self._paper(paper_id, cut_at), self._votes(paper_id, cut_at)
            yield Past(paper.organization, paper.submitter, at, max(one.upvotes for one in votes))

    def _between(self, since: datetime, until: datetime) -> Sequence[tuple[datetime, str]]:
        return self._seen[bisect_right(self._instants, since) : bisect_right(self._instants, until)]

    def _paper(self, paper_id: str, cut_at: datetime) -> Paper:
        paper = self._recorded.papers.get(paper_id)
        known = paper is not None and self._recorded.known_at[paper_id] <= cut_at
        return paper if paper is not None and known else Paper(paper_id, paper_id)

    def _votes(self, paper_id: str, cut_at: datetime) -> tuple[Votes, ...]:
        votes = self._recorded.votes[paper_id]
        return tuple(votes[: bisect_right(votes, cut_at, key=lambda one: one.observed_at)])
