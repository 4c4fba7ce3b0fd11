"""The metadata of the package: its name and the bounds of its dependencies, and the docs about installing it."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from digest.resources import DISTRIBUTION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNBOUNDED = {"tzdata"}  # data, which has to stay new
DEPENDENCIES = [
    Requirement(text) for text in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
]
PINNED = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)


def test_the_distribution_is_not_named_like_the_checksum_program_on_pypi_but_the_command_is():
    assert PROJECT["name"] == DISTRIBUTION == "digest-papers"
    assert list(PROJECT["scripts"]) == ["digest"]


@pytest.mark.parametrize("needed", DEPENDENCIES, ids=str)
def test_a_dependency_has_a_lower_and_an_upper_bound(needed):
    signs = {specifier.operator for specifier in needed.specifier}
    assert signs == ({">="} if needed.name in UNBOUNDED else {">=", "<"})


def test_the_locked_versions_are_within_the_bounds():
    pinned = PINNED.findall((ROOT / "requirements.lock").read_text())
    locked = {canonicalize_name(name): Version(version) for name, version in pinned}
    for needed in DEPENDENCIES:
        assert needed.specifier.contains(locked[canonicalize_name(needed.name)]), needed


def test_no_page_installs_the_other_program():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*")]
    texts = {page: page.read_text(errors="replace") for page in pages if page.is_file()}
    commands = {page: line for page, text in texts.items() for line in text.splitlines() if _installs_it(line)}
    assert commands == {}


def _installs_it(line):
    """True for `pip install digest` unless the sentence forbids it."""
    return re.search(r"(pip|pipx|uv)( tool)? install [^#]*\bdigest(\s|\[|=|$)", line) and "Never" not in line
