"""The list of defences still applies to the code, and docs/security.md has all of it; `make threats` runs it."""

import re

import pytest

from benchmarks.structure import ROOT
from benchmarks.threats import Mutation, mutations

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (T\d+) .*?\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
MUTATIONS = mutations()


def test_each_threat_has_a_section_and_a_defence_that_can_be_taken_out() -> None:
    assert list(SECTIONS) == list(dict.fromkeys(each.threat for each in MUTATIONS)) == [f"T{n}" for n in range(1, 24)]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.threat} {each.defence}")
def test_a_defence_can_be_taken_out_and_its_test_is_there(mutation: Mutation) -> None:
    assert mutation.text_without(ROOT) != (ROOT / mutation.file).read_text(encoding="utf-8")
    file, _, name = mutation.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_the_page_lists_exactly_the_defences_that_are_taken_out() -> None:
    row = re.compile(r"^\| (?!taken out)(.+?) \| `(\w+)` \|$", re.MULTILINE)
    listed = {(threat, *cells) for threat, text in SECTIONS.items() for cells in row.findall(text)}
    assert listed == {(each.threat, each.defence, each.test.rpartition("::")[2]) for each in MUTATIONS}
