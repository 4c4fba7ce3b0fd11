"""Collecting: sources that answer, lie, fail and repeat themselves, into both databases."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, select

from digest.database.engine import read_only
from digest.database.tables import metadata
from digest.demo.sample import Bundled, sample_papers, sample_votes, store_sample
from digest.papers.collecting import SourceHealth, collect, collect_recent, last_runs, remembered_by
from digest.papers.paper import Paper, Votes
from digest.papers.sources.registry import SourceAddresses, make_sources
from digest.papers.sources.source import Source, SourceResult, SourceUnavailable, Unreadable, Validator
from digest.papers.store import paper, pool
from tests.support.replay import Replay, Reply, json_reply, replaying

NOW = datetime(2026, 5, 28, 9, tzinfo=UTC)
DAY = NOW.date()


@dataclass
class Fake:
    """A source that answers what it is told to, and remembers which days it was asked for."""

    name: str = "fake"
    answer: Callable[[date, datetime], SourceResult] = lambda _day, _now: SourceResult()
    asked: list[date] = field(default_factory=list)
    past_days: bool = True
    shows_votes: bool = True

    def fetch(self, day: date, now: datetime) -> SourceResult:
        self.asked.append(day)
        return self.answer(day, now)


def lists(*papers: Paper, upvotes: int | None = None, **more: Any) -> Callable[[date, datetime], SourceResult]:
    def answer(_day: date, now: datetime) -> SourceResult:
        votes = [Votes(one.id, "fake", now, upvotes) for one in papers] if upvotes is not None else []
        return SourceResult(list(papers), votes, **more)

    return answer


def fails(_day: date, _now: datetime) -> SourceResult:
    raise SourceUnavailable("papers.example cannot be reached")


ONE, TWO = Paper("2605.00001", "One"), Paper("2605.00002", "Two")


def everything(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        found = {table.name: list(connection.execute(select(table))) for table in metadata.sorted_tables}
    # Numbers are given by the database, and a repeated run may get another.
    found["collections"] = [row[1:] for row in found["collections"]]
    return found


@pytest.fixture
def server(shared_data: Path) -> Iterator[Replay]:
    with replaying(shared_data) as replay:
        yield replay


def real_sources(url: str, *names: str, engine: Engine | None = None) -> list[Source]:
    places = SourceAddresses(url, url, url, ("cs.AI", "cs.CL"))
    return make_sources(names or ("huggingface",), places, remembered_by(engine) if engine else lambda _url: None)


def test_a_record_that_no_database_takes_stops_no_other_source(engine: Engine) -> None:
    broken = Fake("broken", lists(TWO, upvotes=10**30))
    runs = collect_recent(engine, [broken, Fake(answer=lists(ONE))], NOW, pool_days=1)
    assert {run.source: run.outcome for run in runs} == {"broken": SourceHealth.FAILING, "fake": SourceHealth.FRESH}
    assert "its records cannot be stored" in next(run.message for run in runs if run.source == "broken")
    with read_only(engine) as connection:
        assert [observed.paper for observed in pool(connection, NOW, NOW)] == [ONE]


def test_what_a_source_lists_is_stored_with_its_votes(engine: Engine) -> None:
    (done,) = collect(engine, [Fake(answer=lists(ONE, TWO, upvotes=3))], DAY, NOW)
    assert (done.outcome, done.papers, done.new, done.message) == (SourceHealth.FRESH, 2, 2, "2 papers listed")
    with read_only(engine) as connection:
        observed = pool(connection, NOW, NOW)
        assert last_runs(connection) == [done]
    assert [(one.paper.id, one.votes[0].upvotes) for one in observed] == [(ONE.id, 3), (TWO.id, 3)]


def test_the_same_instant_again_changes_nothing(engine: Engine) -> None:
    sources = [Fake(answer=lists(ONE, upvotes=3)), Fake("other", lists(ONE, TWO)), Fake("down", fails)]
    first = collect(engine, sources, DAY, NOW)
    before = everything(engine)
    assert collect(engine, sources, DAY, NOW) == first
    assert everything(engine) == before


def test_a_later_run_observes_the_votes_anew_and_finds_nothing_new(engine: Engine) -> None:
    collect(engine, [Fake(answer=lists(ONE, upvotes=3))], DAY, NOW)
    (done,) = collect(engine, [Fake(answer=lists(ONE, upvotes=8))], DAY, NOW + timedelta(hours=1))
    assert done.new == 0
    with read_only(engine) as connection:
        observed = paper(connection, ONE.id)
    assert observed
    assert [votes.upvotes for votes in observed.votes] == [3, 8]


def test_one_failing_source_stops_no_other(engine: Engine) -> None:
    said: list[str] = []
    down, up = collect(engine, [Fake("down", fails), Fake("up", lists(ONE))], DAY, NOW, said.append)
    assert (down.outcome, down.message) == (SourceHealth.FAILING, "papers.example cannot be reached")
    assert (up.outcome, up.papers) == (SourceHealth.FRESH, 1)
    assert said == ["down 2026-05-28: papers.example cannot be reached", "up 2026-05-28: 1 paper listed"]


@pytest.mark.parametrize(
    ("findings", "outcome", "message"),
    [
        (SourceResult(), SourceHealth.QUIET, "nothing was listed"),
        (SourceResult(unchanged=True), SourceHealth.QUIET, "nothing changed since it was last read"),
        (SourceResult(votes=[Votes("2605.99999", "fake", NOW, 3)]), SourceHealth.FRESH, "votes of 1 paper"),
        (SourceResult([ONE], incomplete="page 2 failed"), SourceHealth.PARTIAL, "1 paper listed; page 2 failed"),
        (
            SourceResult([ONE], unreadable=[Unreadable("record 2", "it has no id")]),
            SourceHealth.PARTIAL,
            "1 paper listed; 1 record could not be read",
        ),
    ],
)
def test_each_answer_is_judged_in_words(
    engine: Engine, findings: SourceResult, outcome: SourceHealth, message: str
) -> None:
    (done,) = collect(engine, [Fake(answer=lambda _day, _now: findings)], DAY, NOW)
    assert (done.outcome, done.message) == (outcome, message)


def test_the_same_paper_from_two_sources_is_one(engine: Engine) -> None:
    listed = NOW - timedelta(hours=3)
    hugging = Fake("huggingface", lists(Paper("2605.00001", "One", summary="Short.", listed_at=listed)))
    arxiv = Fake("arxiv", lists(Paper("2605.00001", "One", abstract="Long.", categories=("cs.CL",))))
    collect(engine, [hugging, arxiv], DAY, NOW)
    with read_only(engine) as connection:
        (observed,) = pool(connection, NOW, NOW)
    assert observed.paper == Paper("2605.00001", "One", "Long.", "Short.", categories=("cs.CL",), listed_at=listed)


def test_a_first_run_reads_every_day_of_the_pool_newest_first(engine: Engine) -> None:
    source = Fake(answer=lists(ONE))
    collect_recent(engine, [source], NOW, 4)
    assert source.asked == [DAY - timedelta(days=back) for back in range(4)]


@pytest.mark.parametrize(("votes", "again"), [(True, timedelta(hours=1)), (False, timedelta(hours=3))])
def test_today_and_yesterday_are_read_each_time_and_older_days_when_votes_are_due(
    engine: Engine, votes: bool, again: timedelta
) -> None:
    source = Fake(answer=lists(ONE), shows_votes=votes)
    collect_recent(engine, [source], NOW, 4)
    source.asked.clear()
    for half_hours in range(1, 13):
        collect_recent(engine, [source], NOW + half_hours * timedelta(minutes=30), 4)
    assert source.asked.count(DAY) == source.asked.count(DAY - timedelta(days=1)) == 12
    for back in (2, 3):
        assert source.asked.count(DAY - timedelta(days=back)) == timedelta(hours=6) // again


def test_the_oldest_day_of_the_pool_is_observed_until_its_last_paper_has_left_it(engine: Engine) -> None:
    source = Fake(answer=lists(ONE))
    collect_recent(engine, [source], NOW, 4)
    source.asked.clear()
    collect_recent(engine, [source], NOW + timedelta(days=1), 4)
    assert source.asked == [DAY + timedelta(days=1 - back) for back in range(5)]


def test_a_source_that_knows_only_of_now_is_asked_for_today_alone(engine: Engine) -> None:
    source = Fake(answer=lists(ONE), past_days=False)
    collect_recent(engine, [source], NOW, 4)
    assert source.asked == [DAY]


def test_a_day_that_failed_is_read_again_next_time(engine: Engine) -> None:
    broken = DAY - timedelta(days=2)
    source = Fake(answer=lambda day, now: fails(day, now) if day == broken else SourceResult())
    collect_recent(engine, [source], NOW, 4)
    source.asked.clear()
    collect_recent(engine, [source], NOW + timedelta(minutes=30), 4)
    assert source.asked == [DAY, DAY - timedelta(days=1), broken]


def test_a_source_that_is_down_is_not_asked_for_every_day(engine: Engine) -> None:
    down, up = Fake("down", fails), Fake("up", lists(ONE))
    done = collect_recent(engine, [down, up], NOW, 5)
    assert (len(down.asked), len(up.asked)) == (2, 5)
    assert [run.outcome for run in done[:2]] == [SourceHealth.FAILING] * 2


def test_validators_are_kept_only_with_a_complete_run(engine: Engine) -> None:
    said = {"https://a": Validator('"1"')}
    collect(engine, [Fake(answer=lists(ONE, validators=said, incomplete="cut"))], DAY, NOW)
    assert remembered_by(engine)("https://a") is None
    collect(engine, [Fake(answer=lists(ONE, validators=said))], DAY, NOW)
    assert remembered_by(engine)("https://a") == Validator('"1"')


def test_a_list_that_did_not_change_is_not_sent_again(engine: Engine, server: Replay) -> None:
    path = "/api/daily_papers"
    server.answers(
        path, json_reply([{"id": "2605.00001", "title": "One", "upvotes": 1}], ETag='"1"'), Reply(status=304)
    )
    sources = real_sources(server.url, engine=engine)
    runs = [collect(engine, sources, DAY, NOW + timedelta(hours=n))[0] for n in range(2)]
    assert [(run.outcome, run.papers, run.facts.unchanged) for run in runs] == [
        (SourceHealth.FRESH, 1, False),
        (SourceHealth.FRESH, 1, True),
    ]
    assert runs[1].message == "1 paper listed; nothing changed since it was last read"
    assert server.asked[-1][1]["if-none-match"] == '"1"'


def test_a_list_of_an_earlier_day_brings_late_papers_and_what_was_missing_of_the_others(
    engine: Engine, server: Replay
) -> None:
    """The same list for each day of the pool; after an hour it has a late paper, and tells who submitted the first."""
    bare = {"id": "2605.00001", "title": "One", "upvotes": 1}
    told = {"organization": {"fullname": "The Lab"}, "submittedBy": {"name": "ada"}}
    details = {"summary": "An abstract.", "githubRepo": "https://github.com/a/b", "ai_keywords": ["nerf"]}
    late = bare | details | told | {"id": "2605.00002", "title": "Two"}
    before, after = json_reply([bare], ETag='"1"'), json_reply([bare | details | told, late], ETag='"2"')
    server.answers("/api/daily_papers", *[before] * 4, *[after] * 4)
    sources, later = real_sources(server.url, engine=engine), NOW + timedelta(hours=1)
    collect_recent(engine, sources, NOW, 4)
    collect_recent(engine, sources, later, 4)
    with read_only(engine) as connection:
        one, two = pool(connection, NOW - timedelta(days=1), later)
    for observed in (one, two):
        kept = observed.paper
        assert (kept.organization, kept.submitter, kept.abstract) == ("The Lab", "ada", "An abstract.")
        assert (kept.code_url, kept.keywords) == ("https://github.com/a/b", ("nerf",))
    assert (one.first_seen_at, two.first_seen_at) == (NOW, later)


@pytest.mark.parametrize(
    ("day", "papers"), [("2024-05-28", 15), ("2024-12-18", 11), ("2025-01-10", 9), ("2025-09-30", 50)]
)
def test_recorded_days_are_stored_whole(engine: Engine, server: Replay, day: str, papers: int) -> None:
    now = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    (done,) = collect(engine, real_sources(server.url), now.date(), now)
    assert (done.outcome, done.papers, done.new, done.unreadable) == (SourceHealth.FRESH, papers, papers, ())
    with read_only(engine) as connection:
        observed = pool(connection, now - timedelta(days=5), now)
    assert len(observed) == papers
    assert all(one.votes for one in observed)


def test_an_outage_of_both_sources_is_recorded_and_loses_nothing(engine: Engine) -> None:
    collect(engine, [Fake(answer=lists(ONE))], DAY, NOW)
    with replaying() as gone:
        url = gone.url
    places = SourceAddresses(url, url, url, ("cs.AI",), timeout_seconds=0.5)
    done = collect(engine, make_sources(("huggingface", "arxiv"), places), DAY, NOW + timedelta(hours=1))
    assert [run.outcome for run in done] == [SourceHealth.FAILING, SourceHealth.FAILING]
    assert all("cannot be reached" in run.message for run in done)
    with read_only(engine) as connection:
        assert paper(connection, ONE.id)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a paper source; there are huggingface, arxiv, hackernews, feeds"):
        real_sources("http://127.0.0.1:1", "hackernoon")


def test_a_source_that_breaks_in_its_own_code_is_failing_and_stops_no_other(engine: Engine) -> None:
    def breaks(_day: date, _now: datetime) -> SourceResult:
        raise KeyError("papers")

    new, up = collect(engine, [Fake("new", breaks), Fake("up", lists(ONE))], DAY, NOW)
    assert (new.outcome, new.message) == (SourceHealth.FAILING, "the source itself failed: KeyError: 'papers'")
    assert (up.outcome, up.papers) == (SourceHealth.FRESH, 1)


def test_when_patience_ends_what_came_is_kept_and_who_is_silent_is_failing(engine: Engine) -> None:
    released = Event()

    def never(_day: date, _now: datetime) -> SourceResult:
        released.wait(60)
        return SourceResult([TWO])

    try:
        done = collect_recent(engine, [Fake("silent", never), Fake("up", lists(ONE))], NOW, 1, patience=0.3)
    finally:
        released.set()
    assert [(run.source, run.outcome, run.papers) for run in done if run.day == DAY] == [
        ("silent", SourceHealth.FAILING, 0),
        ("up", SourceHealth.FRESH, 1),
    ]
    assert done[0].message == "no answer within 0 seconds"
    with read_only(engine) as connection:
        assert [one.paper.id for one in pool(connection, NOW, NOW)] == [ONE.id]


def test_a_paper_that_a_source_takes_back_leaves_the_pool(engine: Engine) -> None:
    collect(engine, [Fake(answer=lists(ONE, TWO))], DAY, NOW)
    collect(engine, [Fake("other", lists(TWO, withdrawn=[ONE.id]))], DAY, NOW + timedelta(hours=1))
    with read_only(engine) as connection:
        assert [one.paper.id for one in pool(connection, NOW, NOW + timedelta(hours=1))] == [TWO.id]


def test_the_sample_is_stored_as_one_more_source(engine: Engine) -> None:
    store_sample(engine, NOW)
    with read_only(engine) as connection:
        observed = pool(connection, NOW, NOW)
        (done,) = last_runs(connection)
    assert (done.source, done.outcome, done.papers) == (Bundled.name, SourceHealth.FRESH, len(sample_papers()))
    assert len(observed) == len(sample_papers())
    assert all(one.votes[0].source == "bundled" for one in observed)


def test_the_sample_is_many_real_papers_with_our_own_short_summaries() -> None:
    papers = sample_papers()
    assert len({one.id for one in papers}) == len(papers) >= 45
    assert {votes.paper_id for votes in sample_votes(NOW)} == {one.id for one in papers}
    for one in papers:
        assert one.title
        assert one.authors
        assert 40 <= len(one.summary) <= 200
        assert one.abstract == ""
        assert one.published_at
        assert one.listed_at
