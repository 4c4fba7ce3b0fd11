"""The papers of an issue as dots, votes against score, for the page on how papers are chosen. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 40, 350, 12, 200  # of the part with dots
_LOWEST, _HIGHEST = -6.0, 8.0  # scores beyond are drawn at the edge
_CHANCES = (0.01, 0.1, 0.5, 0.9, 0.99)
_VOTES = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)

Dot = tuple[float, float]  # votes and score


@dataclass(frozen=True, slots=True)
class IssueChart:
    """The paths of the dots, and each tick's position with its label."""

    best: str
    others: str
    floor: float | None
    chances: tuple[tuple[float, float], ...]
    votes: tuple[tuple[float, int], ...]


def issue_chart(dots: Sequence[Dot], best: int, floor: float | None) -> IssueChart:
    """Draw the papers of an issue in their order; the first `best` are its best."""
    most = max([votes for votes, _score in dots], default=0.0)
    ticks = tuple((_x(votes, most), votes) for votes in _VOTES if votes <= most)
    return IssueChart(
        _path(dots[:best], most),
        _path(dots[best:], most),
        None if floor is None else _y(floor),
        tuple((_y(math.log(chance / (1 - chance))), chance) for chance in _CHANCES),
        ticks,
    )


def count_best(dots: Sequence[Dot], most: int, floor: float | None) -> int:
    """The number of best papers: up to `most`, and only those above the floor."""
    return min(most, len(dots) - count_below(dots, floor))


def count_below(dots: Sequence[Dot], floor: float | None) -> int:
    return 0 if floor is None else sum(score < floor for _votes, score in dots)


def chance_of(score: float) -> float:
    """The chance whose log-odds are `score`."""
    return 1 / (1 + math.exp(-score))


def _path(dots: Iterable[Dot], most: float) -> str:
    """A line of no length for each dot, which round ends make visible; dots that coincide are drawn once."""
    places = dict.fromkeys((_x(votes, most), _y(score)) for votes, score in dots)
    return "".join(f"M{x:g} {y:g}h0" for x, y in places)


def _x(votes: float, most: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * math.log1p(votes) / math.log1p(most or 1))


def _y(score: float) -> float:
    share = (min(max(score, _LOWEST), _HIGHEST) - _LOWEST) / (_HIGHEST - _LOWEST)
    return round(BOTTOM - (BOTTOM - TOP) * share)
