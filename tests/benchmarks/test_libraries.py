"""Libraries cut from recorded lists, and interests on them compared with the formula of zotero-arxiv-daily."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from benchmarks.libraries import measure, ratio, summary
from benchmarks.library_tasks import (
    LibraryTask,
    ListedPaper,
    OwnerRule,
    RecordedLists,
    TaskSet,
    owned_by_name,
    read_lists,
)

MAY = date(2026, 5, 1)


def paper(number: int, day: date, *authors: str, title: str = "") -> ListedPaper:
    return ListedPaper(str(number), day, title or f"Title of {number}", "text", frozenset(authors))


def papers_of(*authors: str, count: int) -> list[ListedPaper]:
    days = [date(2026, 5, 2), *(date(2026, 4, day) for day in range(1, count))]
    return [ListedPaper(f"{authors}{day}", day, f"{authors} on {day}", "text", frozenset(authors)) for day in days]


def tasks_of(papers: list[ListedPaper], rule: OwnerRule) -> list[LibraryTask]:
    tasks = TaskSet(rule, owned_by_name(papers, rule))
    (period,) = RecordedLists(papers, [MAY, date(2026, 5, 8)], {"authors": tasks}, MAY).periods()
    return tasks.tasks(period)


def owners(papers: list[ListedPaper], rule: OwnerRule) -> list[str]:
    return [task.owner for task in tasks_of(papers, rule)]


def test_a_library_ends_before_the_pool_begins_and_another_version_is_not_to_be_discovered() -> None:
    version = paper(1, date(2026, 5, 2), "Ann", title="Title of 2")
    papers = [paper(2, date(2026, 4, 2), "Ann"), paper(3, date(2026, 4, 3), "Ann"), version]
    assert tasks_of(papers, OwnerRule(2, 12)) == []
    (task,) = tasks_of([*papers, paper(4, date(2026, 5, 3), "Ann", title="Another one")], OwnerRule(2, 12))
    assert (task.task.liked, task.task.pool, task.task.relevant) == (["3", "2"], ["1", "4"], {"4"})


def test_names_of_several_people_and_co_authors_with_the_same_library_are_left_out() -> None:
    assert owners(papers_of("Ann", "Bo", count=4), OwnerRule(3, 12)) == ["Ann"]
    assert owners(papers_of("Li", count=14), OwnerRule(3, 12)) == []
    strangers = [*papers_of("Li", "Ann", count=3), *papers_of("Li", "Bo", count=3)]
    assert owners(strangers, OwnerRule(3, 12)) == ["Li"]
    assert owners(strangers, OwnerRule(3, 12, linked=True)) == []


@pytest.fixture(scope="module")
def sample(shared_data: Path) -> RecordedLists:
    """A third of the owners in a week of May, and one in 25 of the papers that are not theirs."""
    arxiv, _ = read_lists(shared_data)
    linked = arxiv.sets["arxiv_linked"]
    tasks = replace(linked, owned=dict(sorted(linked.owned.items())[::3]))
    week = replace(arxiv, sets={"authors": tasks}, bounds=[date(2026, 5, 11), date(2026, 5, 18)])
    cut = [task.task for period in week.periods() for task in tasks.tasks(period)]
    kept = {paper_id for task in cut for paper_id in (*task.liked, *task.relevant)}
    papers = [paper for number, paper in enumerate(arxiv.papers) if paper.id in kept or number % 25 == 0]
    return replace(week, papers=papers)


def test_on_a_small_archive_interests_are_ahead_of_the_mean_weighted_by_recency(sample: RecordedLists) -> None:
    figures, _ = measure(sample)
    assert len(figures["authors"]["ours"]) >= 100
    assert ratio(figures["authors"]) >= 1.03  # 1.07 on these 838 papers, and 1.07 on 1,401
    rows = summary(figures["authors"], {})
    times = {name: rows[f"{name} / recency"] for name in ("ours", "pairs", "ours + 0.5 pairs")}
    assert times["pairs"] >= 1.09  # 1.13
    assert times["ours + 0.5 pairs"] > times["ours"]
