"""What the observations of one paper say by now: counts, ages, and how fast they grew. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise

from digest.papers.paper import Observed, Votes

_SIGNAL = "hackernews"
PACE_HOURS = 12.0  # the pace is measured over at least so long: half a day holds day and night of some continent
# A jump between two readings beyond this is a burst. In 2025 no paper of Hugging Face Daily Papers came near it.
BURST_FLOOR = 50.0
BURST_VOTES_AN_HOUR = 15.0
# Where the hour of the listing is not known, it lies between the reading that did not have the paper and the first
# that had it: so far on the way, since most papers of a day are listed in its first hours.
_ON_THE_WAY = 0.3
_DAY, _YESTERDAY = timedelta(hours=24), timedelta(hours=36)  # "since yesterday" is since a reading between the two


@dataclass(frozen=True, slots=True)
class Signals:
    """Counts are sums over the sources of what each showed last; hours count from the listing."""

    listed_at: datetime
    voted: bool  # somebody counts votes for it; without, the counts are 0
    upvotes: int
    upvotes_before: int | None  # PACE_HOURS or more before the latest observation; None when nobody looked then
    gained: int | None  # of the upvotes, those of the last day; None when nobody looked a day ago
    burst: float  # of the upvotes, those that came faster than votes plausibly come
    hackernews: int  # points there: a signal from people who vote for other reasons
    comments: int
    stars: int
    votes_age_hours: float  # age of the paper when its votes were last observed


def readings(pool: Iterable[Observed]) -> list[datetime]:
    """The instants at which votes of any paper were observed, in order."""
    return sorted({seen.observed_at for observed in pool for seen in observed.votes})


def evidence(observed: Observed, now: datetime, read_at: Sequence[datetime] = ()) -> Signals:
    """What is known of one paper at `now`, which is after all its votes; `read_at` is what `readings` gives."""
    listed = min(_listed_at(observed, read_at), now)
    if not observed.votes:
        return Signals(listed, False, 0, None, None, 0.0, 0, 0, 0, 0.0)
    by_source: dict[str, list[Votes]] = {}
    for seen in sorted(observed.votes, key=lambda one: one.observed_at):
        by_source.setdefault(seen.source, []).append(seen)
    last = max(seen[-1].observed_at for seen in by_source.values())
    points = by_source.pop(_SIGNAL, [])
    before = [_at(seen, last - timedelta(hours=PACE_HOURS)) for seen in by_source.values()]
    return Signals(
        listed_at=listed,
        voted=True,
        upvotes=sum(seen[-1].upvotes for seen in by_source.values()),
        upvotes_before=sum(count or 0 for count in before) if any(count is not None for count in before) else None,
        gained=_gained(by_source.values(), now),
        burst=sum(_burst(seen) for seen in by_source.values()),
        hackernews=points[-1].upvotes if points else 0,
        # Pages that show votes without comments or stars must not take back what another showed.
        comments=sum(max(one.comments for one in seen) for seen in by_source.values()),
        stars=max(one.stars or 0 for one in observed.votes),
        votes_age_hours=max(0.0, hours(last - listed)),
    )


def hours(span: timedelta) -> float:
    """A span of time in hours."""
    return span.total_seconds() / 3600


def _listed_at(observed: Observed, read_at: Sequence[datetime]) -> datetime:
    """When the paper was listed; sources that say only the date say midnight, and some say nothing."""
    said, first_seen = observed.paper.listed_at, observed.first_seen_at
    if said is not None and said.time() != time():
        return said
    before = bisect_left(read_at, first_seen)
    earliest = max(filter(None, (said, read_at[before - 1] if before else None)), default=first_seen)
    return max(earliest, earliest + _ON_THE_WAY * (first_seen - earliest))


def _at(seen: Iterable[Votes], instant: datetime) -> int | None:
    count = None
    for one in seen:
        if one.observed_at > instant:
            break
        count = one.upvotes
    return count


def _gained(by_source: Iterable[list[Votes]], now: datetime) -> int | None:
    """Votes gained since yesterday, at the sources that were observed then."""
    gains = [
        seen[-1].upvotes - before
        for seen in by_source
        if (before := _at((votes for votes in seen if votes.observed_at >= now - _YESTERDAY), now - _DAY)) is not None
    ]
    return sum(gains) if gains else None


def _burst(seen: list[Votes]) -> float:
    beyond = 0.0
    for earlier, later in pairwise(seen):
        plausible = BURST_FLOOR + BURST_VOTES_AN_HOUR * hours(later.observed_at - earlier.observed_at)
        beyond += max(0.0, later.upvotes - earlier.upvotes - plausible)
    return min(beyond, float(seen[-1].upvotes))
