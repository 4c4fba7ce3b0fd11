"""Feeds, topics, the sitemap, and what caches and search engines are told."""

import json
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import feedparser
import pytest

from digest.database.engine import transaction
from digest.issues import withdrawing
from digest.issues.archive import paper_and_place
from digest.issues.store import set_status
from digest.ledger.kinds import IssueStatus
from digest.papers.store import keep_papers, withdraw
from digest.papers.topics import TOPICS
from tests.web.conftest import START, Visit
from tests.web.public.test_archive import TODAY, cut, paper, store

ATOM = "{http://www.w3.org/2005/Atom}"
RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"


@pytest.fixture
def issues(visit: Visit) -> Visit:
    """Yesterday's issue, and today's with some of the same papers."""
    robot = paper(
        4, "A robot & <b>hands</b>", abstract="It\x0b grasps.", authors=("Ada", "Alan"), categories=("cs.RO",)
    )
    cut(visit, [paper(1), paper(2)], TODAY - timedelta(days=1))
    cut(visit, [paper(2), paper(3), robot])
    return visit


ODD_DATES = ("Mon, 01 Jan 99999999999 00:00:00 GMT", "Thu, 31 Dec 9999 23:59:59 -2359", "9" * 400, "-1", "x")
ODD_PAGES = ("/issues/99999-01-01", "/issues/0000-00-00", "/issues?month=99999-99", "/papers/" + "9" * 5000)
ODD_NUMBERS = (str(10**30), "9" * 5000, "-1", "0", "1e9", "NaN", "１")


def test_an_impossible_date_or_number_of_a_visitor_is_no_failure_of_ours(issues: Visit) -> None:
    for path in ("/", "/feed.atom", f"/issues/{TODAY}", "/static/digest.css"):
        for date in ODD_DATES:
            assert issues.browser.get(path, headers={"If-Modified-Since": date}).status_code in (200, 304)
    for path in (f"/issues/{TODAY}", "/search?q=a", "/topics/vision"):
        for number in ODD_NUMBERS:
            address = f"{path}{'&' if '?' in path else '?'}page={number}"
            assert issues.browser.get(address).status_code in (200, 303, 400, 404), address
    for path in ODD_PAGES:
        assert issues.browser.get(path).status_code == 404
    assert issues.browser.get("/search?q=a&from=99999999-01-01").status_code == 400


