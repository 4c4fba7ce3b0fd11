"""Replays recorded days: what a subscriber to every issue would have received, and when, with today's ranking.

There is one issue per list day, cut when that day's list was first read, from what was observed by then. The rules may
ask for an issue on every other day as well, as the product sends them.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from operator import attrgetter, itemgetter

from digest.papers.backtest.recorded import Recorded
from digest.papers.paper import Observed, Paper, RankedPaper, Votes
from digest.papers.ranking import RECORD_DAYS, Past, RankingWeights, TrackRecords, rank, track_records

LEAST_PAPERS = 3  # an issue with a floor that has fewer is held back


@dataclass(frozen=True, slots=True)
class ReplayedDay:
    """A day with the papers sent, best first, or the reason why there was no issue."""

    day: date
    cut_at: datetime | None
    sent: tuple[RankedPaper, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a replay: the weights, how long papers stay in the pool, and how many are sent a day.

    `every_day`: also on days without a list, at the hour of the last list. `floor`: papers with a lower score are not
    sent, and an issue that would have fewer than LEAST_PAPERS is held back, so that its papers wait for the next.
    """

    weights: RankingWeights
    pool_days: float
    per_day: int
    every_day: bool = False
    floor: float = -math.inf


def replay(recorded: Recorded, rules: Rules, first: date, last: date) -> Iterator[ReplayedDay]:
    """Every day from `first` to `last`, both included; no paper is sent twice."""
    archive = Archive(recorded)
    sent_ids: set[str] = set()
    usual: time | None = None
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        cut_at = cut_of(recorded, day)
        if cut_at is None and rules.every_day and usual is not None:
            cut_at = datetime.combine(day, usual)
        if cut_at is None:
            yield ReplayedDay(day, None, (), _why_none(recorded, day))
            continue
        usual = cut_at.timetz()
        pool = archive.pool(cut_at, rules.pool_days)
        ranked = rank(pool, rules.weights, cut_at, archive.records(cut_at))
        sent, reason = _chosen(ranked, sent_ids, rules)
        sent_ids.update(ranked_paper.paper.id for ranked_paper in sent)
        yield ReplayedDay(day, cut_at, sent, reason)


def _chosen(
    ranked: Iterable[RankedPaper], sent_ids: Collection[str], rules: Rules
) -> tuple[tuple[RankedPaper, ...], str]:
    """The papers to send, or none and the reason."""
    unsent = [ranked_paper for ranked_paper in ranked if ranked_paper.paper.id not in sent_ids]
    sent = tuple(ranked_paper for ranked_paper in unsent if ranked_paper.score >= rules.floor)[: rules.per_day]
    if not unsent:
        return (), "nothing new was on the lists"
    if rules.floor > -math.inf and len(sent) < LEAST_PAPERS:
        return (), f"fewer than {LEAST_PAPERS} papers were worth sending"
    return sent, ""


def cut_of(recorded: Recorded, day: date) -> datetime | None:
    """The time at which the list of `day` was first read on that day (UTC)."""
    return min((at for at in recorded.read_at.get(day, ()) if at.date() == day), default=None)


def _why_none(recorded: Recorded, day: date) -> str:
    later = recorded.read_at.get(day, ())
    if later:
        return f"its list was first read on {min(later).date()}"
    if day in recorded.list_days:
        return "its votes were not recorded"
    return "no lists are made on weekends" if day.weekday() >= 5 else "no list was recorded"


def _past(seen: Observed) -> Past:
    paper, counts = seen.paper, [votes.upvotes for votes in seen.votes]
    first = min(counts) if len({votes.observed_at for votes in seen.votes}) > 1 else None
    return Past(paper.organization, paper.submitter, seen.first_seen_at, max(counts), first, paper.authors)


class Archive:
    """The recorded papers and votes as they were known at an instant that moves forward."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._seen = sorted((at, paper_id) for paper_id, at in recorded.first_seen.items())
        self._records: dict[tuple[int, int], TrackRecords] = {}

    def pool(self, cut_at: datetime, pool_days: float) -> list[Observed]:
        """The papers first seen in the `pool_days` before, with the votes observed by then."""
        since = cut_at - timedelta(days=pool_days)
        start, end = (bisect_right(self._seen, at, key=itemgetter(0)) for at in (since, cut_at))
        return [
            Observed(self._paper(paper_id, cut_at), at, self._votes(paper_id, cut_at))
            for at, paper_id in self._seen[start:end]
        ]

    def records(self, cut_at: datetime) -> TrackRecords:
        """The track records of this ISO week, as of its first cut."""
        week = cut_at.isocalendar()[:2]
        if week not in self._records:
            self._records[week] = track_records(map(_past, self.pool(cut_at, RECORD_DAYS)), cut_at)
        return self._records[week]

    def _paper(self, paper_id: str, cut_at: datetime) -> Paper:
        paper = self._recorded.papers.get(paper_id)
        return paper if paper and self._recorded.first_listed_at[paper_id] <= cut_at else Paper(paper_id, paper_id)

    def _votes(self, paper_id: str, cut_at: datetime) -> tuple[Votes, ...]:
        votes = self._recorded.votes[paper_id]
        return tuple(votes[: bisect_right(votes, cut_at, key=attrgetter("observed_at"))])
