"""Pages read what they show and no more, so that an archive of many papers takes them no longer."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from digest.database.engine import connect, read_singly, transaction
from digest.database.tables import issue_papers, issue_topics
from digest.issues.archive import paper_and_place
from digest.issues.store import set_status
from digest.ledger.kinds import IssueStatus
from digest.papers.store import keep_papers
from tests.web.conftest import START, Visit
from tests.web.public.test_archive import TODAY, cut, paper

pytestmark = pytest.mark.both_databases


def make_unreadable(visit: Visit, *which: object) -> None:
    """Papers of issues that no page could show."""
    with transaction(visit.engine) as connection:
        connection.execute(update(issue_papers).where(*which).values(paper={"id": "unreadable"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "first", "last"), [("/", 1, 10), ("/issues/2026-11-23?page=2", 11, 20), ("/feed.json", 1, 10)]
)
def test_a_page_reads_only_the_ranks_that_it_shows(visit: Visit, path: str, first: int, last: int) -> None:
    cut(visit, [paper(number) for number in range(1, 31)])
    make_unreadable(visit, ~issue_papers.c.rank.between(first, last))
    page = visit.browser.get(path)
    assert page.status_code == 200
    assert f"Paper number {first}" in page.text
    assert f"Paper number {last}" in page.text


def test_the_page_on_how_papers_are_chosen_reads_one_paper(visit: Visit) -> None:
    cut(visit, [paper(number) for number in range(1, 31)])
    make_unreadable(visit, issue_papers.c.rank > 1)
    assert "Paper number 1" in visit.browser.get("/how-papers-are-chosen").text


def test_a_page_of_a_topic_reads_only_the_papers_that_it_shows(visit: Visit) -> None:
    robots = [paper(number, categories=("cs.RO",)) for number in range(1, 13)]
    cut(visit, [paper(99), *robots, *(paper(number) for number in range(30, 60))])
    make_unreadable(visit, ~issue_papers.c.rank.between(2, 11))
    page = visit.browser.get("/topics/robotics")
    assert "Paper number 10<" in page.text
    assert "Page 1 of 2" in page.text


def test_topics_show_a_paper_once_however_many_issues_rank_it(visit: Visit) -> None:
    robot = paper(1, categories=("cs.RO",))
    cut(visit, [robot], TODAY - timedelta(days=2), kind="weekly")
    first = cut(visit, [robot, paper(2)], TODAY - timedelta(days=1))
    cut(visit, [paper(2), robot, paper(3, categories=("cs.RO",))])
    page = visit.browser.get("/topics/robotics").text
    assert page.index("Paper number 3<") < page.index("Paper number 1<")
    assert page.count("Paper number 1<") == 1
    assert re.findall(r'"/topics/([\w-]+)">[^<]*</a><span>([^<]*)', visit.browser.get("/topics").text) == [
        ("robotics", "2 papers")
    ]
    with transaction(visit.engine) as connection:
        set_status(connection, first, IssueStatus.CANCELLED)
    page = visit.browser.get("/topics/robotics").text
    assert page.index("Paper number 1<") < page.index("Paper number 3<")


def test_a_rank_beyond_the_best_of_an_issue_is_on_no_page_of_a_topic(visit: Visit) -> None:
    cut(visit, [*(paper(number) for number in range(2, 52)), paper(1, categories=("cs.RO",))])
    with transaction(visit.engine) as connection:
        issue_id = connection.scalars(issue_papers.select().with_only_columns(issue_papers.c.issue_id)).first()
        connection.execute(insert(issue_topics).values(issue_id=issue_id, topic="robotics", rank=51))
    assert "There are no papers" in visit.browser.get("/topics/robotics").text


def test_an_earlier_issue_explains_a_rank_once_the_newest_is_cancelled(visit: Visit) -> None:
    cut(visit, [paper(1)], TODAY - timedelta(days=1))
    newest = cut(visit, [paper(1)])
    with transaction(visit.engine) as connection:
        keep_papers(connection, "huggingface", START, [paper(1)])
        set_status(connection, newest, IssueStatus.CANCELLED)
    assert 'href="/issues/2026-11-22"' in visit.browser.get("/papers/2511.00001").text


def test_the_page_of_a_paper_reads_no_issue_without_it_on_sqlite(sqlite_url: str) -> None:
    """Each view read the papers of all issues."""
    engine = connect(sqlite_url)
    statements: list[str] = []
    with read_singly(engine) as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(statements.append)
        assert paper_and_place(connection, "2405.00001") is None
        driver.set_trace_callback(None)
        plan = [row[3] for statement in statements for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}")]
    engine.dispose()
    assert [line for line in plan if line.startswith(("SCAN", "MATERIALIZE"))] == []
    assert any("issue_papers USING INDEX ix_issue_papers_paper_id" in line for line in plan)
