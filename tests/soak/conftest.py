"""Tests that take many minutes: only with `make soak`."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the tests that take many minutes")
    parser.addoption("--soak-minutes", type=float, default=10, help="how long a soak goes on")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.getoption("--soak", default=False) else True
