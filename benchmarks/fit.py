"""Measures the time and the memory of fitting a space, the weekly job behind profiles.

`python -m benchmarks.fit --data DIR [--papers N] [--json]` fits the newest N papers (20,000) of the recorded lists in
DIR/arxiv and DIR/hf. Memory is by how much the process grows at its peak while it fits; its texts and libraries are
there before. Exit code 1 above 150 MB for 20,000 papers or fewer.
"""

import argparse
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.command import Results, command, run
from benchmarks.interests import lines, on_one_core
from benchmarks.proc import memory_mb
from benchmarks.timed import RoundFailed

MOST_MB, _PAPERS = 150, 20_000


def main() -> None:
    """Run the benchmark and print what it measured."""
    parser = command("fit", __doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder with arxiv/ and hf/")
    parser.add_argument("--papers", type=int, default=_PAPERS, help=f"papers to fit ({_PAPERS})")
    options = parser.parse_args()
    on_one_core("benchmarks.fit")
    run(options, _measure, lambda results: results["papers"] > _PAPERS or results["fit_mb"] <= MOST_MB)


def _measure(options: argparse.Namespace) -> Results:
    texts = read_texts(options.data, options.papers)
    # In a new process: reading leaves memory behind that a fit would use.
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(fit_cost, texts).result()


def fit_cost(texts: Mapping[str, str]) -> Results:
    """Fit a space, and return its size and what that cost."""
    from digest.issues.profiles.profile import fit_space

    fit_space({paper: texts[paper] for paper in list(texts)[:100]})  # so that all of the libraries is loaded
    before, began = memory_mb(os.getpid())[0], time.process_time()
    space = fit_space(texts)
    seconds, peak = time.process_time() - began, memory_mb(os.getpid())[1]
    return {
        "papers": len(space.rows),
        "words": len(space.lexicon.columns),
        "fit_seconds": round(seconds, 1),
        "fit_mb": round(peak - before, 1),
        "space_mb": round(space.nbytes / 1e6, 1),
    }


def read_texts(data: Path, most: int) -> dict[str, str]:
    """Return the texts of the newest recorded papers."""
    files = (("arxiv/listings_2026-04_2026-05.jsonl.gz", "first_listed"), ("hf/daily_papers.jsonl.gz", "date"))
    try:
        records = [(line[day], line) for name, day in files for line in lines(data / name)]
    except OSError as error:
        raise RoundFailed(f"{error.filename}: {error.strerror}") from error
    texts = {line["id"]: f"{line['title']} {line['summary']}" for _day, line in sorted(records, key=lambda one: one[0])}
    return dict(list(texts.items())[-most:])


if __name__ == "__main__":
    main()
