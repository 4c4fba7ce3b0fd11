"""The health of a source, from plain values and on real days."""

import gzip
import json
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from digest.papers.collecting import SourceHealth, SourceRun, source_notes
from digest.papers.collecting.health import facts_of, overlap, rate, sample_of
from digest.papers.collecting.runs import History, ListFacts
from digest.papers.paper import Paper
from digest.papers.sources.announcement_calendar import expected, holiday
from digest.papers.sources.fetch import Fetcher, RequestPolicy
from digest.papers.sources.huggingface import HuggingFace
from digest.papers.sources.source import SourceResult, Unreadable
from tests.support.replay import replaying

THURSDAY, SATURDAY = date(2026, 5, 28), date(2026, 5, 30)
EARLY, LATE = time(2, tzinfo=UTC), time(12, tzinfo=UTC)


def papers(first: int, number: int, category: str = "cs.CL") -> list[Paper]:
    return [Paper(f"2605.{one:05}", "A title", categories=(category,)) for one in range(first, first + number)]


def rated(
    result: SourceResult, day: date = THURSDAY, at: time = LATE, before: History | None = None, source: str = "arxiv"
) -> SourceRun:
    return rate(source, day, datetime.combine(day, at), result, before or History())


def after(*lists: list[Paper]) -> History:
    """The history of a source with these earlier lists, newest first."""
    return History(earlier=[rated(SourceResult(listed), THURSDAY - timedelta(days=1)) for listed in lists])


def usual(*counts: int, category: str = "cs.CL") -> History:
    """Earlier lists, newest first, with different ids that grow from list to list."""
    return after(*(papers(50_000 - 1000 * back, count, category) for back, count in enumerate(counts)))


@pytest.mark.parametrize(
    ("source", "day", "why"),
    [
        ("arxiv", date(2026, 5, 29), ""),  # a Friday's list is announced on Thursday evening
        ("arxiv", date(2026, 5, 30), "Saturday"),
        ("arxiv", date(2026, 5, 31), "Sunday"),
        ("arxiv", date(2026, 6, 1), ""),
        ("arxiv", date(2026, 5, 26), "Memorial Day"),  # the evening before was a holiday
        ("arxiv", date(2026, 5, 25), ""),
        ("arxiv", date(2026, 11, 27), "Thanksgiving"),
        ("arxiv", date(2025, 1, 1), "New Year’s Eve"),
        ("huggingface", date(2026, 5, 30), "Saturday"),
        ("huggingface", date(2026, 5, 29), ""),
        ("huggingface", date(2025, 1, 1), "New Year’s Day"),
        ("feeds", date(2026, 5, 30), ""),
    ],
)
def test_what_is_expected_follows_the_announcements(source: str, day: date, why: str) -> None:
    assert expected(source, day).why_none == why


def test_holidays_fall_on_their_weekdays_every_year() -> None:
    for year in range(2020, 2040):
        found = {name: day for n in range(366) if (name := holiday(day := date(year, 1, 1) + timedelta(days=n)))}
        assert len(found) == 10
        assert found["Thanksgiving"].weekday() == 3
        assert {found[name].weekday() for name in ("Martin Luther King Day", "Memorial Day", "Labor Day")} == {0}


def test_an_empty_saturday_is_quiet_and_says_why() -> None:
    done = rated(SourceResult(dated=SATURDAY), SATURDAY)
    assert (done.outcome, done.message) == (SourceHealth.QUIET, "nothing was announced (Saturday)")


def test_an_empty_list_is_quiet_until_it_was_expected_and_stale_after() -> None:
    assert rated(SourceResult(), at=EARLY).message == "nothing is listed yet; it is expected by 06:00 UTC"
    assert rated(SourceResult(), at=EARLY).outcome is SourceHealth.QUIET
    assert rated(SourceResult(), at=LATE).outcome is SourceHealth.STALE


def test_of_a_source_without_a_calendar_an_empty_list_is_quiet_at_any_time() -> None:
    for day in (THURSDAY, SATURDAY):
        assert rated(SourceResult(), day, source="feeds").outcome is SourceHealth.QUIET


def test_a_list_that_says_it_is_of_an_earlier_day_is_stale() -> None:
    done = rated(SourceResult(papers(1, 9), dated=date(2026, 5, 27)))
    assert done.outcome is SourceHealth.STALE
    assert done.message.endswith("the list is still that of Wednesday, 2026-05-27; late papers come tomorrow")
    assert rated(SourceResult(papers(1, 9), dated=THURSDAY)).outcome is SourceHealth.FRESH
    assert rated(SourceResult(dated=date(2026, 5, 29)), SATURDAY).outcome is SourceHealth.QUIET


def test_the_same_list_as_yesterday_is_stale_whatever_date_it_bears() -> None:
    before = after(papers(1, 90))
    assert rated(SourceResult(papers(1, 90), dated=THURSDAY), before=before).outcome is SourceHealth.STALE
    assert rated(SourceResult(papers(91, 90), dated=THURSDAY), before=before).outcome is SourceHealth.FRESH
    some_again = SourceResult(papers(60, 90), dated=THURSDAY)  # cross-lists are on several lists
    assert rated(some_again, before=before).outcome is SourceHealth.FRESH


def test_an_arxiv_list_without_a_newer_paper_is_stale_and_another_is_not() -> None:
    before = after(papers(900, 30))
    result = SourceResult(papers(100, 40))
    assert "newer than 2605.00929" in rated(result, before=before).message
    assert rated(result, before=before, source="huggingface").outcome is SourceHealth.FRESH


