"""No file grows too long to be read."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 300  # lines


def test_no_file_is_too_long_to_be_read() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in _files()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def _files() -> list[Path]:
    return sorted([*(ROOT / "digest").rglob("*.py"), *(ROOT / "workers").rglob("*.py")])
