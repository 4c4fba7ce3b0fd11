"""Votes over time → a small line for the page of a paper. Pure; SVG attributes alone, as our CSP wants it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.language import Message, _, n_
from digest.papers.paper import Votes

WIDTH, HEIGHT, EDGE = 320, 88, 6
_MOST_POINTS = 48
_MOST_ON_A_CARD = 14


@dataclass(frozen=True, slots=True)
class VotesChart:
    """What the template draws."""

    line: str  # `points` of a polyline
    area: str  # `points` of a polygon: the line, closed along the bottom
    last: tuple[float, float]
    words: Message  # the same in a sentence


@dataclass(frozen=True, slots=True)
class Curve:
    """The small line on a card, 88 by 32."""

    line: str  # `points` of a polyline
    last: tuple[int, int]


def votes_curve(votes: Sequence[Votes]) -> Curve | None:
    """The votes over time; None when they were seen at less than two instants, or never grew."""
    seen = _totals(votes)
    step = -(-len(seen) // _MOST_ON_A_CARD) or 1
    seen = seen if step == 1 else [*seen[:-1:step], seen[-1]]
    if len(seen) < 2 or not seen[-1][1]:
        return None
    (start, _first), (end, _last) = seen[0], seen[-1]
    seconds, most = (end - start).total_seconds(), max(count for _, count in seen)
    points = [(round(2 + 83 * (at - start).total_seconds() / seconds), round(30 - 27 * n / most)) for at, n in seen]
    return Curve(" ".join(f"{x},{y}" for x, y in points), points[-1])


def votes_chart(votes: Sequence[Votes]) -> VotesChart | None:
    """The votes of all sources together at each observation; None when they were seen at less than two instants."""
    seen = _thinned(_totals(votes))
    if len(seen) < 2 or not seen[-1][1]:
        return None
    (start, first), (end, last) = seen[0], seen[-1]
    seconds, most = (end - start).total_seconds(), max(count for _, count in seen)
    points = [
        (
            round(EDGE + (WIDTH - 2 * EDGE) * (at - start).total_seconds() / seconds, 1),
            round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * count / most, 1),
        )
        for at, count in seen
    ]
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    area = f"{EDGE},{HEIGHT - EDGE} {line} {WIDTH - EDGE},{HEIGHT - EDGE}"
    words = _(
        "From %(first)s on %(start)s to %(last)s on %(end)s.",
        first=_counted(first),
        start=_moment(start),
        last=_counted(last),
        end=_moment(end),
    )
    return VotesChart(line, area, points[-1], words)


def _totals(votes: Sequence[Votes]) -> list[tuple[datetime, int]]:
    """At each instant what all sources had shown last, added up."""
    latest: dict[str, int] = {}
    totals: dict[datetime, int] = {}
    for seen in sorted(votes, key=lambda seen: (seen.observed_at, seen.source)):
        latest[seen.source] = seen.upvotes
        totals[seen.observed_at] = sum(latest.values())
    return list(totals.items())


def _thinned(seen: list[tuple[datetime, int]]) -> list[tuple[datetime, int]]:
    """At most so many that the page stays small; the first and the last stay."""
    step = -(-len(seen) // _MOST_POINTS) or 1
    return seen if step == 1 else [*seen[:-1:step], seen[-1]]


def _counted(votes: int) -> Message:
    return n_("%(num)s vote", "%(num)s votes", num=votes)


def _moment(at: datetime) -> Message:
    return _("%(day)s, %(hour)s UTC", day=at.date(), hour=f"{at:%H:%M}")