def test_an_unchanged_list_is_as_it_was_and_over_an_expected_day_stale() -> None:
    earlier = rated(SourceResult(papers(1, 7)), at=EARLY)
    done = rated(SourceResult(unchanged=True), before=History(same_day=earlier))
    assert (done.outcome, done.papers, done.facts.unchanged) == (SourceHealth.FRESH, 7, True)
    new_day = rated(SourceResult(unchanged=True), before=usual(90, 80))
    assert (new_day.outcome, new_day.message) == (
        SourceHealth.STALE,
        "nothing changed since the day before; late papers come tomorrow",
    )


def test_far_fewer_papers_than_usual_are_a_part_of_the_list() -> None:
    before = usual(100, 110, 90, 120, 80)
    thin = rated(SourceResult(papers(60_000, 20)), before=before)
    assert (thin.outcome, thin.message) == (SourceHealth.PARTIAL, "20 papers listed; usually 100 by this time of day")
    assert rated(SourceResult(papers(60_000, 26)), before=before).outcome is SourceHealth.FRESH
    assert (
        rated(SourceResult(papers(60_000, 20)), before=usual(100, 110)).outcome is SourceHealth.FRESH
    )  # too little history
    assert rated(SourceResult(papers(60_000, 20)), at=EARLY, before=before).outcome is SourceHealth.FRESH  # it is early


def test_a_big_category_that_is_missing_is_named() -> None:
    lists = [papers(50_000 - 1000 * n, 60) + papers(80_000 - 1000 * n, 40, "cs.AI") for n in range(6)]
    before = after(*lists)
    done = rated(SourceResult(papers(90_000, 80)), before=before)
    assert (done.outcome, done.message) == (SourceHealth.PARTIAL, "80 papers listed; nothing of cs.AI")


def test_what_could_not_be_read_is_partial_before_all_else() -> None:
    done = rated(SourceResult(papers(1, 2), unreadable=[Unreadable("record 3", "no id")], incomplete="page 2 failed"))
    assert done.outcome is SourceHealth.PARTIAL
    assert done.message == "2 papers listed; 1 record could not be read; page 2 failed"


def test_a_sample_is_the_same_for_the_same_list_in_any_order() -> None:
    ids = [f"2605.{n:05}" for n in range(300)]
    assert sample_of(ids) == sample_of(ids[::-1])
    assert overlap(facts_of(SourceResult(papers(0, 300))), ids) == 1.0
    assert overlap(ListFacts(), ids) == 0.0


def run(source: str, outcome: SourceHealth, day: date = SATURDAY) -> SourceRun:
    return SourceRun(source, day, datetime.combine(day, LATE), outcome, 0, 0, (), "")


def test_readers_are_told_why_an_issue_is_thin_and_nothing_when_it_is_not() -> None:
    now = datetime.combine(SATURDAY, LATE)
    quiet = [run("arxiv", SourceHealth.QUIET), run("huggingface", SourceHealth.QUIET)]
    assert source_notes(quiet, now, thin=True) == ["No new papers from arXiv and Hugging Face (Saturday)."]
    assert source_notes(quiet, now, thin=False) == []
    assert source_notes([run("arxiv", SourceHealth.FRESH)], now, thin=True) == []


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (SourceHealth.FAILING, "We couldn’t read Hacker News when we made this issue."),
        (
            SourceHealth.STALE,
            "Hacker News had no new list when we made this issue. Late papers will appear in the next one.",
        ),
        (SourceHealth.PARTIAL, "We got only part of the list from Hacker News when we made this issue."),
    ],
)
def test_what_went_wrong_is_always_told(outcome: SourceHealth, words: str) -> None:
    (note,) = source_notes([run("hackernews", outcome)], datetime.combine(SATURDAY, LATE), thin=False)
    assert note.startswith(words)


def test_a_source_not_read_for_a_day_counts_as_not_read_at_all() -> None:
    later = datetime.combine(SATURDAY, LATE) + timedelta(hours=25)
    (note,) = source_notes([run("arxiv", SourceHealth.FRESH)], later, thin=False)
    assert "We couldn’t read" in note


@pytest.mark.parametrize("day", ["2024-05-28", "2024-12-18", "2025-01-10", "2025-06-10", "2025-09-30", "2026-01-15"])
def test_recorded_days_malformed_or_full_pages_are_fresh(shared_data: Path, day: str) -> None:
    now = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    with replaying(shared_data) as server:
        source = HuggingFace(server.url, Fetcher(server.url, RequestPolicy()))
        result = source.fetch(now.date(), now)
    assert rate("huggingface", now.date(), now, result, History()).outcome is SourceHealth.FRESH


def test_two_years_of_real_lists_raise_few_alarms_and_miss_no_empty_day(shared_data: Path) -> None:
    listed: dict[date, list[Paper]] = defaultdict(list)
    with gzip.open(shared_data / "hf" / "daily_papers.jsonl.gz", "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            listed[date.fromisoformat(record["date"])].append(Paper(record["id"], record["title"]))
    days = sorted(listed)
    outcomes: dict[SourceHealth, list[date]] = defaultdict(list)
    earlier: list[SourceRun] = []
    for number in range((days[-1] - days[0]).days + 1):
        day = days[0] + timedelta(days=number)
        now = datetime.combine(day, time(18), UTC)
        run = rate("huggingface", day, now, SourceResult(listed.get(day, [])), History(None, earlier[-20:][::-1]))
        outcomes[run.outcome].append(day)
        if run.papers:
            earlier.append(run)
    assert all(day not in listed for day in outcomes[SourceHealth.QUIET] + outcomes[SourceHealth.STALE])
    assert all(day.weekday() < 5 for day in outcomes[SourceHealth.STALE])  # the weekdays without a list, and only these
    assert date(2026, 5, 26) in outcomes[SourceHealth.STALE]
    assert len(outcomes[SourceHealth.FRESH]) >= 0.98 * len(days)
