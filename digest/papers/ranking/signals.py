"""The signals in the observations of a paper: counts, ages, and how fast they grew. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from operator import attrgetter

from digest.papers.paper import Observed, Votes
from digest.papers.score_terms import ScoreTerms

HACKERNEWS = "hackernews"
PACE_HOURS = 12.0  # the pace is measured over at least half a day, so that a continent's night weighs less
# Faster growth between two observations is a burst. In 2025 no paper on Hugging Face Daily Papers came near it.
BURST_FLOOR = 50.0
BURST_VOTES_AN_HOUR = 15.0
# An unknown time of listing is assumed at this share of the time between the last observation without the paper and the
# first with it, since most papers of a day are listed in its first hours.
_LISTED_AFTER = 0.3
_EVER = datetime.min.replace(tzinfo=UTC)
_DAY, _YESTERDAY = timedelta(hours=24), timedelta(hours=36)  # bounds of the observation that "since yesterday" means


def readings(pool: Iterable[Observed]) -> list[datetime]:
    """The instants at which votes of any paper were observed, in order."""
    return sorted({votes.observed_at for observed in pool for votes in observed.votes})


def listed_at(observed: Observed, now: datetime, read_at: Sequence[datetime] = ()) -> datetime:
    """The time of listing, not after `now`; `read_at` comes from readings().

    Some sources give only the date, as midnight, and some give nothing.
    """
    listed, first_seen = observed.paper.listed_at, observed.first_seen_at
    if listed is not None and listed.time() != time():
        return min(listed, now)
    before = bisect_left(read_at, first_seen)
    earliest = max(filter(None, (listed, read_at[before - 1] if before else None)), default=first_seen)
    return min(max(earliest, earliest + _LISTED_AFTER * (first_seen - earliest)), now)


def signals_of(observed: Observed, listed: datetime, now: datetime) -> ScoreTerms:
    """The terms that come from a paper's votes, all of them observed by `now`; none if no source counts votes for it.

    Counts are sums of the latest count of each source. Its age counts from `listed`.
    """
    if not observed.votes:
        return ScoreTerms()
    by_source: dict[str, list[Votes]] = {}
    for votes in sorted(observed.votes, key=attrgetter("observed_at")):
        by_source.setdefault(votes.source, []).append(votes)
    last = max(series[-1].observed_at for series in by_source.values())
    points = by_source.pop(HACKERNEWS, [])
    before = [_upvotes_at(series, last - timedelta(hours=PACE_HOURS)) for series in by_source.values()]
    return ScoreTerms(
        voted=1.0,
        upvotes=float(sum(series[-1].upvotes for series in by_source.values())),
        upvotes_before=float(sum(filter(None, before))) if any(count is not None for count in before) else -1.0,
        gained=_gained(by_source.values(), now),
        burst=sum(_burst(series) for series in by_source.values()),
        hackernews=float(points[-1].upvotes if points else 0),
        # A page that shows votes without comments or stars must not undo what another page showed.
        comments=float(sum(max([votes.comments for votes in series]) for series in by_source.values())),
        stars=float(max([votes.stars or 0 for votes in observed.votes])),
        votes_age_hours=max(0.0, hours(last - listed)),
    )


def hours(span: timedelta) -> float:
    return span.total_seconds() / 3600


def _upvotes_at(series: Sequence[Votes], instant: datetime, since: datetime = _EVER) -> int | None:
    """The latest count within [since, instant]."""
    for votes in reversed(series):
        if since <= votes.observed_at <= instant:
            return votes.upvotes
    return None


def _gained(by_source: Iterable[Sequence[Votes]], now: datetime) -> float | None:
    """Votes gained since yesterday, at the sources that were observed then."""
    counts = [(series[-1].upvotes, _upvotes_at(series, now - _DAY, now - _YESTERDAY)) for series in by_source]
    gains = [latest - before for latest, before in counts if before is not None]
    return float(sum(gains)) if gains else None


def _burst(series: Sequence[Votes]) -> float:
    """The upvotes that arrived faster than is plausible."""
    growth = [
        (later.upvotes - earlier.upvotes, hours(later.observed_at - earlier.observed_at))
        for earlier, later in pairwise(series)
        if later.upvotes - earlier.upvotes > BURST_FLOOR
    ]
    beyond = sum((max(0.0, votes - (BURST_FLOOR + BURST_VOTES_AN_HOUR * span)) for votes, span in growth), 0.0)
    return min(beyond, float(series[-1].upvotes))
