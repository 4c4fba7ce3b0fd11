"""Measures on real text how well a library predicts what its owner reads or writes later.

`python -m benchmarks.libraries --data DIR [--sets NAME ...] [--keep FILE] [--before FILE] [--json]` reads recorded
lists: DIR/arxiv/listings_2026-04_2026-05.jsonl.gz and DIR/hf/daily_papers.jsonl.gz. benchmarks/library_tasks.py cuts
the tasks:

arxiv_names    an author's papers of April 2026 → theirs among all papers of a week of May; three papers or more, and
               at most twelve of one name, which several people may share
arxiv_linked   the same for two papers or more, if further authors connect all of them, so that it is one person
hf_accounts    what an account submitted to Hugging Face earlier → what it submitted later, in a month's list; at most
               fifty papers, since larger accounts submit for everybody
hf_authors     the same for authors of the papers there, connected by further authors

NDCG@10 is the mean over owners; ± is a standard error, of a difference that of the paired difference. References:
`centroid` is the cosine with the mean TF-IDF row; `recency` weights each row by 1 / (1 + log10 of its rank, newest
first), as zotero-arxiv-daily does. A space is fitted on title and abstract of what was listed until a period's end, and
nothing is learned from tasks. --keep writes each owner's figures, and --before compares with such a file.
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
from pathlib import Path

import numpy as np

from benchmarks.interests import Centroid, Documents, Scores, Task, ndcg_of, on_one_core
from benchmarks.library_tasks import LibraryTask, Period, TaskSet, read_sets
from digest.issues.profiles import affinities, fit_space
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_WIDEST = 0.25  # of all papers: the references get no words of more papers, as they would from a list of stop words
_OURS, _CENTROID, _RECENCY = "ours", "centroid", "recency"

Owners = dict[str, dict[str, float]]  # ranking → owner → NDCG@10
Summary = dict[str, float | str]


def main() -> None:
    """Run the benchmark and print what it measured. Exits with 3 if DIR lacks the data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder with arxiv/ and hf/")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets of tasks")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write each owner's figures as JSON")
    parser.add_argument("--before", type=Path, metavar="FILE", help="compare with figures written by --keep")
    parser.add_argument("--json", action="store_true", help="one JSON line")
    options = parser.parse_args()
    on_one_core("benchmarks.libraries")
    try:
        sets = read_sets(options.data)
        before: dict[str, Owners] = json.loads(options.before.read_text()) if options.before else {}
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror or error}\n")
        sys.exit(3)
    figures: dict[str, Owners] = {}
    printed: dict[str, Summary] = {}
    for name in options.sets or sets:
        figures[name], costs = measure(sets[name])
        printed[name] = summary(figures[name], before.get(name, {})) | costs
        if not options.json:
            print(name, *(f"  {label:24} {value}" for label, value in printed[name].items()), sep="\n", flush=True)
    if options.keep:
        options.keep.write_text(json.dumps(figures))
    if options.json:
        print(json.dumps(printed))


def measure(tasks: TaskSet) -> tuple[Owners, Summary]:
    """Return each owner's mean NDCG@10 by ranking, and what the measurement took."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    seconds, count, largest = 0.0, 0, 0
    for period in tasks.periods():
        cut = tasks.tasks(period)
        began = time.process_time()
        scores = _our_scores(period, cut)
        seconds += time.process_time() - began
        count, largest = count + len(cut), max(largest, len(period.documents))
        for name, ranked in (scores | _reference_scores(period, cut)).items():
            for task, row in zip(cut, ranked, strict=True):
                figures[name][task.owner].append(ndcg_of(row, task.task))
    means = {
        name: {owner: statistics.fmean(values) for owner, values in by_owner.items()}
        for name, by_owner in figures.items()
    }
    return means, {"tasks": count, "largest_fit": largest, "seconds_of_ours": round(seconds, 1)}


def summary(figures: Owners, before: Owners) -> Summary:
    """Return means with standard errors, and paired differences with the references and with earlier figures."""
    ours = figures[_OURS]
    rows: Summary = {name: _with_error(by_owner.values()) for name, by_owner in figures.items()}
    against = {name: figures[name] for name in (_CENTROID, _RECENCY)}
    if _OURS in before:
        against["before"] = before[_OURS]
    for name, theirs in against.items():
        rows[f"ours - {name}"] = _with_error(ours[owner] - theirs[owner] for owner in ours.keys() & theirs.keys())
    rows["ours / recency"] = round(ratio(figures), 3)
    return rows | {"owners": len(ours)}


def ratio(figures: Owners) -> float:
    """Return our mean as a multiple of the mean weighted by recency."""
    return statistics.fmean(figures[_OURS].values()) / statistics.fmean(figures[_RECENCY].values())


def _with_error(values: Iterable[float]) -> str:
    sample = list(values)
    error = statistics.stdev(sample) / math.sqrt(len(sample)) if len(sample) > 1 else 0.0
    return f"{statistics.fmean(sample):.4f} ± {error:.4f}" if sample else "none"


def _our_scores(period: Period, cut: Sequence[LibraryTask]) -> dict[str, Scores]:
    space = fit_space(period.documents)
    feedback = [
        [
            PaperFeedback(paper, FeedbackKind.MORE, datetime(day.year, day.month, day.day, tzinfo=UTC))
            for paper, day in zip(task.task.liked, task.days, strict=True)
        ]
        for task in cut
    ]
    return {_OURS: affinities(space, feedback, [task.task.pool for task in cut], period.now)}


def _reference_scores(period: Period, cut: Sequence[LibraryTask]) -> dict[str, Scores]:
    texts = _without_common_words(period.documents)
    references: Mapping[str, Centroid] = {_CENTROID: Centroid(texts), _RECENCY: RecencyCentroid(texts)}
    return {name: [reference.scores(task.task) for task in cut] for name, reference in references.items()}


class RecencyCentroid(Centroid):
    """zotero-arxiv-daily's formula: the mean cosine with each paper of the library, weighted by its recency."""

    def scores(self, task: Task) -> list[float]:
        """Return the score of each paper of the pool. The library is newest first."""
        recency = 1 / (1 + np.log10(np.arange(len(task.liked)) + 1))
        return self.cosines(task, recency / recency.sum())


def _without_common_words(documents: Documents) -> Documents:
    words = {paper: _WORD.findall(text.casefold()) for paper, text in documents.items()}
    spread = Counter(word for text in words.values() for word in set(text))
    widest = _WIDEST * len(documents)
    return {paper: " ".join(word for word in text if spread[word] <= widest) for paper, text in words.items()}


if __name__ == "__main__":
    main()
