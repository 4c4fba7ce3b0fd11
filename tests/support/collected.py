"""Chooses which of the collected tests run, and orders them."""

from collections import defaultdict
from pathlib import Path
from zlib import crc32

import pytest

TESTS = Path(__file__).parents[1]
PAGES_AND_COMMANDS = (TESTS / "web", TESTS / "cli")


def second_runs(items: list[pytest.Item]) -> set[pytest.Item]:
    """Of each test of pages and commands that would run on both databases, one of the two, chosen by its name."""
    runs: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        database = parameters.get("database_url")
        if isinstance(database, str) and _may_run_on_either(item):
            runs[item.nodeid.replace(database, "")][database] = item
    pairs = {name: sorted(both) for name, both in runs.items() if len(both) == 2}
    return {runs[name][pair[crc32(name.encode()) % 2]] for name, pair in pairs.items()}


def _may_run_on_either(item: pytest.Item) -> bool:
    return any(map(item.path.is_relative_to, PAGES_AND_COMMANDS)) and not item.get_closest_marker("both_databases")


def longest_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Long tests first, however the others are shuffled, so that none is left over at the end.

    Each of the worker processes starts with an equal part of the list, and takes over tests of others when it has none
    left. The first begins with those that mostly wait for other processes, so that the others keep the processors busy.
    """
    waiting = _marked(items, "processes")
    computing = [item for item in _marked(items, "browser", "long") if item not in waiting]
    others = workers - 1
    files = list(dict.fromkeys(item.path for item in computing))  # tests of one file share what it has computed
    of_others = [[item for item in computing if files.index(item.path) % others == number] for number in range(others)]
    shares = [waiting, *of_others] if others else [waiting + computing]
    chosen = {*waiting, *computing}
    short = [item for item in items if item not in chosen]
    size = -(-len(items) // workers)
    ordered: list[pytest.Item] = []
    for share in shares:
        count = max(0, size - len(share))
        ordered += share + short[:count]
        del short[:count]
    return ordered + short


def _marked(items: list[pytest.Item], *names: str) -> list[pytest.Item]:
    return [item for item in items if any(map(item.get_closest_marker, names))]
