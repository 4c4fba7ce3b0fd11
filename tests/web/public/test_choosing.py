"""The page on how papers are chosen says what this version does; its numbers are those of the code."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.issues.selection import FEWEST
from digest.papers.ranking import FLOOR, WEEK_BEST
from digest.settings import Settings
from digest.web.app import create_app
from digest.web.public.choosing import MEASURED, PATH
from digest.web.public.issue_chart import chance_of
from digest.web.public.score_labels import EARLY_LABELS
from tests.support.scenario import add_papers, cut
from tests.web.conftest import SECRET, START, Visit

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RESULTS = Path(__file__).parents[3] / "benchmarks" / "RESULTS.md"


def text_of(visit: Visit, **others: object) -> str:
    chosen = Settings(secret_key=SECRET, **others)  # type: ignore[arg-type]
    browser = TestClient(create_app(visit.engine, chosen, lambda: None), base_url="http://127.0.0.1:8000")
    main = browser.get(PATH).text.partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", "", main).split())


def test_the_front_page_the_preferences_and_the_sitemap_lead_to_it(visit: Visit) -> None:
    assert f'<a href="{PATH}">How papers are chosen</a>' in visit.browser.get("/").text
    assert f"{PATH}</loc>" in visit.browser.get("/sitemap/pages.xml").text


def test_its_numbers_are_the_constants(visit: Visit) -> None:
    text = text_of(visit, pool_days=5)
    assert f"the last 5 days by their chance of being among the {WEEK_BEST} papers" in text
    assert f"a chance below {100 * chance_of(FLOOR):.0f} in 100 is left out" in text
    assert f"If fewer than {FEWEST} papers are left" in text
    for label in EARLY_LABELS:
        assert label in text


def test_how_well_it_works_is_what_was_measured(visit: Visit) -> None:
    row = f"| {MEASURED.measured_on} |"
    figures = f"| {MEASURED.recall:.3f} / {MEASURED.delay} h |"
    assert any(line.startswith(row) and line.endswith(figures) for line in RESULTS.read_text().splitlines())
    assert "97 of 100 papers that ended among the 25 best of their week, on average 4.55 hours" in text_of(visit)


def test_it_says_only_what_is_so_here(visit: Visit) -> None:
    usual, other = text_of(visit), text_of(visit, full_lists=True, sources="arxiv,readers")
    assert "The votes are those on Hugging Face Daily Papers. Points on Hacker News count a little." in usual
    assert "Hugging Face" not in other
    assert "Subscribers’ votes for papers they suggested count too." in other
    assert "This site fills every list" in other
    assert "is left out" not in other
    assert "below the dashed line" not in other


def test_the_picture_shows_the_papers_of_the_newest_issue(visit: Visit) -> None:
    assert "An example, not a real issue." in text_of(visit)
    add_papers(visit.engine, range(150, 180), START - timedelta(hours=4), listed_at=START - timedelta(hours=9))
    cut(visit.engine, START.date(), START)
    page = visit.browser.get(PATH).text
    assert "The 30 papers in the issue for Monday, 23 November 2026" in page
    best, others = (re.search(pattern, page) for pattern in (r'class="best" d="([^"]*)"', r'<path d="([^"]*)"'))
    assert best is not None
    assert others is not None
    assert len(best[1].split("M")) + len(others[1].split("M")) - 2 == 30
    assert '<a href="/papers/2603.00150" dir="auto">Paper number 150</a>' in page


def test_it_speaks_chinese(visit: Visit) -> None:
    page = visit.browser.get(f"{PATH}?lang=zh-CN").text.partition("<main")[2].partition("</main>")[0]
    text = re.sub(r"<[^>]+>|Hugging Face Daily Papers|Hacker News", "", page)
    assert "论文" in text
    assert not re.search(r"[a-z]{3,} [a-z]{3,}", text)
