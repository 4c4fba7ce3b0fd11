"""The recall-delay curve of the ranking: the share of each week's best that a subscriber gets, and the delay.

`python -m benchmarks.ranking_curve --data DIR --tool weekly_best.py [--picture FILE.svg] [--json]` replays the recorded
days from May 2025 for several values of `fresh_days` and `lateness`, scores each replay with the tool, and prints
both windows: 2025, to which the constants were fitted, and 2026, which was not used for fitting.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from digest.papers.backtest import Recorded, Rules, read_folder, replay
from digest.papers.ranking import RankingWeights

FRESH_DAYS = (1.5, 2.5, 3.1, 3.5, 4.5, 5.5, 7.0)
LATENESS = (0.0, 0.3, 0.6)
WINDOWS = (("2025-05-01", "2025-12-31"), ("2026-01-01", "2026-05-31"))
_FIRST, _LAST = date(2025, 4, 28), date(2026, 5, 31)
_COLOURS = {0.0: "#777777", 0.3: "#1f5fa8", 0.6: "#b3541e"}
_LEFT, _TOP, _WIDTH, _HEIGHT = 60, 20, 520, 300
_HOURS, _RECALL = (1.0, 9.0), (0.90, 1.0)


def main() -> None:
    """Replay, score, print, and draw with --picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tool", type=Path, required=True, help="weekly_best.py")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    recorded = read_folder(options.data)
    points = []
    for fresh_days in FRESH_DAYS:
        for lateness in LATENESS:
            weights = replace(RankingWeights(), fresh_days=fresh_days, lateness=lateness)
            points.append(_point(recorded, weights, options.data / "votes.jsonl.gz", options.tool))
            print(f"{fresh_days} days, lateness {lateness}", file=sys.stderr)
    print(json.dumps(points) if options.json else "\n".join(_table(points)))
    if options.picture:
        options.picture.write_text(_picture(points), encoding="utf-8")


def _point(recorded: Recorded, weights: RankingWeights, votes: Path, tool: Path) -> dict[str, Any]:
    replayed = replay(recorded, Rules(weights, 7, 10), _FIRST, _LAST)
    sent = [(ranked.paper.id, day.cut_at) for day in replayed if day.cut_at for ranked in day.sent]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"id": paper_id, "sent_at": at.isoformat()}) + "\n" for paper_id, at in sent)
        file.flush()
        scores = [_score(tool, votes, file.name, *window) for window in WINDOWS]
    return {"fresh_days": weights.fresh_days, "lateness": weights.lateness, "scores": scores}


def _score(tool: Path, votes: Path, sent: str, first: str, last: str) -> dict[str, Any]:
    command = [sys.executable, str(tool), str(votes), sent, "--from", first, "--to", last]
    score: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return score


def _table(points: list[dict[str, Any]]) -> list[str]:
    lines = ["| fresh_days | lateness | 2025: recall, delay | 2026: recall, delay |", "|---|---|---|---|"]
    for point in points:
        shown = [f"{score['recall_at_25']:.3f} / {score['mean_delay_hours']:.1f} h" for score in point["scores"]]
        lines.append(f"| {point['fresh_days']} | {point['lateness']} | {shown[0]} | {shown[1]} |")
    return lines


def _picture(points: list[dict[str, Any]]) -> str:
    marks = "".join(_series(points, lateness) for lateness in LATENESS)
    hours = "".join(
        f'<text x="{_x(hour)}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{hour} h</text>' for hour in range(1, 10)
    )
    shares = "".join(
        f'<text x="{_LEFT - 8}" y="{_y(share / 100) + 4}" text-anchor="end">{share} %</text>'
        for share in range(90, 101, 2)
    )
    bound = (
        f'<rect x="{_x(_HOURS[0])}" y="{_y(1.0)}" width="{_x(5.0) - _x(1.0)}" height="{_y(0.965) - _y(1.0)}" '
        'fill="#2e8b57" fill-opacity="0.12"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 {_TOP + _HEIGHT + 60}" font-family="sans-serif" '
        'font-size="12"><title>Share of the best 25 papers of a week that were sent, over the mean delay, January to '
        'May 2026</title><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#bbbbbb"/>'
        f"{bound}{hours}{shares}{marks}</svg>\n"
    )


def _series(points: list[dict[str, Any]], lateness: float) -> str:
    colour, index = _COLOURS[lateness], LATENESS.index(lateness)
    scores = [point["scores"][1] for point in points if point["lateness"] == lateness]
    at = [(_x(score["mean_delay_hours"]), _y(score["recall_at_25"])) for score in scores]
    seen = [(x, y) for x, y in at if _TOP <= y <= _TOP + _HEIGHT]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in seen)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in seen)
    legend = f'<text x="{_LEFT + 170 * index}" y="{_TOP + _HEIGHT + 45}" fill="{colour}">lateness {lateness}</text>'
    return f'<polyline points="{line}" fill="none" stroke="{colour}"/>{dots}{legend}'


def _x(hours: float) -> float:
    return round(_LEFT + (hours - _HOURS[0]) / (_HOURS[1] - _HOURS[0]) * _WIDTH, 1)


def _y(recall: float) -> float:
    return round(_TOP + (_RECALL[1] - recall) / (_RECALL[1] - _RECALL[0]) * _HEIGHT, 1)


if __name__ == "__main__":
    main()
