"""Measures how well a library predicts its owner's later papers, on real text.

`python -m benchmarks.libraries --data DIR [--keep FILE] [--before FILE] [--json]` reads recorded
lists: DIR/arxiv/listings_2026-04_2026-05.jsonl.gz and DIR/hf/daily_papers.jsonl.gz. benchmarks/library_tasks.py cuts
the tasks:

arxiv_names    an author's papers of April 2026 → theirs among all papers of a week of May; three papers or more, and
               at most twelve of one name, which several people may share
arxiv_linked   the same for two papers or more, if further authors connect all of them, so that it is one person
hf_accounts    earlier papers that an account submitted to Hugging Face → its later ones, in a month's list; at most
               fifty papers, since larger accounts submit for everybody
hf_authors     the same for authors of the papers there, connected by further authors

NDCG@10 is the mean over owners; ± is a standard error, of a difference that of the paired difference. References:
`centroid` is the cosine with the mean TF-IDF row; `recency` weights each row by 1 / (1 + log10 of its rank, newest
first), as zotero-arxiv-daily does. A space is fitted on title and abstract of all papers listed until a period ends,
and nothing is learned from tasks. `pairs` is the mean cosine of BM25 rows of words and pairs of adjacent words, and
`ours + 0.25 pairs` adds a quarter of it to ours, each in standard deviations over the pool; the product has neither.
The error of a ratio comes from 500 draws of owners. --keep writes each owner's figures, and --before compares with such
a file.
"""

import argparse
import json
import math
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.interests import Centroid, Documents, Scores, Task, ndcg_of, on_one_core
from benchmarks.library_tasks import LibraryTask, RecordedLists, read_lists
from digest.issues.profiles.profile import affinities, fit_space
from digest.issues.profiles.space.words import read_words, words_of
from digest.papers.search.tokenizer import STOPS, stem
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback

if TYPE_CHECKING:
    from digest.issues.profiles.space import Space

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_WIDEST = 0.25  # of all papers: the references get no words of more papers, as they would from a list of stop words
_OURS, _CENTROID, _RECENCY, _PAIRS = "ours", "centroid", "recency", "pairs"
_SHARES_OF_PAIRS = (0.25, 0.5)
_DRAWS = 500

Owners = dict[str, dict[str, float]]  # ranking → owner → NDCG@10
Summary = dict[str, float | str]


def main() -> None:
    """Run the benchmark and print what it measured. Exits with 3 if DIR lacks the data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder with arxiv/ and hf/")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write each owner's figures as JSON")
    parser.add_argument("--before", type=Path, metavar="FILE", help="compare with figures written by --keep")
    parser.add_argument("--json", action="store_true", help="one JSON line")
    options = parser.parse_args()
    on_one_core("benchmarks.libraries")
    try:
        lists = read_lists(options.data)
        before: dict[str, Owners] = json.loads(options.before.read_text()) if options.before else {}
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror or error}\n")
        sys.exit(3)
    figures: dict[str, Owners] = {}
    printed: dict[str, Summary] = {}
    for recorded in lists:
        measured, costs = measure(recorded)
        figures |= measured
        printed |= {name: summary(owners, before.get(name, {})) | costs for name, owners in measured.items()}
    if options.keep:
        options.keep.write_text(json.dumps(figures))
    if options.json:
        print(json.dumps(printed))
    else:
        for name, rows in printed.items():
            print(name, *(f"  {label:28} {value}" for label, value in rows.items()), sep="\n")


def measure(recorded: RecordedLists) -> tuple[dict[str, Owners], Summary]:
    """Return each owner's mean NDCG@10 by set of tasks and ranking, and what the measurement took."""
    figures: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    seconds, largest = 0.0, 0
    for period in recorded.periods():
        began = time.process_time()
        space = fit_space(period.documents)
        seconds, largest = seconds + time.process_time() - began, max(largest, len(period.documents))
        centroid, pairs = Centroid(_without_common_words(period.documents)), _Pairs(period.documents)
        for name, tasks in recorded.sets.items():
            cut = tasks.tasks(period)
            rankings: dict[str, Scores] = {
                _OURS: _our_scores(space, period.now, cut),
                _CENTROID: [centroid.scores(task.task) for task in cut],
                _RECENCY: [_by_recency(centroid, task.task) for task in cut],
                _PAIRS: pairs.scores(cut),
            }
            for share in _SHARES_OF_PAIRS:
                both = zip(rankings[_OURS], rankings[_PAIRS], strict=True)
                with_pairs = [(_standard(ours) + share * _standard(by_pairs)).tolist() for ours, by_pairs in both]
                rankings[f"{_OURS} + {share} {_PAIRS}"] = with_pairs
            for ranking, scores in rankings.items():
                for task, row in zip(cut, scores, strict=True):
                    figures[name][ranking][task.owner].append(ndcg_of(row, task.task))
    means = {name: {ranking: _means(owners) for ranking, owners in sets.items()} for name, sets in figures.items()}
    return means, {"largest_fit": largest, "seconds_of_fits": round(seconds, 1)}


