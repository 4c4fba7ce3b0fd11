"""What the ranking reads from the observations of a paper, and from the weeks before."""

from datetime import UTC, datetime, timedelta
from math import log

import pytest

from digest.papers.paper import Observed, Votes
from digest.papers.ranking import RECORD_DAYS, WEEK_BEST, Past, TrackRecords, track_records
from digest.papers.ranking.signals import listed_at, readings, signals_of
from digest.papers.score_terms import ScoreTerms
from tests.support.scenario import MORNING, paper

HOUR = timedelta(hours=1)
MIDNIGHT = MORNING.replace(hour=0)


def seen(upvotes: int, hours_ago: float = 0, source: str = "huggingface", **more: int) -> Votes:
    return Votes("2603.00001", source, MORNING - hours_ago * HOUR, upvotes, **more)


def of(*votes: Votes, listed_at: datetime | None = MORNING - 20 * HOUR) -> Observed:
    return Observed(paper(1, listed_at=listed_at), MORNING - 20 * HOUR, votes)


def signals(observed: Observed) -> ScoreTerms:
    return signals_of(observed, listed_at(observed, MORNING), MORNING)


def test_only_the_latest_observation_of_each_source_counts():
    assert signals(of(seen(40), seen(2, 9, "lab"), seen(90, 5))).upvotes == 42


def test_a_page_that_shows_no_comments_takes_none_back():
    found = signals(of(seen(9, 2, comments=4, stars=7), seen(10)))
    assert (found.upvotes, found.comments, found.stars) == (10, 4, 7)


def test_the_pace_is_measured_over_half_a_day_or_more():
    assert signals(of(seen(3, 13), seen(8, 11), seen(20))).upvotes_before == 3
    assert signals(of(seen(8, 11), seen(20))).upvotes_before == -1


def test_a_second_source_that_begins_late_is_no_burst():
    assert signals(of(seen(3, 5), seen(4), seen(900, 0, "hackernews"))).burst == 0


def test_a_listing_in_the_future_counts_as_now():
    assert signals(of(seen(5), listed_at=MORNING + 3 * HOUR)).votes_age_hours == 0


def test_where_only_the_date_is_known_the_readings_around_the_first_sight_say_the_hour():
    dated = Observed(paper(1, listed_at=MIDNIGHT), MIDNIGHT + 4 * HOUR, (seen(5),))
    assert listed_at(dated, MORNING, [MIDNIGHT + 3 * HOUR]) == pytest.approx(
        MIDNIGHT + 3.3 * HOUR, abs=timedelta(seconds=1)
    )
    assert listed_at(dated, MORNING, [MIDNIGHT - 9 * HOUR]) == MIDNIGHT + 1.2 * HOUR


def test_without_a_listing_a_paper_counts_from_when_it_was_first_seen():
    assert listed_at(of(listed_at=None), MORNING) == MORNING - 20 * HOUR


def test_readings_are_the_instants_of_all_observations():
    assert readings([of(seen(1, 2), seen(2)), of(seen(5, 1))]) == [MORNING - 2 * HOUR, MORNING - HOUR, MORNING]


@pytest.mark.parametrize(("hours_ago", "before"), [(12.1, 3), (12, 3), (11.9, -1)])
def test_half_a_day_ago_is_where_the_pace_begins(hours_ago, before):
    assert signals(of(seen(3, hours_ago), seen(20))).upvotes_before == before


def test_a_source_that_was_not_observed_then_adds_nothing_to_the_votes_of_before():
    assert signals(of(seen(3, 13), seen(20), seen(7, 0, "lab"))).upvotes_before == 3


@pytest.mark.parametrize(("hours_ago", "gained"), [(23.9, None), (24, 17), (30, 17), (36, 17), (36.1, None)])
def test_the_gain_since_yesterday_needs_an_observation_of_a_day_to_a_day_and_a_half_ago(hours_ago, gained):
    assert signals(of(seen(3, hours_ago), seen(20))).gained == gained


def test_the_gains_of_all_sources_add_up():
    votes = of(seen(3, 25), seen(20), seen(1, 26, "lab"), seen(5, 0, "lab"), seen(9, 0, "another"))
    assert signals(votes).gained == 21


@pytest.mark.parametrize(
    ("before", "after", "hours_ago", "burst"),
    [(0, 65, 1, 0), (0, 66, 1, 1), (0, 80, 2, 0), (0, 83, 2, 3), (0, 50, 0.0001, 0), (10, 60, 0, 0), (10, 61, 0, 1)],
)
def test_beyond_fifty_votes_and_fifteen_an_hour_is_a_burst(before, after, hours_ago, burst):
    assert signals(of(seen(before, hours_ago), seen(after))).burst == pytest.approx(burst, abs=0.01)


def test_bursts_add_up_to_no_more_than_the_votes_that_are_left():
    assert signals(of(seen(0, 4), seen(165, 3), seen(330, 2))).burst == 200
    assert signals(of(seen(0, 4), seen(165, 3), seen(70, 2))).burst == 70


def test_a_source_whose_points_are_of_another_kind_is_counted_apart():
    terms = signals(of(seen(4), seen(30, 2, "hackernews"), seen(44, 1, "hackernews", comments=9)))
    assert (terms.upvotes, terms.hackernews, terms.comments) == (4, 44, 0)
    assert terms.votes_age_hours == 20
    assert signals(of(seen(4))).hackernews == 0


def test_stars_are_the_most_that_any_source_shows_and_comments_add_up():
    votes = of(seen(4, comments=2), seen(4, 0, "lab", stars=9, comments=3), seen(4, 0, "another", stars=3))
    terms = signals(votes)
    assert (terms.voted, terms.stars, terms.comments) == (1, 9, 5)
    assert signals(of(seen(4))).stars == 0