def test_the_atom_feed_holds_what_the_specification_asks_for(issues: Visit) -> None:
    answer = issues.browser.get("/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(answer.content)  # RFC 4287 §4.1
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for needed in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{needed}")) == 1
        assert re.fullmatch(RFC_3339, element.findtext(f"{ATOM}updated") or "")
        assert re.fullmatch(r"tag:127\.0\.0\.1,2026:[\w./:-]+", element.findtext(f"{ATOM}id") or "")
        assert [link.get("href") for link in element.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None
    (own,) = [link for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
    assert own.get("href") == "http://127.0.0.1:8000/feed.atom"


def test_feedparser_reads_every_paper_once_newest_issue_first(issues: Visit) -> None:
    read = feedparser.parse(issues.browser.get("/feed.atom").content)
    assert not read.bozo
    assert [entry.link.rpartition("/")[2] for entry in read.entries] == [
        "2511.00003",
        "2511.00004",
        "2511.00001",
        "2511.00002",
    ]
    robot = read.entries[1]
    assert robot.title == "A robot & <b>hands</b>"
    assert [author.name for author in robot.authors] == ["Ada", "Alan"]
    assert len({entry.id for entry in read.entries}) == 4


def test_the_json_feed_holds_what_the_specification_asks_for(issues: Visit) -> None:
    answer = issues.browser.get("/feed.json")
    assert answer.headers["content-type"].startswith("application/feed+json")
    feed = json.loads(answer.content)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    assert feed["feed_url"] == "http://127.0.0.1:8000/feed.json"
    for item in feed["items"]:
        assert isinstance(item["id"], str)
        assert item["content_text"]
        assert datetime.fromisoformat(item["date_published"]).tzinfo
    assert [item["title"] for item in feed["items"]][1] == "A robot & <b>hands</b>"


def test_an_empty_feed_is_a_valid_feed(visit: Visit) -> None:
    assert not feedparser.parse(visit.browser.get("/feed.atom").content).bozo
    assert json.loads(visit.browser.get("/feed.json").content)["items"] == []
    assert feedparser.parse(visit.browser.get("/topics/vision/feed.atom").content).feed.updated


def test_a_topic_has_its_page_and_feeds(issues: Visit) -> None:
    page = issues.browser.get("/topics/robotics").text
    assert "A robot" in page
    assert "Paper number" not in page
    assert 'href="/topics/robotics/feed.atom"' in page
    assert len(feedparser.parse(issues.browser.get("/topics/robotics/feed.atom").content).entries) == 1
    assert len(json.loads(issues.browser.get("/topics/robotics/feed.json").content)["items"]) == 1
    for missing in ("/topics/nothing", "/topics/nothing/feed.atom", "/topics/robotics?page=2"):
        assert issues.browser.get(missing).status_code == 404
    assert all(f'href="/topics/{topic.slug}"' in issues.browser.get("/topics").text for topic in TOPICS)


def test_a_cancelled_issue_is_in_no_feed_and_no_list(visit: Visit) -> None:
    number = cut(visit, [paper(1)])
    with transaction(visit.engine) as connection:
        set_status(connection, number, IssueStatus.CANCELLED)
    assert feedparser.parse(visit.browser.get("/feed.atom").content).entries == []
    assert "/issues/2026-11-23" not in visit.browser.get("/issues").text


def test_a_withdrawn_issue_is_on_no_page_and_its_papers_stay(visit: Visit) -> None:
    number = cut(visit, [paper(1, title="A robot", categories=("cs.RO",))])
    withdrawing.withdraw(visit.engine, number, "the wrong papers", START)
    for path in ("/", "/issues", "/topics/robotics", "/feed.atom", "/topics/robotics/feed.atom", "/sitemap/pages.xml"):
        answer = visit.browser.get(path)
        assert answer.status_code == 200
        assert "2026-11-23" not in answer.text, path
    assert feedparser.parse(visit.browser.get("/feed.atom").content).entries == []
    gone = visit.browser.get("/issues/2026-11-23")
    assert (gone.status_code, "We’ve withdrawn this issue" in gone.text) == (410, True)
    with transaction(visit.engine) as connection:
        keep_papers(connection, "huggingface", START, [paper(1)])
        assert paper_and_place(connection, paper(1).id) == (paper(1), None)


SAME_FOR_ALL = ("/feed.atom", "/feed.json", "/topics/robotics/feed.atom", "/issues", "/issues/2026-11-23")
SAME_FOR_ALL += ("/papers/2511.00001", "/topics", "/sitemap.xml", "/sitemap/pages.xml", "/robots.txt")


@pytest.mark.parametrize("path", SAME_FOR_ALL)
def test_what_has_not_changed_is_not_sent_again(issues: Visit, path: str) -> None:
    store(issues, paper(1))
    first = issues.browser.get(path)
    assert "max-age" in first.headers["cache-control"]
    again = issues.browser.get(path, headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert issues.browser.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_feeds_say_when_they_changed(issues: Visit) -> None:
    first = issues.browser.get("/feed.atom")
    assert first.headers["last-modified"] == START.strftime("%a, %d %b %Y %H:%M:%S GMT")
    known = {"If-Modified-Since": first.headers["last-modified"]}
    assert issues.browser.get("/feed.atom", headers=known).status_code == 304
    assert issues.browser.get("/feed.atom", headers={"If-Modified-Since": "nonsense"}).status_code == 200
    assert issues.browser.get("/feed.atom", headers=known | {"If-None-Match": '"other"'}).status_code == 200
    etag = first.headers["etag"]
    cut(issues, [paper(9)], TODAY + timedelta(days=1))
    assert issues.browser.get("/feed.atom", headers={"If-None-Match": etag}).status_code == 200


def test_issues_are_found_by_month(visit: Visit) -> None:
    for back in (0, 1, 30, 400):
        cut(visit, [paper(back)], TODAY - timedelta(days=back))
    page = visit.browser.get("/issues").text
    assert re.findall(r'href="/issues/([\d-]+)"', page) == ["2026-11-23", "2026-11-22"]
    months = re.findall(r'href="/issues\?month=([\d-]+)"', page)
    assert months == ["2026-11", "2026-10", "2025-10"]
    assert [len(re.findall(r'href="/issues/\d', visit.browser.get(f"/issues?month={m}").text)) for m in months] == [
        2,
        1,
        1,
    ]
    for wrong in ("2026-09", "x", "2026-11-23"):
        assert visit.browser.get(f"/issues?month={wrong}").status_code == 404


def addresses_in(visit: Visit, sitemap: str) -> list[str]:
    document = ET.fromstring(visit.browser.get(sitemap).content)
    return [place.text for place in document.iter() if place.text and place.tag.endswith("loc")]


def test_the_sitemap_names_each_paper_on_the_day_on_which_it_was_first_seen(visit: Visit) -> None:
    seen = {
        1: datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC),
        2: datetime(2026, 11, 23, 0, 0, 0, tzinfo=UTC),
        3: datetime(2026, 11, 23, 0, 30, 0, tzinfo=UTC),
        4: datetime(2026, 9, 1, 12, 0, 0, tzinfo=UTC),
        5: datetime(2026, 9, 1, 13, 0, 0, tzinfo=UTC),
    }
    with transaction(visit.engine) as connection:
        for number, at in seen.items():
            keep_papers(connection, "feeds", at, [paper(number)])
        withdraw(connection, "feeds", ["2511.00005"], START)
    site = "http://127.0.0.1:8000"
    assert addresses_in(visit, "/sitemap.xml") == [
        f"{site}/sitemap/{name}.xml" for name in ("pages", "2026-11-23", "2026-11-22", "2026-09-01")
    ]
    papers_of = {
        day: [address.rpartition(".0000")[2] for address in addresses_in(visit, f"/sitemap/{day}.xml")]
        for day in ("2026-11-23", "2026-11-22", "2026-09-01")
    }
    assert papers_of == {"2026-11-23": ["3", "2"], "2026-11-22": ["1"], "2026-09-01": ["4"]}
    for wrong in ("2026-11", "x", "99999-01-01", "2026-11-24"):
        assert visit.browser.get(f"/sitemap/{wrong}.xml").status_code == 404


def test_the_sitemap_and_robots_name_what_is_open(issues: Visit) -> None:
    store(issues, paper(1))
    parts = addresses_in(issues, "/sitemap.xml")
    places = [place for part in parts for place in addresses_in(issues, part)]
    for path in ("/", "/issues/2026-11-23", "/papers/2511.00001", "/topics/vision"):
        assert f"http://127.0.0.1:8000{path}" in places
    for place in places:
        assert issues.browser.get(place).status_code == 200
    assert "Sitemap: http://127.0.0.1:8000/sitemap.xml" in issues.browser.get("/robots.txt").text


def test_issues_and_papers_describe_themselves_to_machines(issues: Visit) -> None:
    hostile = paper(1, "</script><script>alert(1)</script>", authors=("Ada",))
    store(issues, hostile)
    page = issues.browser.get("/papers/2511.00001").text
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(block)["@type"] == "ScholarlyArticle"
    assert json.loads(block)["name"] == hostile.title
    assert '<meta property="og:url" content="http://127.0.0.1:8000/papers/2511.00001">' in page
    assert 'property="og:title"' in page
    issue = issues.browser.get("/issues/2026-11-23").text
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', issue, re.DOTALL)
    assert json.loads(block)["mainEntity"]["itemListElement"][0]["position"] == 1


def test_pages_name_their_feeds(issues: Visit) -> None:
    for path in ("/", "/issues", "/issues/2026-11-23"):
        assert 'rel="alternate" type="application/atom+xml"' in issues.browser.get(path).text
    assert 'href="/topics/vision/feed.json"' in issues.browser.get("/topics/vision").text
