"""Hacker News: recorded answers become votes of papers, and nothing else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.papers.collecting import SourceHealth, collect
from digest.papers.paper import Paper, Votes
from digest.papers.sources.fetch import Fetcher, RequestPolicy, Ticking
from digest.papers.sources.hackernews import HackerNews
from digest.papers.sources.source import SourceUnavailable
from digest.papers.store import keep_papers, paper
from tests.support.replay import Replay, Reply, json_reply, replaying

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
SEARCH = "/api/v1/search_by_date"


@pytest.fixture
def server() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def source(server: Replay) -> HackerNews:
    return HackerNews(server.url, Fetcher(server.url, RequestPolicy(), Ticking(sleep=lambda _seconds: None)))


def story(url: Any, points: Any = 5, comments: Any = 2) -> dict[str, Any]:
    return {"url": url, "points": points, "num_comments": comments, "title": "x", "objectID": "1"}


def hits(*stories: Any, **more: Any) -> Reply:
    return json_reply({"hits": list(stories), "nbHits": len(stories), "query": "arxiv.org"} | more)


def test_a_recorded_answer_gives_the_points_of_the_papers_in_it(shared_data: Path, server: Replay) -> None:
    body = (shared_data / "hackernews" / "ai-alpha-radar__hn_sample.json").read_bytes()
    server.answers(SEARCH, hits(*json.loads(body)["hits"]))
    findings = source(server).fetch(NOW.date(), NOW)
    assert findings.papers == findings.unreadable == []
    assert {votes.paper_id: (votes.upvotes, votes.comments) for votes in findings.votes}["2604.15597"] == (478, 201)
    assert len(findings.votes) == 6
    assert {votes.source for votes in findings.votes} == {"hackernews"}


def test_the_search_asks_for_stories_of_two_weeks_that_link_to_arxiv(server: Replay) -> None:
    server.answers(SEARCH, hits())
    source(server).fetch(NOW.date(), NOW)
    query = parse_qs(urlsplit(server.asked[0][0]).query)
    assert (query["query"], query["restrictSearchableAttributes"], query["tags"]) == (["arxiv.org"], ["url"], ["story"])
    assert query["numericFilters"] == [f"created_at_i>{int(NOW.timestamp()) - 14 * 86_400}"]


def test_a_paper_linked_several_times_and_ways_is_one_with_its_best_story(server: Replay) -> None:
    addresses = [
        "https://arxiv.org/abs/2604.15597",
        "http://www.arxiv.org/pdf/2604.15597v2.pdf",
        "https://arxiv.org/html/2604.15597v1#S3",
        "https://arxiv.org/abs/2604.15597?utm_source=x",
        "https://export.arxiv.org/abs/2604.15597/",
    ]
    server.answers(SEARCH, hits(*(story(url, points, 1) for points, url in enumerate(addresses, start=3))))
    assert source(server).fetch(NOW.date(), NOW).votes == [Votes("2604.15597", "hackernews", NOW, 7, 1)]


def test_stories_without_a_paper_are_no_fault_and_odd_ones_are_named(server: Replay) -> None:
    odd = ["text", None, story("https://arxiv.org/abs/2604.1"), story(None), story("https://arxiv.org/list/cs.AI/new")]
    broken = story("https://arxiv.org/abs/2604.15597", points="many")
    server.answers(SEARCH, hits(*odd, broken, story("https://arxiv.org/abs/2604.00002", 9, None)))
    findings = source(server).fetch(NOW.date(), NOW)
    assert [votes.paper_id for votes in findings.votes] == ["2604.00002"]
    assert [one.reason for one in findings.unreadable] == [
        "it is not an object",
        "it is not an object",
        "it has no points (2604.15597)",
    ]


def test_a_page_that_holds_not_all_stories_is_a_part(server: Replay) -> None:
    server.answers(SEARCH, hits(story("https://arxiv.org/abs/2604.00002"), nbHits=1500))
    assert source(server).fetch(NOW.date(), NOW).incomplete == "Hacker News gave 1 of 1500 stories"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"hits": [{"url"', b"<html/>", b'{"hits": 3}'])
def test_what_is_no_answer_is_unavailable(server: Replay, body: bytes) -> None:
    server.answers(SEARCH, Reply(body))
    with pytest.raises(SourceUnavailable):
        source(server).fetch(NOW.date(), NOW)


def test_points_are_kept_for_papers_that_another_source_listed(engine: Engine, server: Replay) -> None:
    known, unknown = "2604.00002", "2604.00003"
    server.answers(SEARCH, hits(*(story(f"https://arxiv.org/abs/{one}", 40, 9) for one in (known, unknown))))
    with transaction(engine) as connection:
        keep_papers(connection, "arxiv", NOW, [Paper(known, "Known")])
    (done,) = collect(engine, [source(server)], NOW.date(), NOW)
    assert (done.outcome, done.papers, done.message) == (SourceHealth.FRESH, 0, "votes of 2 papers")
    with read_only(engine) as connection:
        found = paper(connection, known)
        assert paper(connection, unknown) is None
    assert found
    assert found.votes == (Votes(known, "hackernews", NOW, 40, 9),)
