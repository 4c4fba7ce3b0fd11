"""Measures the time to rank a large pool, compared with sorting the same papers by votes.

`python -m benchmarks.ranking [--candidates N] [--readings N] [--json]` makes papers with several observations of the
votes of each and an abstract of 180 words, ranks them, and prints seconds of CPU (medians of five rounds) and the ratio
to the reference. The promise is 20,000 candidates within 1 s.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from digest.papers.paper import Observed, Paper, Votes
from digest.papers.ranking import RankingWeights, rank
from digest.papers.ranking.words import word_weights

ROUNDS = 5
PROMISED_SECONDS = 1.0
_NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)
_POOL_HOURS = 7 * 24
_WORDS = (*word_weights(), *(f"word{number}" for number in range(5000)))


def main() -> None:
    """Run the benchmark and print what it measured. Exit code 1 when the promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--readings", type=int, default=3, help="looks at the votes of each paper")
    parser.add_argument("--json", action="store_true", help="one JSON line")
    options = parser.parse_args()
    results = measure(options.candidates, options.readings)
    print(json.dumps(results) if options.json else "\n".join(f"{name:20} {value}" for name, value in results.items()))
    sys.exit(results["seconds"] > PROMISED_SECONDS)


def measure(candidates: int, readings: int) -> dict[str, float]:
    """Medians of the rounds."""
    pool = _pool(candidates, readings)
    ours, reference = [], []
    for _ in range(ROUNDS):
        ours.append(_cpu_seconds(lambda: rank(pool, RankingWeights(), _NOW)))
        reference.append(_cpu_seconds(lambda: sorted(pool, key=lambda observed: -observed.votes[-1].upvotes)))
    seconds, plain = statistics.median(ours), statistics.median(reference)
    return {
        "candidates": candidates,
        "readings": readings,
        "seconds": round(seconds, 3),
        "reference_seconds": round(plain, 4),
        "ratio": round(seconds / plain, 1),
    }


def _pool(candidates: int, readings: int) -> list[Observed]:
    chance = random.Random(1)
    return [_observed(f"2603.{number:05}", readings, chance) for number in range(candidates)]


def _observed(paper_id: str, readings: int, chance: random.Random) -> Observed:
    listed = _NOW - timedelta(hours=chance.uniform(0, _POOL_HOURS))
    most = int(chance.paretovariate(0.8))
    votes = tuple(
        Votes(paper_id, "huggingface", listed + (_NOW - listed) * number / readings, most * number // readings)
        for number in range(1, readings + 1)
    )
    abstract = " ".join(chance.choices(_WORDS, k=180))
    paper = Paper(paper_id, paper_id, abstract, authors=("Ada", "Grace"), listed_at=listed)
    return Observed(paper, listed, votes)


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
