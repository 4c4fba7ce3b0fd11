"""If a source fails, the issue is cut from the others and names the missing source."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from digest.database.engine import connect, read_only
from digest.issues.publish import publish
from digest.papers.collecting import SourceHealth, collect_recent, last_runs, source_title
from digest.papers.sources.registry import SourceAddresses, make_sources
from digest.papers.store import pool
from tests.support.lists import list_of
from tests.support.replay import Replay, Reply, json_reply, replaying
from tests.support.scenario import PLAN

NOW = datetime(2026, 5, 28, 6, 30, tzinfo=UTC)  # a Thursday
SOURCES = ("huggingface", "arxiv", "hackernews", "feeds")
PATHS = {
    "huggingface": ("/api/daily_papers",),
    "arxiv": ("/rss/cs.AI", "/api/query"),
    "hackernews": ("/api/v1/search_by_date",),
    "feeds": ("/own.json",),
}
ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><updated>2026-05-28T04:00:00+00:00</updated><entry>'
    "<id>http://arxiv.org/abs/2605.07777</id><title>Seven</title><summary>So.</summary></entry></feed>"
)
GOOD = {
    "huggingface": json_reply(list_of(NOW.date())),
    "arxiv": Reply(ATOM.encode()),
    "hackernews": json_reply({"hits": [{"url": "https://arxiv.org/abs/2605.07777", "points": 9}], "nbHits": 1}),
    "feeds": json_reply([{"id": "2605.08888", "title": "Eight", "listed_at": "2026-05-28T01:00:00Z"}]),
}
BROKEN = {
    "slow": lambda _good: Reply(b"late", silent_seconds=2),
    "dripping": lambda good: Reply(good.body[:20], drip=True),
    "asks to wait": lambda _good: Reply(status=429, headers={"Retry-After": "3600"}),
    "an error": lambda _good: Reply(b"oops", status=500),
    "cut": lambda good: Reply(good.body[: len(good.body) // 2]),
    "broken off": lambda good: Reply(good.body[: len(good.body) // 2], cut=500),
    "endless": lambda good: Reply(good.body[:20], endless=True),
    "no list": lambda _good: Reply(b"<html>Sorry</html>"),
}


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    """One database is enough here; other tests cover the stored rows."""
    engine = connect(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def server() -> Iterator[Replay]:
    with replaying() as replay:
        for source, paths in PATHS.items():
            for path in paths:
                replay.answers(path, GOOD[source])
        yield replay


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def addresses(url: str, timeout_seconds: float = 20) -> SourceAddresses:
    return SourceAddresses(
        url, url, url, ("cs.AI",), timeout_seconds=timeout_seconds, hackernews_url=url, feeds=(f"{url}/own.json",)
    )


def cut(engine: Engine, url: str, broken: str = "", broken_url: str = "") -> str:
    """Read the sources as the scheduler does before a cut, and cut. Returns the note for subscribers."""
    sources = make_sources([source for source in SOURCES if source != broken], addresses(url))
    if broken:  # only it runs into its time-out
        sources += make_sources([broken], addresses(broken_url or url, timeout_seconds=0.5))
    collect_recent(engine, sources, NOW, 1, patience=20)
    return publish(engine, PLAN, NOW.date(), NOW + timedelta(seconds=20)).note


def listed(engine: Engine) -> set[str]:
    with read_only(engine) as connection:
        return {one.paper.id for one in pool(connection, NOW - timedelta(days=1), NOW)}


EVERYTHING = {
    *(str(one["paper"]["id"]) for one in list_of(NOW.date())),  # type: ignore[index]
    "2605.07777",
    "2605.08888",
}
FROM: dict[str, Callable[[str], bool]] = {
    "huggingface": lambda one: one.startswith("2605.28"),
    "arxiv": lambda one: one == "2605.07777",
    "hackernews": lambda _one: False,
    "feeds": lambda one: one == "2605.08888",
}


def test_when_all_answer_nothing_is_missing_and_nothing_is_said(engine: Engine, server: Replay) -> None:
    assert cut(engine, server.url) == ""
    assert listed(engine) == EVERYTHING


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fault", BROKEN)
def test_the_issue_is_cut_without_the_broken_source_and_names_it(
    engine: Engine, server: Replay, source: str, fault: str
) -> None:
    for path in PATHS[source]:
        server.answers(path, BROKEN[fault](GOOD[source]))
    note = cut(engine, server.url, source)
    assert f" {source_title(source)} when we made this issue. " in note
    assert listed(engine) >= {one for one in EVERYTHING if not FROM[source](one)}
    with read_only(engine) as connection:
        outcomes = {run.source: run.outcome for run in last_runs(connection)}
    assert outcomes.pop(source) in (SourceHealth.FAILING, SourceHealth.PARTIAL)
    assert set(outcomes.values()) == {SourceHealth.FRESH}


def test_a_source_that_the_operator_has_taken_out_is_not_blamed(engine: Engine, server: Replay) -> None:
    collect_recent(engine, make_sources(["huggingface"], addresses(closed_port(), 0.5)), NOW, 1)
    collect_recent(engine, make_sources(["arxiv"], addresses(server.url)), NOW, 1)
    assert publish(engine, replace(PLAN, sources=("arxiv",)), NOW.date(), NOW + timedelta(seconds=20)).note == ""


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_cannot_be_reached_is_named(engine: Engine, server: Replay, source: str) -> None:
    note = cut(engine, server.url, source, closed_port())
    read = f"We couldn’t read {source_title(source)} when we made this issue."
    assert note == f"{read} Anything missing will appear in a later one."
    assert listed(engine) == {one for one in EVERYTHING if not FROM[source](one)}


def test_a_short_wait_that_a_busy_source_asks_for_is_kept(engine: Engine, server: Replay) -> None:
    busy = Reply(status=429, headers={"Retry-After": "0"})
    server.answers(PATHS["huggingface"][0], busy, GOOD["huggingface"])
    assert cut(engine, server.url) == ""
    assert json.loads(GOOD["huggingface"].body)
    assert listed(engine) == EVERYTHING