def summary(figures: Owners, before: Owners) -> Summary:
    """Return means with standard errors, and paired differences with the references and with earlier figures."""
    ours = figures[_OURS]
    rows: Summary = {name: _with_error(by_owner.values()) for name, by_owner in figures.items()}
    against = {name: figures[name] for name in (_CENTROID, _RECENCY)}
    if _OURS in before:
        against["before"] = before[_OURS]
    for name, theirs in against.items():
        rows[f"ours - {name}"] = _with_error(ours[owner] - theirs[owner] for owner in ours.keys() & theirs.keys())
    for name in figures:
        if name != _RECENCY:
            rows[f"{name} / recency"], rows[f"error of {name} / recency"] = ratio(figures, name), _error(figures, name)
    return rows | {"owners": len(ours)}


def ratio(figures: Owners, name: str = _OURS) -> float:
    """Return the mean of a ranking as a multiple of the mean weighted by recency."""
    return round(statistics.fmean(figures[name].values()) / statistics.fmean(figures[_RECENCY].values()), 3)


def _error(figures: Owners, name: str) -> float:
    """Return the standard error of ratio() over draws of owners."""
    both = np.array([(figures[name][owner], figures[_RECENCY][owner]) for owner in figures[name]])
    drawn = both[np.random.default_rng(1).integers(0, len(both), (_DRAWS, len(both)))].mean(axis=1)
    return round(float((drawn[:, 0] / drawn[:, 1]).std()), 3)


def _with_error(values: Iterable[float]) -> str:
    sample = list(values)
    error = statistics.stdev(sample) / math.sqrt(len(sample)) if len(sample) > 1 else 0.0
    return f"{statistics.fmean(sample):.4f} ± {error:.4f}" if sample else "none"


def _means(owners: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {owner: statistics.fmean(values) for owner, values in owners.items()}


def _our_scores(space: "Space", now: datetime, cut: Sequence[LibraryTask]) -> Scores:
    feedback = [
        [
            PaperFeedback(paper, FeedbackKind.MORE, datetime(day.year, day.month, day.day, tzinfo=UTC))
            for paper, day in zip(task.task.liked, task.days, strict=True)
        ]
        for task in cut
    ]
    return affinities(space, feedback, [task.task.pool for task in cut], now)


def _by_recency(centroid: Centroid, task: Task) -> list[float]:
    """Score a pool by zotero-arxiv-daily's formula: the mean cosine with each paper of the library, weighted by its
    recency. The library is newest first.
    """
    recency = 1 / (1 + np.log10(np.arange(len(task.liked)) + 1))
    return centroid.cosines(task, recency / recency.sum())


class _Pairs:
    """BM25 rows of words, and of pairs of adjacent words without those that say nothing."""

    def __init__(self, documents: Documents) -> None:
        self._row = {paper: row for row, paper in enumerate(documents)}
        _, self._rows = read_words(map(_with_pairs, documents.values()))

    def scores(self, cut: Sequence[LibraryTask]) -> list[list[float]]:
        """Return the mean cosine of each paper of a task's pool with the library, for each task."""
        found = []
        for task in cut:
            liked, pool = ([self._row[paper] for paper in papers] for papers in (task.task.liked, task.task.pool))
            found.append((self._rows[pool] @ self._rows[liked].mean(axis=0)).tolist())
        return found


def _with_pairs(text: str) -> str:
    words = words_of(text)
    pairs = [f"{one}-{other}" for one, other in pairwise(words) if stem(one) not in STOPS and stem(other) not in STOPS]
    return " ".join([*words, *pairs])


def _standard(scores: Sequence[float]) -> NDArray[np.float64]:
    spread = np.asarray(scores)
    standard: NDArray[np.float64] = (spread - spread.mean()) / max(spread.std(), 1e-9)
    return standard


def _without_common_words(documents: Documents) -> Documents:
    words = {paper: _WORD.findall(text.casefold()) for paper, text in documents.items()}
    spread = Counter(word for text in words.values() for word in set(text))
    widest = _WIDEST * len(documents)
    return {paper: " ".join(word for word in text if spread[word] <= widest) for paper, text in words.items()}


if __name__ == "__main__":
    main()
