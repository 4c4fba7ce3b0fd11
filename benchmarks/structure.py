"""Measures the structure of the code: `python -m benchmarks.structure`. tests/test_structure.py enforces limits."""

import argparse
import ast
import io
import json
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("digest", "workers")
FILLERS = frozenset({"said", "one", "found", "known", "asked", "place"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Structure:
    """Sizes are in lines; names are `path:name`."""

    statements: int  # of the syntax tree, docstrings not counted
    fillers: int  # names that say nothing (FILLERS)
    repeated_classes: tuple[str, ...]
    most_parameters: tuple[int, str]
    longest_function: tuple[int, str]
    longest_file: tuple[int, str]
    largest_folder: tuple[int, str]  # modules; digest/papers/sources, one file a source, is left out


def measure(root: Path = ROOT) -> Structure:
    """The figures of the packages below `root`."""
    files = {path: path.read_text(encoding="utf-8") for path in _files(root)}
    trees = {path: ast.parse(text) for path, text in files.items()}
    functions = [
        (path, node) for path, tree in trees.items() for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)
    ]
    classes = Counter(node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef))
    folders = Counter(
        str(path.parent.relative_to(root))
        for path in files
        if path.name != "__init__.py" and path.parent != root / "digest" / "papers" / "sources"
    )
    return Structure(
        statements=sum(map(_statements, trees.values())),
        fillers=sum(map(_fillers, files.values())),
        repeated_classes=tuple(sorted(name for name, n in classes.items() if n > 1 and not name.startswith("_"))),
        most_parameters=max((_parameters(node), f"{path.relative_to(root)}:{node.name}") for path, node in functions),
        longest_function=max((_length(node), f"{path.relative_to(root)}:{node.name}") for path, node in functions),
        longest_file=max((text.count("\n"), str(path.relative_to(root))) for path, text in files.items()),
        largest_folder=max((count, folder) for folder, count in folders.items()),
    )


def _files(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def _statements(tree: ast.Module) -> int:
    documented = (ast.Module, ast.ClassDef, *_FUNCTIONS)
    nodes = list(ast.walk(tree))
    docstrings = sum(isinstance(node, documented) and ast.get_docstring(node) is not None for node in nodes)
    return sum(isinstance(node, ast.stmt) for node in nodes) - docstrings


def _fillers(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.NAME and token.string in FILLERS for token in tokens)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The number of parameters without `self` and `cls`."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return sum(argument is not None and argument.arg not in ("self", "cls") for argument in every)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def main() -> None:
    """Print the figures, as lines or with --json as one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout to measure")
    arguments = parser.parse_args()
    figures = asdict(measure(arguments.root))
    if arguments.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        sys.stdout.writelines(f"{name:18} {value}\n" for name, value in figures.items())


if __name__ == "__main__":
    main()
