"""Organisations are shown without what an account added to their names; the stored name, which ranks, stays."""

import pytest

from digest.papers.paper import Paper
from digest.papers.text.organization import organization_name


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Shanghai Jiaotong University 1(NOT OFFICIAL)", "Shanghai Jiaotong University"),
        ("Some Lab 2 [unofficial]", "Some Lab"),
        ("Some Lab（Not Official account）", "Some Lab"),
        ("Tsinghua University 2", "Tsinghua University"),
        ("Tsinghua University¹", "Tsinghua University"),
        ("² Inria", "Inria"),
        ("university of science and technology  of china ", "university of science and technology of china"),
        ("shanghai ailab", "shanghai ailab"),
        ("Level 5", "Level 5"),
        ("Ai2", "Ai2"),
        ("AI²", "AI²"),
        ("1688 multimodal & industrial AI", "1688 multimodal & industrial AI"),
        ("LARK Lab@HKUST (GZ)", "LARK Lab@HKUST (GZ)"),
        ("Official AI", "Official AI"),
        ("(not official)", "(not official)"),
        ("", ""),
    ],
)
def test_a_name_is_shown_without_what_is_not_part_of_it(stored: str, shown: str) -> None:
    paper = Paper("2611.00001", "Sorting", organization=stored)
    assert (paper.organization_name, paper.organization) == (shown, stored)


def test_a_name_is_cleaned_once_and_for_all() -> None:
    once = organization_name("Shanghai Jiaotong University 1(NOT OFFICIAL)")
    assert organization_name(once) == once
