"""Puts one planted bug after another into a copy of the code and runs the simulation until it is found.

`python -m benchmarks.planted` takes all; a number or a part of the name takes some. The exit code is 1 if a bug is not
found within --runs runs, or if a patch does not apply any more.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.structure import ROOT

FOLDER = Path(__file__).parent
_COPIED = ("alembic", "benchmarks", "digest", "locale", "templates", "tests", "workers", "pyproject.toml")
_FOUND_BY = re.compile(r"^Found by: (.+)$", re.MULTILINE)


@dataclass(slots=True)
class Outcome:
    """The result for one planted bug."""

    name: str
    by: str  # what has to find it
    runs: int = 0  # until it was found
    problem: str = ""  # the first that was seen; "" if it was not found
    failure: str = ""  # of the simulation itself, which finds nothing
    applies: bool = True
    seconds: float = 0.0


def main() -> int:
    """Judge the bugs, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="numbers or parts of names [default: all]")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcomes = [_judge(patch, options) for patch in patches() if _is_chosen(patch, options.names)]
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes]))
    missed = [outcome.name for outcome in outcomes if not outcome.problem]
    sys.stderr.write(f"{len(outcomes) - len(missed)} of {len(outcomes)} found; missed: {', '.join(missed) or 'none'}\n")
    return 1 if missed else 0


def patches() -> list[Path]:
    """All planted bugs, by number."""
    return sorted(FOLDER.glob("*.patch"))


def applies(patch: Path, root: Path = ROOT, check: bool = True) -> bool:
    """Apply a patch to the code in `root`, or only try to. Returns whether it fits."""
    dry = ["--dry-run"] if check else []
    command = ["patch", "--batch", "--forward", "--fuzz=0", "-p1", *dry, "-i", str(patch)]
    return subprocess.run(command, cwd=root, capture_output=True, check=False).returncode == 0


def _is_chosen(patch: Path, names: list[str]) -> bool:
    return not names or any(patch.name.startswith(name) or name in patch.stem for name in names)


def _judge(patch: Path, options: argparse.Namespace) -> Outcome:
    named = _FOUND_BY.search(patch.read_text(encoding="utf-8"))
    outcome = Outcome(patch.stem, named[1] if named else "")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="digest-planted-") as folder:
        for name in _COPIED:
            source, copy = ROOT / name, Path(folder, name)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        outcome.applies = applies(patch, Path(folder), check=False)
        if outcome.applies:
            _simulate(Path(folder), options, outcome)
    outcome.seconds = round(time.monotonic() - began, 1)
    missed = f"NOT FOUND: the simulation fails: {outcome.failure}" if outcome.failure else "NOT FOUND"
    result = f"found after {outcome.runs} runs: {outcome.problem}" if outcome.problem else missed
    sys.stderr.write(f"{outcome.name}: {result if outcome.applies else 'DOES NOT APPLY'} ({outcome.seconds} s)\n")
    return outcome


def _simulate(folder: Path, options: argparse.Namespace, outcome: Outcome) -> None:
    command = [sys.executable, "-m", "benchmarks.simulate", "--json", "--stop"]
    command += ["--runs", str(options.runs), "--seed", str(options.seed)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    try:
        report = json.loads(run.stdout)
    except ValueError:
        outcome.failure = " ".join(run.stderr.strip().splitlines()[-1:])
        return
    outcome.runs = report["runs"]
    outcome.problem = next((problems[0] for problems in report["problems"].values()), "")


if __name__ == "__main__":
    sys.exit(main())
