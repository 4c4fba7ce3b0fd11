"""Measures how well five liked papers predict a subscriber's interests, compared with a TF-IDF centroid.

`python -m benchmarks.interests --data DIR [--rounds N] [--json]` reads documents.jsonl.gz (`{id, text}`) and
tasks.jsonl.gz (`{liked, pool, relevant}`: ids) in DIR. Each task is a subscriber: the pool is ranked by their likes,
and NDCG@10 compares it with what they kept. Nothing is learned from the tasks. Prints microseconds of CPU for each
subscriber's scores, ours in batches of 1,000, the reference one by one: medians of N alternating rounds.
"""

import argparse
import gzip
import json
import math
import os
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from digest.issues.profiles.profile import affinities, fit_space
from digest.issues.profiles.space import Sparse
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback

_BATCH, _TOP = 1000, 10
_NOW = datetime(2026, 1, 1, tzinfo=UTC)

Found = dict[str, float]
Scores = Sequence[Sequence[float]]
Documents = dict[str, str]  # id → text


@dataclass(frozen=True, slots=True)
class Task:
    """A subscriber: the papers they liked, and a pool of which they kept the relevant ones."""

    liked: list[str]
    pool: list[str]
    relevant: set[str]


def main() -> None:
    """Run the benchmark and print what it measured. Exits with 3 if DIR lacks the data."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder with documents and tasks")
    ask.add_argument("--rounds", type=int, default=5, help="timed rounds, of which the median counts")
    ask.add_argument("--json", action="store_true", help="one JSON line")
    asked = ask.parse_args()
    on_one_core("benchmarks.interests")
    try:
        documents, tasks = read(asked.data)
    except OSError as error:
        sys.stderr.write(
            f"--data {asked.data}: {error.strerror or error}; it must hold documents.jsonl.gz and tasks.jsonl.gz\n"
        )
        sys.exit(3)
    found = measure(documents, tasks, asked.rounds)
    print(json.dumps(found) if asked.json else "\n".join(f"{name:28} {value}" for name, value in found.items()))


def on_one_core(module: str) -> None:
    """Restart a module with one thread for OpenBLAS, which reads that setting when loaded: on a busy machine its
    threads spin, and the wait would count as CPU time.
    """
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        command = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | {"OPENBLAS_NUM_THREADS": "1"})


def read(folder: Path) -> tuple[Documents, list[Task]]:
    """The documents and tasks of a folder. Raises OSError."""
    documents = {str(one["id"]): one["text"] for one in lines(folder / "documents.jsonl.gz")}
    tasks = [
        Task([*map(str, one["liked"])], [*map(str, one["pool"])], {*map(str, one["relevant"])})
        for one in lines(folder / "tasks.jsonl.gz")
    ]
    return documents, tasks


def measure(documents: Documents, tasks: Sequence[Task], rounds: int) -> Found:
    """Quality and medians of the times, ours and the reference in turns."""
    began = time.process_time()
    space = fit_space(documents)
    fitted = time.process_time() - began
    space = replace(space, vectors=space.vectors.astype(np.float32))  # workers do not compute in half precision either
    readers = [[PaperFeedback(paper, FeedbackKind.MORE, _NOW) for paper in task.liked] for task in tasks]
    centroid = Centroid(documents)

    def ours() -> Scores:
        found: list[list[float]] = []
        for start in range(0, len(tasks), _BATCH):
            batch = slice(start, start + _BATCH)
            found += affinities(space, readers[batch], [task.pool for task in tasks[batch]], _NOW)
        return found

    def reference() -> Scores:
        return [centroid.scores(task) for task in tasks]

    runs = [(_timed(ours), _timed(reference)) for _ in range(max(rounds, 1))]
    ((mine, _), (theirs, _)) = runs[0]
    taken, centroid_taken = (statistics.median(run[side][1] for run in runs) for side in (0, 1))
    return {
        "ndcg_at_10": round(ndcg(mine, tasks), 4),
        "microseconds_per_subscriber": round(taken * 1e6 / len(tasks), 1),
        "centroid_microseconds": round(centroid_taken * 1e6 / len(tasks), 1),
        "ratio": round(statistics.median(ours[1] / theirs[1] for ours, theirs in runs), 3),
        "centroid_ndcg_at_10": round(ndcg(theirs, tasks), 4),
        "readers": len(tasks),
        "documents": len(documents),
        "fit_seconds": round(fitted, 1),
        "space_mb": round(space.nbytes / 1e6, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def ndcg(scores: Scores, tasks: Sequence[Task]) -> float:
    """NDCG@10 with one grade of relevance, mean over the tasks; equal scores keep the order of the pool."""
    return statistics.fmean(ndcg_of(one, task) for one, task in zip(scores, tasks, strict=True))


def ndcg_of(scores: Sequence[float], task: Task) -> float:
    """Return NDCG@10 of one task."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])[:_TOP]
    gain = sum(1 / math.log2(rank + 2) for rank, place in enumerate(order) if task.pool[place] in task.relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(len(task.relevant), _TOP)))


class Centroid:
    """The reference: cosine with the mean of the liked TF-IDF rows, as scikit-learn weighs them (sublinear, smoothed,
    l2), for one subscriber at a time.
    """

    def __init__(self, documents: Documents) -> None:
        self._rows = {paper: row for row, paper in enumerate(documents)}
        counts = _counts(documents)
        spread = np.bincount(counts.indices, minlength=counts.shape[1])
        rarity = np.log((1 + len(documents)) / (1 + spread)) + 1
        counts.data = (1 + np.log(counts.data)) * rarity[counts.indices]
        lengths = np.sqrt(counts.multiply(counts).sum(axis=1))
        self._weights = (sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ counts).tocsr()

    def scores(self, task: Task) -> list[float]:
        """Return the cosine of each paper of the pool, whose rows are of length 1, with the mean."""
        return self.cosines(task, np.full(len(task.liked), 1 / len(task.liked)))

    def cosines(self, task: Task, shares: NDArray[np.float64]) -> list[float]:
        """Return the cosine of each paper of the pool with the liked papers, each of which has its share."""
        profile = shares @ self._weights[[self._rows[paper] for paper in task.liked]]
        length = np.linalg.norm(profile) or 1
        cosines: Any = self._weights[[self._rows[paper] for paper in task.pool]] @ (profile / length)
        return list(cosines.tolist())


def _counts(documents: Documents) -> Sparse:
    column: dict[str, int] = {}
    counted = [Counter(text.split()) for text in documents.values()]
    columns = [column.setdefault(word, len(column)) for one in counted for word in one]
    ends = np.cumsum([0, *map(len, counted)])
    times = np.array([times for one in counted for times in one.values()], np.float64)
    return sparse.csr_array((times, columns, ends), shape=(len(documents), len(column)))


def _timed(run: Callable[[], Scores]) -> tuple[Scores, float]:
    began = time.process_time()
    scores = run()
    return scores, time.process_time() - began


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a compressed file of JSON lines. Raises OSError."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()
