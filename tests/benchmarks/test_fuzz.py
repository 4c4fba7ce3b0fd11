"""Each reader of strangers' bytes handles its seeds, damaged seeds, and the inputs that a long run found."""

from itertools import islice

import pytest

from benchmarks.fuzz.__main__ import FOUND
from benchmarks.fuzz.seeds import seeds
from benchmarks.fuzz.targets import TARGETS

CUTS = (b"", b"\0", b"\xff", b"\r\n", b"\x07", "\u202e\u2028".encode())
CASES = sorted(file for file in FOUND.rglob("*") if file.is_file())


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_takes_its_seeds_and_damaged_ones(name):
    for seed in islice(seeds(name), 5):
        TARGETS[name](seed)
        for cut in CUTS:
            TARGETS[name](seed[: len(seed) // 2] + cut + seed[len(seed) // 2 :])
            TARGETS[name](seed[: len(seed) // 3] + cut)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_what_broke_a_reader_once_does_not_again(case):
    TARGETS[case.parent.name](case.read_bytes())
