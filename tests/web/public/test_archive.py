"""The pages that are open to everybody: today's papers, past issues, single papers."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import insert

from digest.database.engine import transaction
from digest.database.tables import papers
from digest.issues.issue import IssueSettings
from digest.issues.store import NewIssue, add_issue, set_status
from digest.ledger.kinds import IssueStatus
from digest.papers.paper import Paper, RankedPaper, Votes, paper_id_of
from digest.papers.score_terms import ScoreTerms
from digest.papers.store import keep_votes
from digest.web.cards import authors, links, paper_card
from tests.web.conftest import START, Visit

TODAY = date(2026, 11, 23)
LISTED = datetime(2026, 11, 22, 8, tzinfo=UTC)


def paper(number: int, title: str = "", **facts: object) -> Paper:
    return Paper(f"2511.{number:05}", title or f"Paper number {number}", listed_at=LISTED, **facts)  # type: ignore[arg-type]


def cut(visit: Visit, listed: list[Paper], day: date = TODAY, kind: str = "daily", votes: float = 100) -> int:
    stored = [{"upvotes": votes / rank, "decay": 2.5, "score": 10 / rank} for rank in range(1, len(listed) + 1)]
    ranked = [
        RankedPaper(rank, paper, 10 / rank, ScoreTerms.from_dict(terms))
        for rank, (paper, terms) in enumerate(zip(listed, stored, strict=True), 1)
    ]
    with transaction(visit.engine) as connection:
        issue = add_issue(connection, NewIssue(kind, day, START, "f", {}, IssueSettings(), ""), ranked)
    assert issue is not None
    return issue


def store(visit: Visit, one: Paper) -> None:
    names = ("id", "title", "abstract", "summary", "organization", "submitter", "url", "code_url", "project_url")
    row = {name: getattr(one, name) for name in (*names, "listed_at")}
    row |= {name: list(getattr(one, name)) for name in ("authors", "categories", "keywords")}
    row |= {"sources": [], "first_seen_at": START, "last_seen_at": START, "published_at": None, "submitter": ""}
    with transaction(visit.engine) as connection:
        connection.execute(insert(papers).values(row))


def test_the_front_page_shows_the_ten_best_of_the_newest_issue(visit: Visit) -> None:
    cut(visit, [paper(99)], TODAY - timedelta(days=1))
    cut(
        visit,
        [paper(n, organization="Paper Lab" if n == 1 else "", authors=("Ada", "Alan", "Emmy")) for n in range(1, 15)],
    )
    page = visit.browser.get("/").text
    assert re.findall(r"Paper number (\d+)<", page) == [str(n) for n in range(1, 11)]
    assert "Monday, 23 November 2026" in page
    assert "<b>100</b> votes" in page
    assert "Paper Lab" in page
    assert "Ada, Alan and 1 more" in page
    assert '<time datetime="2026-11-22">22 Nov</time>' in page


def test_before_the_first_issue_the_front_page_shows_what_came_in(visit: Visit) -> None:
    assert "collecting the first papers" in visit.browser.get("/").text
    store(visit, paper(1))
    page = visit.browser.get("/").text
    assert "Paper number 1" in page
    assert "preparing the first issue" in page


def test_the_front_page_is_sent_again_only_when_it_changed(visit: Visit) -> None:
    cut(visit, [paper(1)], TODAY - timedelta(days=1))
    known = {"If-None-Match": visit.browser.get("/").headers["etag"]}
    again = visit.browser.get("/", headers=known)
    assert (again.status_code, again.headers["cache-control"]) == (304, "public, no-cache")
    cut(visit, [paper(2)])
    assert "Paper number 2" in visit.browser.get("/", headers=known).text


def test_the_list_of_issues_is_newest_first(visit: Visit) -> None:
    assert "There’s no issue yet" in visit.browser.get("/issues").text
    for days in (2, 0, 1):
        cut(visit, [paper(1)], TODAY - timedelta(days=days))
    days = re.findall(r'href="/issues/([\d-]+)"', visit.browser.get("/issues").text)
    assert days == ["2026-11-23", "2026-11-22", "2026-11-21"]


def test_a_long_issue_comes_in_parts_that_hold_every_paper_once(visit: Visit) -> None:
    cut(visit, [paper(n) for n in range(1, 61)])
    parts = [visit.browser.get(f"/issues/2026-11-23?page={page}").text for page in range(1, 7)]
    assert [int(n) for part in parts for n in re.findall(r"Paper number (\d+)<", part)] == list(range(1, 61))
    assert visit.browser.get("/issues/2026-11-23?page=7").status_code == 404


def test_the_page_of_a_weekly_issue_is_its_own_original(visit: Visit) -> None:
    for kind, path in (("daily", "/issues/2026-11-23"), ("weekly", "/issues/2026-11-23/weekly")):
        cut(visit, [paper(1)], kind=kind)
        page = visit.browser.get(path).text
        assert f'<link rel="canonical" href="http://127.0.0.1:8000{path}">' in page


@pytest.mark.parametrize("page", ["0", "-1", "x", "٣", "99999", ""])
def test_a_senseless_part_is_not_found(visit: Visit, page: str) -> None:
    cut(visit, [paper(1)])
    assert visit.browser.get("/issues/2026-11-23", params={"page": page}).status_code == 404


@pytest.mark.parametrize(
    "day", ["2026-11-24", "2026-13-01", "20261123", "2026-W48-1", "today", "2026-11-23%0A", "x" * 3000]
)
def test_a_wrong_date_gets_a_clear_page(visit: Visit, day: str) -> None:
    cut(visit, [paper(1)])
    answer = visit.browser.get(f"/issues/{day}")
    assert answer.status_code == 404
    assert "date" in answer.text


def test_a_paper_page_explains_the_place_with_every_number(visit: Visit) -> None:
    one = paper(
        2, summary="It is about readable papers.", url="https://example.org/2", code_url="https://code.example/2"
    )
    store(visit, one)
    cut(visit, [paper(1), one])
    page = visit.browser.get("/papers/2511.00002").text
    for shown in ("Paper number 2", "It is about readable papers.", "No. 2 of 2", "Votes", "50", "decay", "2.5"):
        assert shown in page
    assert 'href="https://arxiv.org/pdf/2511.00002"' in page
    assert 'href="https://code.example/2"' in page
    assert 'href="/issues/2026-11-23"' in page
    assert page.index("<details>") < page.index("Score breakdown") < page.index("decay") < page.index("</details>")


def test_a_paper_page_links_to_the_discussion_topics_citations_and_ways_to_share(visit: Visit) -> None:
    robot = paper(2, title="Robots & <arms>", categories=("cs.RO",))
    store(visit, robot)
    with transaction(visit.engine) as connection:
        keep_votes(connection, [Votes(robot.id, "huggingface", LISTED, 3)])
    page = unescape(visit.browser.get("/papers/2511.00002").text)
    for address in (
        "https://huggingface.co/papers/2511.00002",
        "/topics/robotics",
        "/papers/2511.00002.bib",
        "https://bsky.app/intent/compose?text=Robots%20%26%20%3Carms%3E%20http%3A%2F%2F127.0.0.1%3A8000%2Fpapers%2F2511.00002",
    ):
        assert f'href="{address}"' in page


def test_every_issue_links_to_files_that_cite_its_papers(visit: Visit) -> None:
    for kind, path in (("daily", "/issues/2026-11-23"), ("weekly", "/issues/2026-11-23/weekly")):
        cut(visit, [paper(1)], kind=kind)
        assert f'href="{path}.bib"' in visit.browser.get(path).text
        assert "2511.00001" in visit.browser.get(f"{path}.bib").text


def test_no_page_or_feed_calls_ranked_or_best_what_nobody_voted_on(visit: Visit) -> None:
    store(visit, paper(1))
    cut(visit, [paper(1, categories=("cs.RO",)), paper(2)], votes=0)
    pages = ("/", "/issues", "/issues/2026-11-23", "/papers/2511.00001", "/topics/robotics", "/topics", "/feed.atom")
    for path in (*pages, "/feed.json"):
        text = visit.browser.get(path).text
        assert "Paper number 1" in text or path == "/topics"
        claims = re.findall(
            r'(?i)trending|rising|community votes|\bbest\b|aria-label="Number|No\. \d|(?<!t )\branked\b', text
        )
        assert claims == [], path
    assert "Nobody has voted on them, so they aren’t ranked." in visit.browser.get("/issues/2026-11-23").text


def test_a_cancelled_issue_explains_nothing(visit: Visit) -> None:
    store(visit, paper(1))
    issue = cut(visit, [paper(1)])
    with transaction(visit.engine) as connection:
        set_status(connection, issue, IssueStatus.CANCELLED)
    assert "Why it’s ranked here" not in visit.browser.get("/papers/2511.00001").text


def test_the_page_of_a_paper_answers_to_its_versions_and_addresses(visit: Visit) -> None:
    for name in ("2511.00002v3", "arXiv:2511.00002", "https://arxiv.org/abs/2511.00002v1", "hf.co/papers/2511.00002"):
        answer = visit.browser.get(f"/papers/{name}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (308, "/papers/2511.00002")


def test_the_page_of_a_paper_elsewhere_answers_to_its_addresses(visit: Visit) -> None:
    by_doi, by_address = paper_id_of("10.1145/77.1"), paper_id_of("https://lab.example/p?id=1")
    for paper_id in (by_doi, by_address):
        store(visit, Paper(str(paper_id), "A paper elsewhere", listed_at=LISTED))
    names = {
        "10.1145/77.1": by_doi,
        "https://doi.org/10.1145/77.1": by_doi,
        "lab.example/p/?id=1&utm_source=x": by_address,
    }
    for name, paper_id in names.items():
        answer = visit.browser.get(f"/papers/{name}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (308, f"/papers/{paper_id}")
    assert visit.browser.get("/papers/lab.example/other").status_code == 404


@pytest.mark.parametrize("number", ["2511.99999", "hep-th/9901001", "x" * 200, "..%2F..%2Fetc"])
def test_an_unknown_paper_gets_a_clear_page(visit: Visit, number: str) -> None:
    assert visit.browser.get(f"/papers/{number}").status_code == 404


def test_an_old_style_id_has_a_page(visit: Visit) -> None:
    store(visit, Paper("hep-th/9901001", "An old paper", listed_at=LISTED))
    assert "An old paper" in visit.browser.get("/papers/hep-th/9901001").text


def test_what_others_wrote_is_text_and_never_markup(visit: Visit) -> None:
    hostile = paper(
        1,
        "<script>alert(1)</script> & {{ 7 * 7 }}",
        summary='"><img src=x onerror=alert(1)>',
        authors=("<b>Ada</b>",),
        url="javascript:alert(1)",
        code_url="http://plain.example/",
        project_url='https://project.example/"onmouseover="x',
    )
    store(visit, hostile)
    cut(visit, [hostile])
    for path in ("/", "/issues/2026-11-23", "/papers/2511.00001"):
        page = visit.browser.get(path).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{ 7 * 7 }}" in page
        assert "<script>" not in page
        assert "<img" not in page
        assert "<b>Ada" not in page
        assert 'href="javascript:' not in page
        assert 'href="http://plain' not in page
        assert '"onmouseover' not in page


def test_pages_stay_below_twenty_kilobytes(visit: Visit) -> None:
    long = [
        paper(n, "Long words " * 14, summary="A sentence of some length. " * 40, organization="Institute")
        for n in range(200)
    ]
    store(visit, long[0])
    cut(visit, long)
    for path in ("/", "/issues/2026-11-23", "/papers/2511.00000", "/manage", "/static/digest.css"):
        answer = visit.browser.get(path)
        assert answer.status_code == 200
        assert len(answer.content) < 20_000


def test_a_card_without_facts_is_still_a_card() -> None:
    bare = paper_card(Paper("x:1", ""))
    assert (bare.title, bare.by, bare.day, bare.votes) == ("Untitled", "", None, 0)


def test_authors_are_counted_when_they_are_many() -> None:
    many = Paper("x:1", "T", authors=tuple(f"Author {n}" for n in range(5)))
    assert authors(many, 2) == "Author 0, Author 1 and 3 more"
    assert authors(many, 5) == "Author 0, Author 1, Author 2, Author 3, Author 4"


def test_a_paper_of_another_source_links_to_its_own_page_only() -> None:
    assert links(Paper("blog:1", "T", url="https://blog.example/1")) == [("https://blog.example/1", "The paper")]


def test_papers_can_be_taken_along_to_reference_managers(visit: Visit) -> None:
    papers_cut = [paper(n, authors=("Ada Lovelace",), abstract="It finds out.") for n in (1, 2)]
    cut(visit, papers_cut)
    for one in papers_cut:
        store(visit, one)
    page = visit.browser.get("/papers/2511.00001").text
    assert '<meta name="citation_title" content="Paper number 1">' in page
    assert '<meta name="citation_author" content="Lovelace, Ada">' in page
    assert '<meta name="citation_abstract" content="It finds out.">' in page
    assert '<meta name="citation_language" content="en">' in visit.browser.get("/papers/2511.00001?lang=zh-CN").text
    assert '<meta name="citation_arxiv_id" content="2511.00001">' in page
    assert "/papers/2511.00001.ris" in page
    for path, media in (("/papers/2511.00001.bib", "bibtex"), ("/papers/2511.00001.ris", "research-info")):
        answer = visit.browser.get(path)
        assert (answer.status_code, media in answer.headers["Content-Type"]) == (200, True)
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert "Paper number 1" in answer.text
    assert visit.browser.get("/issues/2026-11-23.bib").text.count("@misc") == 2
    assert visit.browser.get("/issues/2026-11-23.ris").text.count("TY  -") == 2
    assert visit.browser.get("/papers/2511.00099.bib").status_code == 404
    assert visit.browser.get("/issues/2026-11-20.bib").status_code == 404


def test_before_the_first_weekly_issue_its_menu_item_leads_to_the_daily_ones_and_says_why(visit: Visit) -> None:
    cut(visit, [paper(1)])
    page = visit.browser.get("/week").text
    assert "no weekly issue yet" in page
    assert 'href="/issues/2026-11-23"' in page
    assert '<a href="/week" aria-current="page">' in page
    assert "no weekly issue yet" not in visit.browser.get("/issues").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_menu_marks_the_page_and_the_section_it_is_in(filled: Visit) -> None:
    marked = {"/": [], "/topics": [("/topics", "page")], "/topics/efficiency": [("/topics", "true")]}
    marked |= {"/issues": [("/issues", "page")], "/latest": [("/latest", "page")]}
    marked |= {"/issues/2026-11-21": [("/issues", "true")], "/manage": [("/manage", "page")]}
    for path, expected in marked.items():
        menu = filled.browser.get(path).text.partition("<nav")[2].partition("</nav>")[0]
        assert re.findall(r'href="([^"]+)" aria-current="(\w+)"', menu) == expected, path


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_rank_on_a_topics_page_names_the_issue_it_is_from(filled: Visit) -> None:
    card = filled.browser.get("/topics/efficiency").text.split('<li class="card">')[1]
    assert re.search(r'No\. \d+ of the day.* · <a href="/issues/2026-11-23"><time datetime="2026-11-23">', card)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_on_a_chinese_page_english_titles_say_that_they_are_english(filled: Visit) -> None:
    titles = re.findall(r'class="title"[^>]*', filled.browser.get("/latest?lang=zh-CN").text)
    assert sum('lang="en"' in title for title in titles) == 8
    assert not any('lang="zh"' in title for title in titles)
    assert 'lang="en"' not in "".join(re.findall(r'class="title"[^>]*', filled.browser.get("/latest").text))
