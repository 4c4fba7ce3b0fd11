"""Hugging Face Daily Papers: recorded days, malformed and cut ones, and the traps of the payload."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from digest.papers.sources.fetch import Fetcher, RequestPolicy, Ticking
from digest.papers.sources.huggingface import HuggingFace
from digest.papers.sources.source import SourceUnavailable, Validator
from tests.support.replay import Replay, Reply, json_reply, replaying

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
LIST = "/api/daily_papers"


@pytest.fixture
def server() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def source(server: Replay, remembered: Validator | None = None) -> HuggingFace:
    fetcher = Fetcher(server.url, RequestPolicy(), Ticking(sleep=lambda _seconds: None))
    return HuggingFace(server.url, fetcher, lambda _url: remembered)


def item(paper_id: str = "2601.00001", **inner: Any) -> dict[str, Any]:
    paper = {
        "id": paper_id,
        "title": f"Paper {paper_id}",
        "authors": [{"name": "Ada Lovelace", "hidden": False}, {"name": "Nobody", "hidden": True}],
        "publishedAt": "2026-01-12T09:23:13.000Z",
        "submittedOnDailyAt": "2026-01-15T00:23:14.421Z",
        "upvotes": 7,
    }
    return {"paper": paper | inner, "publishedAt": "2026-01-12T04:23:13.000Z", "numComments": 2}


RECORDED = {
    "2024-05-28": 15,
    "2024-12-18": 11,
    "2025-01-10": 9,
    "2025-06-10": 28,
    "2025-09-30": 50,
    "2026-01-15": 16,
}


@pytest.mark.parametrize(("day", "papers"), RECORDED.items())
def test_every_recorded_day_loads_whole(shared_data: Path, day: str, papers: int) -> None:
    with replaying(shared_data) as server:
        findings = source(server).fetch(date.fromisoformat(day), NOW)
    assert len(findings.papers) == len(findings.votes) == papers
    assert (findings.unreadable, findings.incomplete) == ([], "")
    assert all(paper.title and paper.authors and paper.abstract and paper.published_at for paper in findings.papers)


def test_samples_of_the_api_load_whole(shared_data: Path, server: Replay) -> None:
    for file in sorted((shared_data / "hf" / "api_samples").iterdir()):
        server.answers(LIST, Reply(file.read_bytes()))
        findings = source(server).fetch(DAY, NOW)
        assert len(findings.papers) == len(json.loads(file.read_bytes())), file.name


@pytest.mark.parametrize("outer", [True, False])
def test_a_withdrawn_paper_is_named_and_not_listed(server: Replay, outer: bool) -> None:
    at = "2026-01-16T00:00:00.000Z"
    gone = item("2601.00002") | {"withdrawnAt": at} if outer else item("2601.00002", withdrawnAt=at)
    server.answers(LIST, json_reply([item("2601.00001", withdrawnAt=None), gone]))
    findings = source(server).fetch(DAY, NOW)
    assert [paper.id for paper in findings.papers] == [votes.paper_id for votes in findings.votes] == ["2601.00001"]
    assert findings.withdrawn == ["2601.00002"]


def test_a_record_becomes_a_paper_and_an_observation(server: Replay) -> None:
    inner = {
        "title": "LeC$^2$O\n-NeRF",
        "summary": "An abstract.",
        "ai_summary": "Short.",
        "ai_keywords": ["nerf", 3],
        "organization": {"name": "lab", "fullname": "The Lab"},
        "githubRepo": "https://github.com/a/b",
        "githubStars": 5,
        "projectPage": "javascript:alert(1)",
    }
    record = item(**inner) | {"submittedBy": {"fullname": "Grace Hopper", "name": "grace"}}
    server.answers(LIST, json_reply([record]))
    findings = source(server).fetch(DAY, NOW)
    (paper,), (votes,) = findings.papers, findings.votes
    assert paper.submitter == "grace"
    assert (paper.title, paper.abstract, paper.summary) == ("LeC²O -NeRF", "An abstract.", "Short.")
    assert (paper.authors, paper.organization, paper.keywords) == (("Ada Lovelace",), "The Lab", ("nerf",))
    assert (paper.code_url, paper.project_url) == ("https://github.com/a/b", "")
    assert paper.url == "https://arxiv.org/abs/2601.00001"
    assert (votes.upvotes, votes.comments, votes.stars, votes.observed_at) == (7, 2, 5, NOW)


def test_the_shifted_outer_instant_is_not_used(server: Replay) -> None:
    server.answers(LIST, json_reply([item()]))
    (paper,) = source(server).fetch(DAY, NOW).papers
    assert paper.published_at == datetime(2026, 1, 12, 9, 23, 13, tzinfo=UTC)
    assert paper.listed_at == datetime(2026, 1, 15, 0, 23, 14, 421000, tzinfo=UTC)


def test_an_old_record_counts_from_the_start_of_its_list_day(server: Replay) -> None:
    server.answers(LIST, json_reply([item(submittedOnDailyAt=None)]))
    (paper,) = source(server).fetch(DAY, NOW).papers
    assert paper.listed_at == datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opened", "listed"),
    [
        (datetime(2026, 1, 15, 7, 30, tzinfo=UTC), datetime(2026, 1, 15, 5, 30, tzinfo=UTC)),
        (datetime(2026, 1, 15, 1, tzinfo=UTC), datetime(2026, 1, 15, 0, 1, tzinfo=UTC)),  # not the day before
        (datetime(2026, 1, 14, 23, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)),  # for another occasion
        (datetime(2026, 1, 16, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)),
    ],
)
def test_where_only_the_date_is_given_the_discussion_says_the_hour(
    server: Replay, opened: datetime, listed: datetime
) -> None:
    discussion = f"{int(opened.timestamp()):08x}6916055bfaabdb4"[:24].ljust(24, "0")
    dated, timed = item(submittedOnDailyAt="2026-01-15T00:00:00.000Z", discussionId=discussion), item("2601.00002")
    server.answers(LIST, json_reply([dated, timed | {"paper": timed["paper"] | {"discussionId": discussion}}]))
    papers = source(server).fetch(DAY, NOW).papers
    assert [paper.listed_at for paper in papers] == [listed, datetime(2026, 1, 15, 0, 23, 14, 421000, tzinfo=UTC)]


@pytest.mark.parametrize("discussion", ["", "x" * 24, "6968", 7, None])
def test_a_discussion_without_a_time_leaves_the_date(server: Replay, discussion: Any) -> None:
    server.answers(LIST, json_reply([item(submittedOnDailyAt="2026-01-15", discussionId=discussion)]))
    (paper,) = source(server).fetch(DAY, NOW).papers
    assert paper.listed_at == datetime(2026, 1, 15, tzinfo=UTC)


def test_versions_of_a_paper_are_one_paper(server: Replay) -> None:
    server.answers(LIST, json_reply([item("2601.00001v1"), item("2601.00001v2")]))
    assert [paper.id for paper in source(server).fetch(DAY, NOW).papers] == ["2601.00001"]


def test_a_paper_from_elsewhere_keeps_its_own_page(server: Replay) -> None:
    server.answers(LIST, json_reply([item("some-report")]))
    (paper,) = source(server).fetch(DAY, NOW).papers
    assert (paper.id, paper.url) == ("huggingface:some-report", "https://huggingface.co/papers/some-report")


def test_an_unreadable_record_is_named_and_stops_nothing(server: Replay) -> None:
    bad = [None, 7, [], "no object", {}, {"paper": {"id": 5}}, item("../etc"), item("2601.00009", title=" \u200b")]
    server.answers(LIST, json_reply([*bad, item()]))
    findings = source(server).fetch(DAY, NOW)
    assert [paper.id for paper in findings.papers] == ["2601.00001"]
    assert len(findings.unreadable) == len(bad)
    assert findings.unreadable[-1].place == "2026-01-15, record 8 (2601.00009)"
    assert findings.unreadable[-1].reason == "it has no title"
    assert findings.validators == {}


@pytest.mark.parametrize("upvotes", [None, "many", -1, 1.5, 10**30, True, [], {}])
def test_votes_that_are_no_number_are_not_observed(server: Replay, upvotes: Any) -> None:
    server.answers(
        LIST, json_reply([item(upvotes=upvotes, publishedAt=upvotes, authors=upvotes, organization=upvotes)])
    )
    findings = source(server).fetch(DAY, NOW)
    assert len(findings.papers) == 1
    assert findings.votes == []


def test_a_full_page_is_followed_by_the_next(server: Replay) -> None:
    first, second = [[item(f"2601.{page}{n:04d}") for n in range(count)] for page, count in ((1, 50), (2, 3))]
    server.answers(LIST, json_reply(first, ETag="1"), json_reply(second, ETag="2"))
    findings = source(server).fetch(DAY, NOW)
    assert len(findings.papers) == 53
    assert [path.rpartition("p=")[2] for path, _ in server.asked] == ["0", "1"]
    assert findings.validators == {}, "a page of several may change without the first one changing"


def test_a_server_that_knows_no_pages_is_asked_once_more_only(server: Replay) -> None:
    server.answers(LIST, json_reply([item(f"2601.1{n:04d}") for n in range(50)]))
    findings = source(server).fetch(DAY, NOW)
    assert (len(findings.papers), len(server.asked), findings.incomplete) == (50, 2, "")


def test_a_list_whose_pages_shift_while_it_is_read_is_read_again(server: Replay) -> None:
    ranked = [item(f"2601.1{number:04d}") for number in range(53)]
    moved = [*ranked[:49], ranked[51], ranked[49], *ranked[50:51], ranked[52]]  # one paper gained votes
    server.answers(LIST, *(json_reply(page) for page in (ranked[:50], moved[50:], moved[:50], moved[50:])))
    result = source(server).fetch(DAY, NOW)
    assert (len(result.papers), len(result.votes), result.incomplete, len(server.asked)) == (53, 53, "", 4)


def test_a_list_that_never_stands_still_says_so(server: Replay) -> None:
    ranked = [item(f"2601.1{number:04d}") for number in range(60)]
    readings = [(ranked[:50], [ranked[0], ranked[50 + number]]) for number in range(4)]
    server.answers(LIST, *(json_reply(page) for pages in readings for page in pages))
    result = source(server).fetch(DAY, NOW)
    assert len(server.asked) == 6
    assert result.incomplete == "papers moved between the pages of the list while it was read"


def test_a_later_page_that_fails_leaves_the_first_ones(server: Replay) -> None:
    server.answers(LIST, json_reply([item(f"2601.1{n:04d}") for n in range(50)]), Reply(b"no", status=404))
    findings = source(server).fetch(DAY, NOW)
    assert len(findings.papers) == 50
    assert findings.incomplete.startswith("page 2 of the list: ")


def test_a_cut_answer_gives_the_records_before_the_cut(server: Replay) -> None:
    body = json.dumps([item("2601.00001"), item("2601.00002"), item("2601.00003")]).encode()
    server.answers(LIST, Reply(body[:-60], headers={"ETag": "1"}))
    findings = source(server).fetch(DAY, NOW)
    assert [paper.id for paper in findings.papers] == ["2601.00001", "2601.00002"]
    assert findings.incomplete == "the answer ends in the middle of a record"
    assert findings.validators == {}


def test_a_cut_answer_of_reprs_in_a_wrapper_is_read_too(server: Replay) -> None:
    body = json.dumps({"status": "success", "data": [repr(item("2601.00001")), repr(item("2601.00002"))]}).encode()
    server.answers(LIST, Reply(body[:-30], cut=30))
    findings = source(server).fetch(DAY, NOW)
    assert [paper.id for paper in findings.papers] == ["2601.00001"]
    assert "broke" in findings.incomplete


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sorry</html>", b"{}", b"null", b'{"error": "x"}', b"[" * 100_000, b"\xff\xfe", b"[tru"]
)
def test_an_answer_that_is_no_list_is_an_outage(server: Replay, body: bytes) -> None:
    server.answers(LIST, Reply(body))
    with pytest.raises(SourceUnavailable, match="not a list of papers"):
        source(server).fetch(DAY, NOW)


def test_an_empty_list_is_a_quiet_day(server: Replay) -> None:
    server.answers(LIST, json_reply([]))
    findings = source(server).fetch(DAY, NOW)
    assert (findings.papers, findings.unreadable, findings.incomplete) == ([], [], "")


def test_an_unchanged_list_is_asked_for_by_its_validator(server: Replay) -> None:
    server.answers(LIST, json_reply([item()], ETag='"7"'))
    findings = source(server).fetch(DAY, NOW)
    ((url, validator),) = findings.validators.items()
    assert url.startswith(f"{server.url}{LIST}?date=2026-01-15")
    server.answers(LIST, Reply(status=304))
    assert source(server, validator).fetch(DAY, NOW).unchanged
    assert server.asked[-1][1]["if-none-match"] == '"7"'
