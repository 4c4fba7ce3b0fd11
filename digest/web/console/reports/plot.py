"""Numbers by day → columns or a line. Pure; SVG attributes alone, as our CSP wants it.

The drawing is stretched to the width of the page, so that its labels are text of the page, not of the drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

WIDTH, HEIGHT = 1000, 200  # units
_GAP = 0.25  # of a column's width
_WIDEST = 120  # units of a column, where there are few


@dataclass(frozen=True, slots=True)
class PlotBar:
    """A rectangle, and what a mouse over it shows."""

    style: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What the template draws."""

    top: int  # the number at the upper edge
    labels: tuple[str, ...]  # below it: the first, the middle and the last
    bars: tuple[PlotBar, ...] = ()
    line: str = ""  # `points` of a polyline
    area: str = ""  # `points` of a polygon: the line, closed along the bottom
    zero: float = HEIGHT  # where the number 0 is


@dataclass(frozen=True, slots=True)
class Column:
    """The counts of one day or issue, each with its style; a negative one hangs below the others."""

    label: str
    counts: Sequence[tuple[str, int, str]]  # style, count, and what it counts


def columns(days: Sequence[Column]) -> Plot:
    """Draw a column for each, whose counts are stacked."""
    up = max((sum(max(0, count) for _, count, _ in day.counts) for day in days), default=0)
    down = max((sum(max(0, -count) for _, count, _ in day.counts) for day in days), default=0)
    top = round_up(up)
    unit = HEIGHT / max(1, top + down)
    zero = top * unit if up or down else HEIGHT
    step = WIDTH / max(1, len(days))
    width = min(step * (1 - _GAP), _WIDEST)
    bars = [bar for number, day in enumerate(days) for bar in _stack(day, number * step, width, unit, zero)]
    return Plot(top, _labels([day.label for day in days]), tuple(bars), zero=round(zero, 2))


def _stack(day: Column, x: float, width: float, unit: float, zero: float) -> list[PlotBar]:
    above = below = zero
    bars = []
    for style, count, what in day.counts:
        height = abs(count) * unit
        if count > 0:
            above -= height
        if count:
            y = above if count > 0 else below
            title = f"{day.label}: {abs(count):,} {what}"
            bars.append(PlotBar(style, round(x, 2), round(y, 2), round(width, 2), round(height, 2), title))
        if count < 0:
            below += height
    return bars


def line(days: Sequence[tuple[str, int]]) -> Plot:
    """Draw a number for each day, from 0 up."""
    top = round_up(max((count for _, count in days), default=0))
    step = WIDTH / max(1, len(days) - 1)
    points = [
        f"{round(number * step, 2):g},{round(HEIGHT - HEIGHT * count / max(1, top), 2):g}"
        for number, (_, count) in enumerate(days)
    ]
    if len(points) == 1:
        points.append(f"{WIDTH},{points[0].partition(',')[2]}")
    drawn = " ".join(points)
    area = f"0,{HEIGHT} {drawn} {WIDTH},{HEIGHT}" if points else ""
    return Plot(top, _labels([label for label, _ in days]), line=drawn, area=area)


def round_up(number: int) -> int:
    """The next number that people like to read: 1, 2 or 5 and zeros, or half of one of them."""
    if number <= 0:
        return 0
    unit = 10.0 ** floor(log10(number))
    nice = next(factor * unit for factor in (1, 1.5, 2, 3, 4, 5, 7.5, 10) if factor * unit >= number)
    return max(number, round(nice))


def _labels(labels: Sequence[str]) -> tuple[str, ...]:
    if len(labels) < 3:
        return tuple(labels)
    return (labels[0], labels[len(labels) // 2], labels[-1])
