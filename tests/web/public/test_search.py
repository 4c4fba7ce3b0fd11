"""The search page, and what it leads to."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from digest.database.engine import transaction
from digest.papers.paper import Paper, Votes
from digest.papers.search import store_similar_papers
from digest.papers.store import keep_papers, keep_votes
from digest.web import site
from digest.web.public.votes_chart import votes_chart
from tests.support.waiting import wait_for
from tests.web.conftest import START, Visit
from tests.web.public.test_archive import LISTED

pytestmark = pytest.mark.both_databases


def archive(visit: Visit, *listed: Paper) -> None:
    with transaction(visit.engine) as connection:
        keep_papers(connection, "huggingface", START, listed)


def titles(page: str) -> list[str]:
    return [re.sub("<.*?>", "", title) for title in re.findall(r"<h3.*?><a.*?>(.*?)</a></h3>", page)]


@pytest.fixture
def graphs(visit: Visit) -> Visit:
    archive(visit, *(Paper(f"2511.{n:05}", f"Graph {n}", "About graphs.", listed_at=LISTED) for n in range(25)))
    return visit


def test_the_empty_form_explains_itself(visit: Visit) -> None:
    page = visit.browser.get("/search")
    assert page.status_code == 200
    assert 'name="q"' in page.text
    assert "side by side" in page.text


def test_what_is_found_comes_in_pages_with_each_paper_once(graphs: Visit) -> None:
    path, seen = "/search?q=graph", []
    while path:
        page = graphs.browser.get(path).text
        assert "25 papers" in page
        seen += titles(page)
        further = re.search(r'rel="next" href="(.*?)"', page)
        path = "/search" + further.group(1).replace("&amp;", "&") if further else ""
    assert sorted(seen) == sorted(f"Graph {n}" for n in range(25))
    assert graphs.browser.get("/search?q=graph&page=4").status_code == 404
    assert graphs.browser.get("/search?q=graph&page=x").status_code == 404


@pytest.mark.parametrize("signs", ["？？", '"', "*", "- -", "-...", '""', "🤗", "…、。", "，"])
def test_a_search_for_signs_alone_says_what_is_missing(graphs: Visit, signs: str) -> None:
    page = graphs.browser.get("/search", params={"q": signs})
    assert page.status_code == 400
    assert "There’s no word in this search" in page.text
    assert "Graph" not in page.text


def test_what_was_looked_for_is_marked(graphs: Visit) -> None:
    page = graphs.browser.get("/search?q=graph+7").text
    assert "<mark>Graph</mark>" in page
    assert "About <mark>graphs</mark>." in page
    assert 'value="graph 7"' in page


def test_nothing_found_says_what_to_try(graphs: Visit) -> None:
    page = graphs.browser.get("/search?q=zebra&category=cs.CL").text
    assert "No papers found" in page
    assert 'href="/search?q=zebra"' in page
    assert "https://arxiv.org/abs/2405.17247" in graphs.browser.get("/search?q=2405.17247").text


def test_a_wrong_day_has_a_message_at_its_field(graphs: Visit) -> None:
    for query in ("from=yesterday", "from=2026-05-02&to=2026-05-01"):
        answer = graphs.browser.get(f"/search?q=graph&{query}")
        assert answer.status_code == 400
        assert answer.text.count('aria-invalid="true"') == 1


@pytest.mark.parametrize(
    "words", ['a"', "a AND (", "NEAR(x", "a*", "%00", "<script>alert(1)</script>", "' OR 1=1 --", "x" * 900]
)
def test_no_text_breaks_the_page(graphs: Visit, words: str) -> None:
    answer = graphs.browser.get("/search", params={"q": words})
    assert answer.status_code == (200 if re.search(r"\w", words) else 400)
    assert "<script>alert" not in answer.text


def test_hostile_titles_are_text_where_they_are_found(visit: Visit) -> None:
    archive(
        visit,
        Paper("2511.00001", "<b>Graph</b> & co", '"><img src=x> graph', authors=("<i>Graph</i>",), listed_at=LISTED),
    )
    page = visit.browser.get("/search?q=graph").text
    assert "&lt;b&gt;<mark>Graph</mark>&lt;/b&gt; &amp; co" in page
    assert not re.search("<img|<b>|<i>", page)


def test_an_author_who_is_found_is_named(visit: Visit) -> None:
    names = tuple(f"Author {n}" for n in range(12))
    archive(visit, Paper("2511.00001", "T", authors=(*names, "Emmy Noether"), listed_at=LISTED))
    page = visit.browser.get("/search?q=noether").text
    assert "Emmy <mark>Noether</mark> and 12 more" in page


def test_a_page_of_results_with_its_style_is_small(visit: Visit) -> None:
    long = [Paper(f"2511.{n:05}", "Graph words " * 14, "A graph sentence. " * 60, listed_at=LISTED) for n in range(12)]
    archive(visit, *long)
    assert len(visit.browser.get("/search?q=sentence").content) < 20_000


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_searches_run_at_once_and_hold_up_neither_pages_nor_an_answer(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(visit, Paper("2511.00001", "Sparse attention", listed_at=LISTED))
    monkeypatch.setattr(site, "_PATIENCE_SECONDS", 0.05)
    waiting = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE relname = 'paper_words'"
    waiting += " AND NOT granted"
    with ThreadPoolExecutor(3) as visitors:
        with visit.engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE paper_words")
            answers = [visitors.submit(visit.browser.get, "/search?q=attention") for _visitor in range(2)]
            wait_for(lambda: connection.exec_driver_sql(waiting).scalar() == 2, 10, "the first two searches")
            refused = visitors.submit(visit.browser.get, "/search?q=attention").result(timeout=5)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert "Too many people are searching" in refused.text
            assert [visit.browser.get(path).status_code for path in ("/", "/search")] == [200, 200]
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert visit.browser.get("/search?q=attention").status_code == 200


def test_a_paper_page_shows_similar_papers(visit: Visit) -> None:
    about = ["quantum error codes", "quantum error decoders", "speech", "vision", "proteins", "graphs"]
    archive(visit, *(Paper(f"2511.{n:05}", one, f"On {one}.", listed_at=LISTED) for n, one in enumerate(about)))
    assert "Similar papers" not in visit.browser.get("/papers/2511.00000").text
    store_similar_papers(visit.engine, START)  # which a background job does
    page = visit.browser.get("/papers/2511.00000").text
    assert "Similar papers" in page
    assert 'href="/papers/2511.00001"' in page
    assert "Similar papers" not in visit.browser.get("/papers/2511.00002").text


def test_a_paper_page_draws_votes_with_attributes_alone_and_says_them(visit: Visit) -> None:
    archive(visit, Paper("2511.00001", "T", listed_at=LISTED))
    with transaction(visit.engine) as connection:
        keep_votes(
            connection, [Votes("2511.00001", "huggingface", LISTED.replace(hour=8 + n), 6 * n) for n in range(4)]
        )
    page = visit.browser.get("/papers/2511.00001").text
    assert "From 0 votes on 22 November 2026, 08:00 UTC to 18 votes on 22 November 2026, 11:00 UTC." in page
    assert "<polyline" in page
    assert "style=" not in page


def test_votes_of_several_sources_are_added_up() -> None:
    def seen(source: str, hour: int, upvotes: int) -> Votes:
        return Votes("x", source, LISTED.replace(hour=hour), upvotes)

    chart = votes_chart([seen("a", 8, 1), seen("b", 9, 5), seen("a", 10, 3)])
    assert chart is not None
    assert chart.words.startswith("From 1 vote on 22 November 2026, 08:00 UTC to 8 votes")
    assert [point.split(",")[0] for point in chart.line.split()] == ["38", "186", "334"]
    assert [count for _y, count in chart.counts] == [0, 5]
    assert chart.times == ((38.0, "08:00"), (334.0, "10:00"))
    weeks = votes_chart([Votes("x", "a", LISTED + timedelta(days=day), 7 * day) for day in range(15)])
    assert weeks is not None
    assert [count for _y, count in weeks.counts] == [0, 50]
    assert [str(day) for _x, day in weeks.times] == ["2026-11-23", "2026-11-27", "2026-12-01", "2026-12-05"]
    assert votes_chart([seen("a", 8, 1)]) is None
    many = votes_chart([Votes("x", "a", LISTED.replace(minute=n // 20, second=n % 20), n) for n in range(900)])
    assert many is not None
    assert len(many.line.split()) < 60


def test_an_unknown_paper_offers_a_search(visit: Visit) -> None:
    answer = visit.browser.get("/papers/2405.17247")
    assert answer.status_code == 404
    assert 'action="/search"' in answer.text
    assert "https://arxiv.org/abs/2405.17247" in answer.text


def test_every_page_has_a_search_field(visit: Visit) -> None:
    for path in ("/", "/issues", "/topics", "/manage", "/search", "/nothing"):
        assert visit.browser.get(path).text.count('role="search"') == 1


@pytest.mark.parametrize(
    "words",
    ["2511.00007", "arXiv:2511.00007v2", "https://arxiv.org/pdf/2511.00007v1", "huggingface.co/papers/2511.00007"],
)
def test_the_id_or_address_of_a_paper_leads_straight_to_its_page(graphs: Visit, words: str) -> None:
    answer = graphs.browser.get("/search", params={"q": words}, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("Location", "")[-18:]) == (303, "/papers/2511.00007")
