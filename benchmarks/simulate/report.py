"""Sums of many runs, kept in a file so that a long series can go on where it stopped."""

import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from benchmarks.simulate.run import Result

_SHOWN = 20  # broken seeds
_ENOUGH = 100  # crashes at a place


@dataclass(slots=True)
class Report:
    """Sums over a series of runs; its counters are those of single runs, added up."""

    runs: int = 0
    seconds: float = 0.0
    simulated: float = 0.0
    next_seed: int = 0
    trace: str = ""  # a digest of all traces
    broken: dict[int, list[str]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Add one run."""
        self.runs += 1
        self.simulated += result.seconds
        self.next_seed = max(self.next_seed, result.seed + 1)
        both = f"{self.trace}{result.digest}".encode()
        self.trace = blake2b(both, digest_size=16).hexdigest()
        if result.problems:
            self.broken[result.seed] = result.problems
        for name, values in (("crash_points", result.crashes), ("visits", result.visits)):
            self._counter(name).update(values)
        self._counter("faults").update(result.faults)
        self._counter("acts").update(result.acts)
        shape = {
            "deliveries": result.deliveries,
            "workers": result.workers,
            "crashes": sum(result.crashes.values()),
            "faults": sum(result.faults.values()),
            "copies": result.copies,
        }
        for name, number in shape.items():
            self._counter(f"by_{name}")[str(number)] += 1

    def as_dict(self) -> dict[str, Any]:
        """What --json prints."""
        crashes, visits = self._counter("crash_points"), self._counter("visits")
        per_second = self.runs / self.seconds if self.seconds else 0.0
        return {
            "runs": self.runs,
            "broken": len(self.broken),
            "seeds": sorted(self.broken)[:_SHOWN],
            "crash_points": dict(sorted(crashes.items())),
            "runs_per_second": round(per_second, 2),
            "crash_point_visits": dict(sorted(visits.items())),
            "places": len(visits),
            "places_without_crash": sum(not crashes[place] for place in visits),
            "rare_crash_points": {place: crashes[place] for place in sorted(visits) if crashes[place] < _ENOUGH},
            "faults": dict(sorted(self._counter("faults").items())),
            "acts": dict(sorted(self._counter("acts").items())),
            "distribution": {
                name.removeprefix("by_"): dict(sorted(values.items(), key=lambda pair: int(pair[0])))
                for name, values in sorted(self.counts.items())
                if name.startswith("by_")
            },
            "simulated_hours": round(self.simulated / 3_600),
            "trace": self.trace,
            "problems": {seed: self.broken[seed] for seed in sorted(self.broken)[:_SHOWN]},
        }

    def store(self, file: Path) -> None:
        """Write it to a file, from which read() makes it again."""
        values = {
            "runs": self.runs,
            "seconds": self.seconds,
            "simulated": self.simulated,
            "next_seed": self.next_seed,
            "trace": self.trace,
            "broken": self.broken,
            "counts": self.counts,
        }
        part = file.with_suffix(".part")
        part.write_text(json.dumps(values), encoding="utf-8")
        part.replace(file)

    def _counter(self, name: str) -> Counter[str]:
        return self.counts.setdefault(name, Counter())


def read(file: Path) -> Report:
    """The report of an earlier series; an empty one without it."""
    if not file.exists():
        return Report()
    values = json.loads(file.read_text(encoding="utf-8"))
    values["broken"] = {int(seed): problems for seed, problems in values["broken"].items()}
    values["counts"] = {name: Counter(counts) for name, counts in values["counts"].items()}
    return Report(**values)
