"""What the ranking reads from the observations of a paper, and from the weeks before."""

from datetime import UTC, datetime, timedelta

import pytest

from digest.papers.paper import Observed, Votes
from digest.papers.ranking import Past, track_records
from digest.papers.ranking.signals import readings, signals_of
from tests.support.scenario import MORNING, paper

HOUR = timedelta(hours=1)
MIDNIGHT = MORNING.replace(hour=0)


def seen(upvotes: int, hours_ago: float = 0, source: str = "huggingface", **more: int) -> Votes:
    return Votes("2603.00001", source, MORNING - hours_ago * HOUR, upvotes, **more)


def of(*votes: Votes, listed_at: datetime | None = MORNING - 20 * HOUR) -> Observed:
    return Observed(paper(1, listed_at=listed_at), MORNING - 20 * HOUR, votes)


def test_only_the_latest_observation_of_each_source_counts():
    assert signals_of(of(seen(40), seen(2, 9, "lab"), seen(90, 5)), MORNING).upvotes == 42


def test_a_page_that_shows_no_comments_takes_none_back():
    found = signals_of(of(seen(9, 2, comments=4, stars=7), seen(10)), MORNING)
    assert (found.upvotes, found.comments, found.stars) == (10, 4, 7)


def test_the_pace_is_measured_over_half_a_day_or_more():
    assert signals_of(of(seen(3, 13), seen(8, 11), seen(20)), MORNING).upvotes_before == 3
    assert signals_of(of(seen(8, 11), seen(20)), MORNING).upvotes_before is None


def test_a_second_source_that_begins_late_is_no_burst():
    assert signals_of(of(seen(3, 5), seen(4), seen(900, 0, "hackernews")), MORNING).burst == 0


def test_a_listing_in_the_future_counts_as_now():
    assert signals_of(of(seen(5), listed_at=MORNING + 3 * HOUR), MORNING).votes_age_hours == 0


def test_where_only_the_date_is_known_the_readings_around_the_first_sight_say_the_hour():
    dated = Observed(paper(1, listed_at=MIDNIGHT), MIDNIGHT + 4 * HOUR, (seen(5),))
    assert signals_of(dated, MORNING, [MIDNIGHT + 3 * HOUR]).listed_at == pytest.approx(
        MIDNIGHT + 3.3 * HOUR, abs=timedelta(seconds=1)
    )
    assert signals_of(dated, MORNING, [MIDNIGHT - 9 * HOUR]).listed_at == MIDNIGHT + 1.2 * HOUR


def test_without_a_listing_a_paper_counts_from_when_it_was_first_seen():
    assert signals_of(of(listed_at=None), MORNING).listed_at == MORNING - 20 * HOUR


def test_readings_are_the_instants_of_all_observations():
    assert readings([of(seen(1, 2), seen(2)), of(seen(5, 1))]) == [MORNING - 2 * HOUR, MORNING - HOUR, MORNING]


MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


def a_week(papers: int, start: datetime = MONDAY, lab_votes: int = 50) -> list[Past]:
    others = [Past("", "bob", start, 10 + number) for number in range(papers - 1)]
    return [*others, Past("The Lab", "ada", start, lab_votes)]


def test_papers_that_ended_high_make_a_good_record_and_low_ones_a_bad_one():
    good = track_records(a_week(80, lab_votes=500), MONDAY + timedelta(days=7))
    bad = track_records(a_week(80, lab_votes=0), MONDAY + timedelta(days=7))
    assert good.organizations["The Lab"] == good.submitters["ada"] > 0 > bad.organizations["The Lab"]


def test_one_paper_says_less_than_several():
    week = a_week(80, lab_votes=500)
    several = track_records([*week, week[-1], week[-1]], MONDAY + timedelta(days=7))
    assert several.submitters["ada"] > track_records(week, MONDAY + timedelta(days=7)).submitters["ada"]


def test_the_week_that_runs_and_weeks_with_few_papers_say_nothing():
    assert track_records(a_week(80), MONDAY + timedelta(days=6)).submitters == {}
    assert track_records(a_week(30), MONDAY + timedelta(days=7)).submitters == {}
