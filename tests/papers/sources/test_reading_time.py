"""Reading a source takes time in proportion to the length of its answer, and not too much in all."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.papers.sources import reading
from digest.papers.sources.arxiv import Arxiv
from digest.papers.sources.arxiv_xml import document
from digest.papers.sources.feeds import Feeds
from digest.papers.sources.fetch import Fetcher, RequestPolicy, Ticking
from digest.papers.sources.hackernews import HackerNews
from digest.papers.sources.huggingface import HuggingFace
from digest.papers.sources.records import as_object
from digest.papers.sources.source import Source, SourceUnavailable
from digest.papers.text.plaintext import LONGEST, plaintext
from tests.support.replay import Replay, Reply, json_reply, replaying

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
ENOUGH = 1.0  # seconds of processor time for each text here; they take 0.01 to 0.2, and without their limits 2 to 1,000


def seconds(read: Callable[[], object]) -> float:
    """Of the processor; the quicker of two."""
    times = []
    for _ in range(2):
        begun = time.thread_time()
        read()
        times.append(time.thread_time() - begun)
    return min(times)


@pytest.mark.parametrize(
    "text",
    ["{'a': f'" + "{x}" * 40_000 + "'}", "[" * 100_000, "-" * 100_000 + "1", "1" + "+1" * 50_000, "'" * 100_000],
    ids=["f-string", "nesting", "signs", "sum", "quotes"],
)
def test_a_record_that_is_the_text_of_python_code_is_refused_quickly(text: str) -> None:
    assert as_object(text) is None
    assert seconds(lambda: as_object(text)) < ENOUGH


@pytest.mark.parametrize("piece", ["$\\", "$\\\\", "\\(\\\\)", "\\text\\(\\\\)\\]", "\\'\\text{$$}", "{\\(\\(\\(}\\)"])
def test_repeated_latex_is_left_as_it_is_quickly(piece: str) -> None:
    text = (piece * LONGEST)[:LONGEST]
    assert seconds(lambda: plaintext(text)) < ENOUGH / 10


def test_comments_are_searched_for_withdrawals_quickly() -> None:
    comment = "withdrawn " + "A" * 600
    entry = f"<id>http://arxiv.org/abs/2605.00001</id><title>A</title><comment>12 pages; {comment}</comment>"
    assert seconds(lambda: document(f"<feed><entry>{entry}</entry></feed>".encode())) < ENOUGH


@pytest.mark.parametrize(
    "content",
    [
        '<rss version="2.0">' + "<feed " * 16_000,
        "<rss>" + "<?xml " * 16_000,
        '[{"id": x}' + " " * 20_000,
        '{"papers": [' + '{"id": x}, ' * 4_000,
    ],
    ids=["ends", "declarations", "blanks", "broken"],
)
def test_broken_lists_are_read_quickly(tmp_path: Path, content: str) -> None:
    (tmp_path / "list").write_text(content)

    def read() -> None:
        with suppress(SourceUnavailable):
            feeds(str(tmp_path / "list")).fetch(NOW.date(), NOW)

    assert seconds(read) < ENOUGH


def feeds(address: str) -> Feeds:
    return Feeds([address], lambda url: Fetcher(url, RequestPolicy(), Ticking()))


LISTS = {
    "/api/daily_papers": json_reply([{"paper": {"id": f"2601.0000{n}", "title": "A"}} for n in range(1, 4)]),
    "/api/v1/search_by_date": json_reply({"hits": [{"url": "https://arxiv.org/abs/2601.00001", "points": 1}] * 3}),
    "/list": Reply(json.dumps([{"id": f"2601.0000{n}", "title": "A"} for n in range(1, 4)]).encode()),
    "/api/query": Reply(
        b"<feed>" + b"<entry><id>http://arxiv.org/abs/2601.00001</id><title>A</title></entry>" * 3 + b"</feed>"
    ),
}
SOURCES: dict[str, Callable[[Replay, Fetcher], Source]] = {
    "/api/daily_papers": lambda server, fetcher: HuggingFace(server.url, fetcher),
    "/api/v1/search_by_date": lambda server, fetcher: HackerNews(server.url, fetcher),
    "/list": lambda server, _fetcher: feeds(f"{server.url}/list"),
    "/api/query": lambda server, fetcher: Arxiv((server.url, server.url), ("cs.AI",), (fetcher, fetcher)),
}


@pytest.mark.parametrize("path", LISTS)
def test_no_source_reads_a_list_for_ever(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_SECONDS", 0.0)
    with replaying() as server:
        server.answers(path, LISTS[path])
        source = SOURCES[path](server, Fetcher(server.url, RequestPolicy(), Ticking(sleep=lambda _seconds: None)))
        try:
            problem = source.fetch(NOW.date(), NOW).incomplete
        except SourceUnavailable as unavailable:
            problem = str(unavailable)
    assert "seconds of processor time" in problem
