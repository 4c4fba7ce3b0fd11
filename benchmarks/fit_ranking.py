"""Fits the constants of the ranking to votes observed before 2026 and writes its two tables.

python -m benchmarks.fit_ranking --data DIR [--check]

Each paper of the pool at each cut of 2025 is a row: its values then, the words of its title and abstract, and whether
it ended among the best of its week. Logistic regression with a ridge penalty, by Newton's method (Hastie, Tibshirani,
Friedman: The Elements of Statistical Learning, 2nd edition, 4.4.1). The tables are `CHANCE` in
digest/papers/ranking/coefficients.py and digest/papers/ranking/word_weights.json. With --check nothing is written; the
exit code is 1 when a table differs.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy import sparse

from digest.papers.backtest import Archive, Recorded, cut_of, read_folder
from digest.papers.ranking import WEEK_BEST, RankingWeights, coefficients, features, rank
from digest.papers.ranking.coefficients import CHANCE, between_knots
from digest.papers.ranking.ranking import WORDS_HOURS, YOUTH_HOURS
from digest.papers.ranking.words import TABLE, words_in
from digest.papers.score_terms import ScoreTerms

FIRST, LAST = date(2025, 5, 5), date(2025, 12, 28)  # the weeks of 2025 whose votes were observed repeatedly
POOL_DAYS = 7.6  # Monday's papers are in the pool of the next Monday too
RIDGE = 0.05
WORD_RIDGE = 70.0  # there are many words, and each may say but little
LATER_LOOK = 0.4  # each further cut counts this much of the one before: the best papers are sent at the first ones
_LEAST_PAPERS = 60  # in a week, as the score counts them
_FEWEST, _MOST = 100, 0.5  # papers that have a word: at least this many, at most this share of all
_WHOLE = [(name, knot) for name, values in CHANCE.items() for knot in range(len(values))]
_COLUMN = {key: number for number, key in enumerate(_WHOLE)}


@dataclass(frozen=True, slots=True)
class Row:
    """A paper at a cut: the values by column, its words with what is left of them at its age, and how it ended."""

    values: list[tuple[int, float]]
    words: frozenset[str]
    youth: float
    good: float
    weight: float


def main() -> int:
    """Fit, and write or compare the tables. The exit code."""
    parser = argparse.ArgumentParser(description="Fits the constants of the ranking on what was recorded before 2026.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = list(_rows(read_folder(options.data)))
    vocabulary = _vocabulary(rows)
    fitted = _fit(rows, vocabulary)
    table = {name: tuple(round(fitted[_COLUMN[name, knot]], 2) for knot in range(len(CHANCE[name]))) for name in CHANCE}
    weights = dict(zip(vocabulary, (round(value, 2) for value in fitted[len(_WHOLE) :]), strict=True))
    words = {word: weight for word, weight in weights.items() if weight}
    print(f"{len(rows)} rows, {sum(row.good for row in rows):.0f} of them among the best; {len(words)} words")
    if options.check:
        return int(table != CHANCE or words != json.loads(TABLE.read_text()))
    _write(table, words)
    return 0


def _rows(recorded: Recorded) -> Iterator[Row]:
    best, counted = _best(recorded)
    archive, looks = Archive(recorded), Counter[str]()
    for offset in range((LAST - FIRST).days + 1):
        cut_at = cut_of(recorded, FIRST + timedelta(days=offset))
        if cut_at is None:
            continue
        if cut_at.weekday() == 0:
            print(f"{cut_at.date()}", file=sys.stderr)
        for ranked in rank(archive.pool(cut_at, POOL_DAYS), RankingWeights(), cut_at, archive.records(cut_at)):
            paper, terms = ranked.paper, ranked.terms
            if recorded.first_seen[paper.id].isocalendar()[:2] in counted:
                youth = (
                    float(np.exp(-terms.votes_age_hours / YOUTH_HOURS)) if terms.votes_age_hours < WORDS_HOURS else 0.0
                )
                words = frozenset(words_in(paper.title, paper.abstract))
                yield Row(_values(terms), words, youth, float(paper.id in best), LATER_LOOK ** looks[paper.id])
                looks[paper.id] += 1


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


def _values(terms: ScoreTerms) -> list[tuple[int, float]]:
    values = features(terms)
    at_knots = between_knots(terms.votes_age_hours)
    row = [(_COLUMN["age", knot], share) for knot, share in at_knots]
    row += [(_COLUMN["votes", knot], share * values["votes"]) for knot, share in at_knots]
    return row + [
        (_COLUMN[name, 0], value) for name, value in values.items() if (name, 0) in _COLUMN and name != "votes"
    ]


def _vocabulary(rows: Sequence[Row]) -> list[str]:
    """The words of enough papers, in alphabetical order; a paper counts at the first cut that has it."""
    papers = [row.words for row in rows if row.weight == 1]
    counts = Counter(word for words in papers for word in words)
    return sorted(word for word, count in counts.items() if _FEWEST <= count <= _MOST * len(papers))


def _fit(rows: Sequence[Row], vocabulary: Sequence[str]) -> list[float]:
    """The coefficients in the order of `_WHOLE`, then those of the words."""
    values, good = _matrix(rows, vocabulary), np.array([row.good for row in rows])
    weight = np.array([row.weight for row in rows])
    ridge = np.repeat([RIDGE, WORD_RIDGE], [len(_WHOLE), len(vocabulary)])
    fitted = np.zeros(len(ridge))
    for _ in range(25):
        chance = 1 / (1 + np.exp(-(values @ fitted).clip(-30, 30)))
        slope = values.T @ (weight * (good - chance)) - ridge * fitted
        bend = (values.T @ sparse.diags_array(weight * chance * (1 - chance)) @ values).toarray() + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        fitted += step
        if np.abs(step).max() < 1e-5:
            break
    return [float(value) for value in fitted]


def _matrix(rows: Sequence[Row], vocabulary: Sequence[str]) -> sparse.csr_array:
    column = {word: number for number, word in enumerate(vocabulary, start=len(_WHOLE))}
    entries = [
        (number, *entry)
        for number, row in enumerate(rows)
        for entry in (*row.values, *((column[word], row.youth) for word in row.words if row.youth and word in column))
    ]
    numbers, columns, values = zip(*entries, strict=True)
    return sparse.csr_array((values, (numbers, columns)), shape=(len(rows), len(_WHOLE) + len(vocabulary)))


def _write(table: Mapping[str, tuple[float, ...]], words: Mapping[str, float]) -> None:
    path = Path(coefficients.__file__)
    lines = "".join(f'    "{name}": {values},\n' for name, values in table.items())
    text = re.sub(
        r"(CHANCE: .* = \{\n).*?(\})", lambda match: match[1] + lines + match[2], path.read_text(), flags=re.DOTALL
    )
    path.write_text(text)
    TABLE.write_text(json.dumps(words, indent=0, ensure_ascii=False) + "\n")
    print(f"written: {path} and {TABLE}")


if __name__ == "__main__":
    sys.exit(main())
