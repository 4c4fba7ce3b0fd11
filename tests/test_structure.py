"""The house: every module has its place in the layers of pyproject.toml, and no file grows too long to be read."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 300  # lines


def test_every_module_has_its_place_in_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    placed = {name for layer in contracts[0]["layers"] for name in re.split(r"\s*[:|]\s*", layer)}
    homeless = [name for name in _modules() if not placed & {name, *_packages_of(name)}]
    assert homeless == []


def test_no_file_is_too_long_to_be_read() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in _files()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def _files() -> list[Path]:
    return sorted([*(ROOT / "digest").rglob("*.py"), *(ROOT / "workers").rglob("*.py")])


def _modules() -> list[str]:
    paths = [path.relative_to(ROOT).with_suffix("") for path in _files() if path.name != "__init__.py"]
    return [".".join(path.parts) for path in paths]


def _packages_of(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]
