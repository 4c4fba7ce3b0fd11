"""Fits the constants of the ranking to votes observed before 2026 and writes digest/papers/ranking/coefficients.py.

python -m benchmarks.fit_ranking --data DIR [--check]

Each paper of the pool at each cut of 2025 is one row: its values then, and whether it ended among the 25 best
of its week. Logistic regression with a ridge penalty, by Newton's method (Hastie, Tibshirani, Friedman: The Elements of
Statistical Learning, 2nd edition, 4.4.1). With --check nothing is written; the exit code is 1 when the table differs.
"""

import argparse
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from digest.papers.backtest import Archive, Recorded, cut_of, read_folder
from digest.papers.ranking import WEEK_BEST, RankingWeights, coefficients, features, rank
from digest.papers.ranking.coefficients import CHANCE, KNOTS, between_knots
from digest.papers.score_terms import ScoreTerms

FIRST, LAST = date(2025, 5, 5), date(2025, 12, 28)  # the weeks of 2025 whose votes were observed repeatedly
POOL_DAYS = 7.6  # Monday's papers are in the pool of the next Monday too
RIDGE = 0.2
_LEAST_PAPERS = 60  # in a week, as the score counts them
_WHOLE = [(name, knot) for name, values in CHANCE.items() for knot in range(len(values))]
_COLUMN = {key: number for number, key in enumerate(_WHOLE)}

Row = tuple[list[tuple[int, float]], float]


def main() -> int:
    """Fit, and write or compare the table. The exit code."""
    parser = argparse.ArgumentParser(description="Fits the constants of the ranking on what was recorded before 2026.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = list(_rows(read_folder(options.data)))
    fitted = _fit(rows, len(_WHOLE))
    table = {name: tuple(round(fitted[_COLUMN[name, knot]], 2) for knot in range(len(CHANCE[name]))) for name in CHANCE}
    best = sum(good for _, good in rows)
    print(f"{len(rows)} rows, {best:.0f} of them among the best; log loss {_loss(rows, fitted):.4f}")
    if options.check:
        return int(table != CHANCE)
    _write(table)
    return 0


def _rows(recorded: Recorded) -> Iterator[Row]:
    best, counted = _best(recorded)
    archive = Archive(recorded)
    for offset in range((LAST - FIRST).days + 1):
        cut_at = cut_of(recorded, FIRST + timedelta(days=offset))
        if cut_at is None:
            continue
        if cut_at.weekday() == 0:
            print(f"{cut_at.date()}", file=sys.stderr)
        ranked = rank(archive.pool(cut_at, POOL_DAYS), RankingWeights(), cut_at, archive.records(cut_at))
        for ranked_paper in ranked:
            if recorded.first_seen[ranked_paper.paper.id].isocalendar()[:2] in counted:
                yield _row(ranked_paper.terms), float(ranked_paper.paper.id in best)


def _best(recorded: Recorded) -> tuple[set[str], set[tuple[int, int]]]:
    """The best papers of each week by the votes that were seen before 2026, and the weeks that have enough papers."""
    weeks: dict[tuple[int, int], list[tuple[int, str]]] = {}
    end = datetime.fromisoformat("2026-01-01T00:00:00Z")
    for paper_id, at in recorded.first_seen.items():
        if FIRST <= at.date() <= LAST:
            most = max((votes.upvotes for votes in recorded.votes[paper_id] if votes.observed_at < end), default=0)
            weeks.setdefault(at.isocalendar()[:2], []).append((-most, paper_id))
    counted = {week: sorted(papers) for week, papers in weeks.items() if len(papers) >= _LEAST_PAPERS}
    return {paper_id for papers in counted.values() for _, paper_id in papers[:WEEK_BEST]}, set(counted)


def _row(terms: ScoreTerms) -> list[tuple[int, float]]:
    values = features(terms, RankingWeights())
    at_knots = between_knots(terms.votes_age_hours)
    row = [(_COLUMN["age", knot], share) for knot, share in at_knots]
    row += [(_COLUMN["votes", knot], share * values["votes"]) for knot, share in at_knots]
    return row + [(_COLUMN[name, 0], value) for name, value in values.items() if name != "votes" and value]


def _fit(rows: Sequence[Row], width: int) -> list[float]:
    fitted = [0.0] * width
    for _ in range(25):
        slope = [-RIDGE * value for value in fitted]
        bend = [[RIDGE * (row == column) for column in range(width)] for row in range(width)]
        for row, good in rows:
            chance = _chance(row, fitted)
            spread = chance * (1 - chance)
            for column, value in row:
                slope[column] += value * (good - chance)
                for other, weight in row:
                    bend[column][other] += spread * value * weight
        step = _solve(bend, slope)
        fitted = [value + change for value, change in zip(fitted, step, strict=True)]
        if max(map(abs, step)) < 1e-5:
            break
    return fitted


def _chance(row: Sequence[tuple[int, float]], fitted: Sequence[float]) -> float:
    odds = sum(fitted[column] * value for column, value in row)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def _loss(rows: Sequence[Row], fitted: Sequence[float]) -> float:
    chances = [(_chance(row, fitted), good) for row, good in rows]
    return -sum(math.log(chance if good else 1 - chance) for chance, good in chances) / len(rows)


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss-Jordan elimination; the matrix is positive definite, so no pivot is 0."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for pivot, row in enumerate(rows):
        row[:] = [value / row[pivot] for value in row]
        for other in rows:
            if other is not row and other[pivot]:
                factor = other[pivot]
                other[:] = [value - factor * base for value, base in zip(other, row, strict=True)]
    return [row[-1] for row in rows]


def _write(table: Mapping[str, tuple[float, ...]]) -> None:
    path = Path(coefficients.__file__)
    lines = "".join(f'    "{name}": {values},\n' for name, values in table.items())
    text = re.sub(
        r"(CHANCE: .* = \{\n).*?(\})", lambda match: match[1] + lines + match[2], path.read_text(), flags=re.DOTALL
    )
    path.write_text(text)
    print(f"written for the knots {KNOTS}: {path}")


if __name__ == "__main__":
    sys.exit(main())
