"""Takes out each defence of docs/security.md, one after another, and runs the test that has to notice.

`python -m benchmarks.threats [T4 T9 ...]` changes a copy of this tree as benchmarks/threats.toml says and runs one
test, which passes before the change and must fail after it. A change that no longer applies fails the run.
Exit code 1 if any defence can be taken out unnoticed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from benchmarks.mutants import ONE_BY_ONE
from benchmarks.structure import ROOT

FILE = Path(__file__).with_name("threats.toml")
_TREE = ("digest", "workers", "templates", "alembic", "locale", "tests", "benchmarks", "deploy", "docs")
_FILES = ("pyproject.toml", "README.md", "requirements.lock", "requirements-dev.lock")
_SECONDS = 600  # for a run on a busy machine
_FAILED = 1  # exit code of pytest when tests ran and one failed; others mean that none ran
_PYTEST = ("-m", "pytest", *ONE_BY_ONE, "--no-skips", "-o", f"timeout={_SECONDS}")


@dataclass(frozen=True, slots=True)
class Mutation:
    """One defence against a threat: the text in a file to replace, and the test that notices."""

    threat: str
    defence: str
    file: str
    find: str
    replace: str
    test: str

    def text_without(self, root: Path) -> str:
        """The file without the defence. Raises LookupError if the text to replace is not there exactly once."""
        text = (root / self.file).read_text(encoding="utf-8")
        if text.count(self.find) != 1:
            raise LookupError(f"{self.file} has this {text.count(self.find)} times: {self.find}")
        return text.replace(self.find, self.replace)


def mutations() -> list[Mutation]:
    """All of them, in the order of the threats."""
    stored = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return [Mutation(threat, **each) for threat, defences in stored.items() for each in defences]


def main() -> int:
    """Run the mutations of the threats that were named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("threats", nargs="*", help="T1 to T23 [default: all]")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    chosen = [each for each in mutations() if not options.threats or each.threat in options.threats]
    with tempfile.TemporaryDirectory(prefix="digest-threats-") as folder:
        results = _Bench(Path(folder), options.processes).judge(chosen)
    unnoticed = [mutation for mutation, verdict in zip(chosen, results, strict=True) if verdict != "red"]
    threats = len({mutation.threat for mutation in chosen})
    sys.stderr.write(f"{threats} threats, {len(chosen)} defences taken out, {len(unnoticed)} of them unnoticed\n")
    if options.json:
        counts = {"threats": threats, "defences": len(chosen), "unnoticed": [each.defence for each in unnoticed]}
        sys.stdout.write(json.dumps(counts) + "\n")
    return 1 if unnoticed or not chosen else 0


class _Bench:
    """Copies of the tree, one for each process."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._processes = processes
        self._pass_as_it_is = False  # all tests together, which saves the start of each
        self._copies: Queue[Path] = Queue()
        for number in range(processes):
            self._copies.put(_copy(folder / str(number)))

    def judge(self, chosen: list[Mutation]) -> list[str]:
        """Prints and returns what each test says: red is good."""
        copy = self._copies.get()
        self._pass_as_it_is = _run(copy, *dict.fromkeys(each.test for each in chosen)) == 0
        self._copies.put(copy)
        with ThreadPoolExecutor(self._processes) as pool:
            return list(pool.map(self._judge, chosen))

    def _judge(self, mutation: Mutation) -> str:
        copy = self._copies.get()
        try:
            verdict = _verdict(mutation, copy, self._pass_as_it_is)
        finally:
            shutil.copy2(ROOT / mutation.file, copy / mutation.file)
            self._copies.put(copy)
        sys.stdout.write(f"{mutation.threat:4} {verdict:5} {mutation.defence} ({mutation.test.rpartition('::')[2]})\n")
        sys.stdout.flush()
        return verdict


def _copy(target: Path) -> Path:
    for name in _TREE:
        shutil.copytree(ROOT / name, target / name)
    for name in _FILES:
        shutil.copy2(ROOT / name, target / name)
    return target


def _verdict(mutation: Mutation, copy: Path, passes_as_it_is: bool) -> str:
    try:
        text = mutation.text_without(copy)
    except LookupError as problem:
        return f"does not apply: {problem}"
    if not passes_as_it_is and (code := _run(copy, mutation.test)) != 0:
        return f"its test fails or is skipped as the code is ({code})"
    (copy / mutation.file).write_text(text, encoding="utf-8")
    code = _run(copy, mutation.test)
    return "red" if code == _FAILED else "green" if code == 0 else f"its test does not run ({code})"


def _run(copy: Path, *tests: str) -> int:
    environment = os.environ | {"PYTHONPATH": str(copy)}
    try:
        command = [sys.executable, *_PYTEST, *tests]
        done = subprocess.run(command, check=False, cwd=copy, env=environment, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return _FAILED  # as in benchmarks/mutants.py
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
