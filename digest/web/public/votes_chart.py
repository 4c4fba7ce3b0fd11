"""Votes over time → a plot for the page of a paper. Pure; SVG attributes alone, as our CSP wants it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from digest.language import Message, _, n_
from digest.papers.paper import Votes

WIDTH, HEIGHT = 360, 150
LEFT, RIGHT, TOP, BOTTOM = 38, 334, 12, 124  # of the part with the line
_MOST_DATES = 4
_MOST_POINTS = 48
_MOST_ON_A_CARD = 14
_Time = TypeVar("_Time", int, datetime)


@dataclass(frozen=True, slots=True)
class VotesChart:
    """What the template draws."""

    line: str  # `points` of a polyline
    area: str  # `points` of a polygon: the line, closed along the bottom
    last: tuple[float, float]
    words: Message  # the same in a sentence
    counts: tuple[tuple[float, int], ...]  # heights with their labels
    times: tuple[tuple[float, date | str], ...]  # places with their labels: days, or hours such as `08:00`


@dataclass(frozen=True, slots=True)
class Curve:
    """The small line on a card, 88 by 32."""

    line: str  # `points` of a polyline
    last: tuple[int, int]


def votes_curve(seen: Iterable[tuple[int, str, int]]) -> Curve | None:
    """The votes over time, from (seconds, source, votes); None when they were seen at less than two instants, or never
    grew.
    """
    totals = _totals(seen)
    step = -(-len(totals) // _MOST_ON_A_CARD) or 1
    totals = totals if step == 1 else [*totals[:-1:step], totals[-1]]
    if len(totals) < 2 or not totals[-1][1]:
        return None
    start, seconds, most = totals[0][0], totals[-1][0] - totals[0][0], max(count for _, count in totals)
    points = [(round(2 + 83 * (at - start) / seconds), round(30 - 27 * count / most)) for at, count in totals]
    return Curve(" ".join(f"{x},{y}" for x, y in points), points[-1])


def votes_chart(votes: Sequence[Votes]) -> VotesChart | None:
    """The votes of all sources together at each observation; None when they were seen at less than two instants."""
    seen = _thinned(_totals((look.observed_at, look.source, look.upvotes) for look in votes))
    if len(seen) < 2 or not seen[-1][1]:
        return None
    (start, first), (end, last) = seen[0], seen[-1]
    most = max(count for _at, count in seen)
    points = [(_x(at, start, end), _y(count, most)) for at, count in seen]
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    words = _(
        "From %(first)s on %(start)s to %(last)s on %(end)s.",
        first=_counted(first),
        start=_moment(start),
        last=_counted(last),
        end=_moment(end),
    )
    return VotesChart(
        line=line,
        area=f"{LEFT},{BOTTOM} {line} {RIGHT},{BOTTOM}",
        last=points[-1],
        words=words,
        counts=tuple((_y(count, most), count) for count in _round_counts(most)),
        times=tuple((_x(at, start, end), label) for at, label in _times(start, end)),
    )


def _x(at: datetime, start: datetime, end: datetime) -> float:
    return round(LEFT + (RIGHT - LEFT) * ((at - start) / (end - start)), 1)


def _y(count: int, most: int) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * count / most, 1)


def _round_counts(most: int) -> range:
    """0 and one to three round numbers up to `most`."""
    steps = (digit * 10**power for power in range(9) for digit in (1, 2, 5))
    return range(0, most + 1, next(step for step in steps if most // step <= 3))


def _times(start: datetime, end: datetime) -> list[tuple[datetime, date | str]]:
    """A few midnights; the first and the last hour where there is less than two of those."""
    first = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    midnights = [first + timedelta(days=day) for day in range((end - first).days + 1)]
    if len(midnights) < 2:
        return [(at, f"{at:%H:%M}") for at in (start, end)]
    step = -(-len(midnights) // _MOST_DATES)
    return [(at, at.date()) for at in midnights[::step]]


def _totals(seen: Iterable[tuple[_Time, str, int]]) -> list[tuple[_Time, int]]:
    """At each instant what all sources had shown last, added up."""
    latest: dict[str, int] = {}
    totals: dict[_Time, int] = {}
    for at, source, count in sorted(seen):
        latest[source] = count
        totals[at] = sum(latest.values())
    return list(totals.items())


def _thinned(seen: list[tuple[datetime, int]]) -> list[tuple[datetime, int]]:
    """At most so many that the page stays small; the first and the last stay."""
    step = -(-len(seen) // _MOST_POINTS) or 1
    return seen if step == 1 else [*seen[:-1:step], seen[-1]]


def _counted(votes: int) -> Message:
    return n_("%(num)s vote", "%(num)s votes", num=votes)


def _moment(at: datetime) -> Message:
    hour = f"{at:%H:%M}"
    return _("%(day)s, %(hour)s UTC", day=at.date(), hour=hour)
