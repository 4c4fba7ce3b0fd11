"""Feeds every reader of strangers' bytes with inputs that reach new code, and keeps those that break it.

`python -m benchmarks.fuzz [--seconds N] [--only TARGET,…] [--json]`: each target runs N seconds in a process of its
own under atheris, with its seeds and what earlier runs reached in `.digest/fuzz/`. An input that raises what its reader
does not declare, takes two seconds of CPU or needs 1.5 GB is written to tests/benchmarks/found/TARGET/, which the suite
reads from then on. Exits with 1 if one was found or a target did not run, with 3 without atheris.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
from hashlib import sha256
from typing import Any

from benchmarks.fuzz.seeds import seeds
from benchmarks.fuzz.targets import TARGETS
from benchmarks.installation import progress
from benchmarks.structure import ROOT

FOUND = ROOT / "tests" / "benchmarks" / "found"
_CORPUS = ROOT / ".digest" / "fuzz"
_RUNS, _COVERED = re.compile(r"number_of_executed_units: +(\d+)"), re.compile(r"\bcov: (\d+)")


def main() -> None:
    """Run the targets one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks.fuzz"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--only", default=",".join(TARGETS), help="targets, with commas (all)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        progress("atheris is missing: it exists for Linux on x86-64 and Python up to 3.13 only")
        sys.exit(3)
    results = {name: _run(name, options.seconds) for name in options.only.split(",")}
    if options.json:
        print(json.dumps(results))
    sys.exit(any(result["found"] or not result["runs"] for result in results.values()))


def _run(name: str, seconds: int) -> dict[str, Any]:
    corpus, folder = _CORPUS / name, FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    for seed in seeds(name):
        (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    command = [sys.executable, "-m", "benchmarks.fuzz.child", name, str(seconds), str(corpus), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    found = [file.name for file in sorted({*folder.iterdir()} - before)]
    runs, covered = (max(map(int, pattern.findall(output)), default=0) for pattern in (_RUNS, _COVERED))
    progress(f"{name:10} {runs:>9,} runs, {covered:>6,} branches reached, {len(found)} found")
    if found or not runs:
        progress(output[-4000:])
    if not any(folder.iterdir()):
        folder.rmdir()
    return {"runs": runs, "covered": covered, "found": found}


if __name__ == "__main__":
    main()