def test_a_paper_without_votes_has_no_signal_but_its_listing():
    assert signals(of()) == ScoreTerms(voted=0.0, upvotes=0.0, upvotes_before=-1.0, gained=None, votes_age_hours=0.0)
    assert listed_at(of(), MORNING) == MORNING - 20 * HOUR


def test_an_hour_of_listing_is_taken_as_it_is_and_midnight_is_not():
    assert listed_at(of(seen(5), listed_at=MORNING - 4 * HOUR), MORNING) == MORNING - 4 * HOUR
    dated = Observed(paper(1, listed_at=MIDNIGHT), MIDNIGHT + 4 * HOUR)
    assert listed_at(dated, MORNING) == MIDNIGHT + 1.2 * HOUR


def test_without_any_date_the_listing_is_after_the_last_reading_without_the_paper():
    undated = Observed(paper(1, listed_at=None), MORNING - 10 * HOUR)
    at = [MORNING - 40 * HOUR, MORNING - 20 * HOUR, MORNING - 10 * HOUR]
    assert listed_at(undated, MORNING, at) == MORNING - 17 * HOUR
    assert listed_at(undated, MORNING, at[2:]) == MORNING - 10 * HOUR
    dated_later = Observed(paper(1, listed_at=MIDNIGHT), MIDNIGHT - 4 * HOUR)
    assert listed_at(dated_later, MORNING) == MIDNIGHT


MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


def a_week(papers: int, start: datetime = MONDAY, lab_votes: int = 50) -> list[Past]:
    others = [Past("", "bob", start, 10 + number) for number in range(papers - 1)]
    return [*others, Past("The Lab", "ada", start, lab_votes)]


def test_papers_that_ended_high_make_a_good_record_and_low_ones_a_bad_one():
    good = track_records(a_week(80, lab_votes=500), MONDAY + timedelta(days=7))
    bad = track_records(a_week(80, lab_votes=0), MONDAY + timedelta(days=7))
    assert good.organizations["The Lab"] == good.submitters["ada"] > 0 > bad.organizations["The Lab"]


def test_papers_that_grew_more_than_others_after_the_first_look_make_a_good_growth_record():
    """Of 60 papers 58 do not grow, one grows by ln 8; the last was looked at once, which says nothing."""
    still = [Past("", "bob", MONDAY, 5, 5)] * 58
    grown = Past("", "ada", MONDAY, 7, 0, ("Ada", "Grace", "Ada"))
    records = track_records([*still, grown, Past("", "eve", MONDAY, 900, None, ("Eve",))], MONDAY + timedelta(days=7))
    growth = pytest.approx(log(8) * 58 / 59 / 5)
    assert records.submitter_growth == {"ada": growth, "bob": pytest.approx(-58 * log(8) / 59 / 62)}
    assert records.author_growth == {"Ada": growth, "Grace": growth}
    assert records.submitter_papers == {"ada": 1, "bob": 58, "eve": 1}


def test_one_paper_says_less_than_several():
    week = a_week(80, lab_votes=500)
    several = track_records([*week, week[-1], week[-1]], MONDAY + timedelta(days=7))
    assert several.submitters["ada"] > track_records(week, MONDAY + timedelta(days=7)).submitters["ada"]


def test_the_week_that_runs_and_weeks_with_few_papers_say_nothing():
    assert track_records(a_week(80), MONDAY + timedelta(days=6)).submitters == {}
    assert track_records(a_week(30), MONDAY + timedelta(days=7)).submitters == {}


def test_a_record_is_the_excess_over_the_average_shared_with_four_average_papers():
    """Of 60 papers, one has 7 votes and 59 have none: 60ths of ln 8 above the average, and below it."""
    week = [Past("", "bob", MONDAY, 0)] * 59 + [Past("The Lab", "ada", MONDAY, 7)]
    records = track_records(week, MONDAY + timedelta(days=7))
    assert records.organizations == {"The Lab": pytest.approx(log(8) * 59 / 60 / 5)}
    assert records.submitters == {"ada": records.organizations["The Lab"], "bob": pytest.approx(-log(8) * 59 / 60 / 63)}
    assert track_records(week[1:], MONDAY + timedelta(days=7)) == TrackRecords()


def test_a_week_is_measured_against_its_own_25th_best_paper():
    """In the first week 24 papers reach 7 votes, so the 25th has none; in the second 25 do, so the 25th has 7."""
    first = [Past("", "ada", MONDAY, 7 if number < 24 else 0) for number in range(60)]
    second = [Past("", "bob", MONDAY + timedelta(days=7), 7 if number < 25 else 0) for number in range(60)]
    records = track_records([*first, *second], MONDAY + timedelta(days=14))
    average = (24 - 35) * log(8) / 120
    assert records.submitters == {
        "ada": pytest.approx((24 * log(8) - 60 * average) / 64),
        "bob": pytest.approx((-35 * log(8) - 60 * average) / 64),
    }


def test_the_papers_of_a_week_are_measured_together_whatever_their_day():
    days = [Past("", "ada", MONDAY + timedelta(days=day), 0) for day in (0, 3) for _ in range(30)]
    assert "ada" in track_records(days, MONDAY + timedelta(days=7)).submitters


@pytest.mark.parametrize(("start", "now"), [(datetime(2025, 12, 22, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC))])
def test_a_week_of_the_last_year_is_complete(start, now):
    assert "ada" in track_records(a_week(60, start), now).submitters
    assert "ada" not in track_records(a_week(60, now), start).submitters


def test_records_go_back_a_year_and_the_best_of_a_week_are_25():
    assert (RECORD_DAYS, WEEK_BEST) == (365, 25)
