"""Recall, delay and the share of good papers, for several prices of waiting and several floors.

`python -m benchmarks.ranking_curve --data DIR --from D --to D [--picture FILE.svg] [--json]` replays the recorded days
for several values of `waiting`, with one issue for each list day, and for several floors, with an issue every day as
the product sends them and with one for each list day. The picture shows the first.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from digest.papers.backtest import Recorded, Rules, outcome, read_folder, replay
from digest.papers.ranking import RankingWeights

WAITING = (0.0, 0.006, 0.009, 0.0105, 0.0115, 0.0125, 0.014, 0.018)
FLOORS = (-math.inf, -4.5, -4.0, -3.5, -3.0, -2.5, -2.0)
_RULES = Rules(RankingWeights(), 7, 10)
_LEFT, _TOP, _WIDTH, _HEIGHT = 60, 20, 520, 300
_HOURS, _RECALL = (1.0, 9.0), (0.90, 1.0)


def main() -> None:
    """Replay, print, and draw with --picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--from", type=date.fromisoformat, required=True, dest="first")
    parser.add_argument("--to", type=date.fromisoformat, required=True, dest="last")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    recorded, span = read_folder(options.data), (options.first, options.last)
    points = []
    for rules in _variants():
        points.append(_point(recorded, rules, span))
        print(_line(points[-1]), file=sys.stderr)
    print(json.dumps(points) if options.json else "\n".join(_table(points)))
    if options.picture:
        options.picture.write_text(_picture(points[: len(WAITING)]), encoding="utf-8")


def _variants() -> Iterator[Rules]:
    for waiting in WAITING:
        yield replace(_RULES, weights=replace(_RULES.weights, waiting=waiting))
    for every_day in (True, False):
        for floor in FLOORS:
            yield replace(_RULES, floor=floor, every_day=every_day)


def _point(recorded: Recorded, rules: Rules, span: tuple[date, date]) -> dict[str, Any]:
    floor = None if rules.floor == -math.inf else rules.floor
    point = {"waiting": rules.weights.waiting, "floor": floor, "every_day": rules.every_day}
    return point | asdict(outcome(recorded, list(replay(recorded, rules, *span))))


def _table(points: list[dict[str, Any]]) -> list[str]:
    heading = "| waiting | floor | issues | recall | delay | papers a week | Saturday to Monday | in the best 50 |"
    return [heading, "|---|---|---|---|---|---|---|---|", *map(_line, points)]


def _line(point: dict[str, Any]) -> str:
    issues = "every day" if point["every_day"] else "list days"
    floor = "none" if point["floor"] is None else point["floor"]
    return (
        f"| {point['waiting']} | {floor} | {issues} | {point['recall']:.3f} | {point['delay_hours']:.1f} h "
        f"| {point['papers_a_week']:.1f} | {point['weekend_papers']:.1f} | {point['good_share']:.0%} |"
    )


def _picture(points: list[dict[str, Any]]) -> str:
    at = [(point["waiting"], _x(point["delay_hours"]), _y(point["recall"])) for point in points]
    line = " ".join(f"{x},{y}" for _, x, y in at)
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="3" fill="#1f5fa8"/>'
        f'<text x="{x + 6}" y="{y + 14}" fill="#1f5fa8">{waiting}</text>'
        for waiting, x, y in at
    )
    hours = "".join(
        f'<text x="{_x(hour)}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{hour} h</text>' for hour in range(1, 10)
    )
    shares = "".join(
        f'<text x="{_LEFT - 8}" y="{_y(share / 100) + 4}" text-anchor="end">{share} %</text>'
        for share in range(90, 101, 2)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 {_TOP + _HEIGHT + 30}" font-family="sans-serif" '
        'font-size="12"><title>Share of the best 25 papers of a week that were sent, over the mean delay, for several '
        'prices of waiting</title><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#bbbbbb"/>'
        f'<polyline points="{line}" fill="none" stroke="#1f5fa8"/>{dots}{hours}{shares}</svg>\n'
    )


def _x(hours: float) -> float:
    return round(_LEFT + (hours - _HOURS[0]) / (_HOURS[1] - _HOURS[0]) * _WIDTH, 1)


def _y(recall: float) -> float:
    return round(_TOP + (_RECALL[1] - recall) / (_RECALL[1] - _RECALL[0]) * _HEIGHT, 1)


if __name__ == "__main__":
    main()
