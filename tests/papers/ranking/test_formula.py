"""Each term of the score by itself: the fitted constants, the weights that multiply them, and the limits of each rule.

A logarithm is made 1 by its input: of e - 1 votes it is 1, of 5·e of 5 places it is 1. So a part of the score is the
fitted constant itself, as benchmarks/fit_ranking.py printed it.
"""

from dataclasses import replace
from datetime import timedelta
from math import e, exp, log, log1p

import pytest

from digest.papers.paper import Observed, Votes
from digest.papers.ranking import FORMULA, RankingWeights, TrackRecords, rank, rescore
from digest.papers.ranking.coefficients import CHANCE
from digest.papers.ranking.words import word_weights
from digest.papers.score_terms import ScoreTerms
from tests.support.scenario import MORNING, paper

DEFAULT = RankingWeights()
NOW = MORNING + timedelta(minutes=7)  # no age of whole hours begins at midnight, which would mean an unknown hour
NEUTRAL = ScoreTerms(voted=1.0, place=5.0, listed=25.0, authors=6.0)  # every logarithm is 0


def parts(weights=DEFAULT, **terms):
    return rescore(replace(NEUTRAL, **terms), weights).parts


def listed(number, upvotes, age=3.0, **details):
    """A paper whose votes are read now, `age` hours after its listing."""
    at = NOW - timedelta(hours=age)
    votes = () if upvotes is None else (Votes(f"2603.{number:05}", "huggingface", NOW, upvotes),)
    return Observed(paper(number, listed_at=at, **details), at, votes)


def terms_of(*pool, weights=DEFAULT, records=None):
    """The terms of the first paper of the pool."""
    ranked = rank(pool, weights, NOW, records)
    return next(row.terms for row in ranked if row.paper.id == pool[0].paper.id)


def test_the_weights_and_the_formula_are_those_that_the_docs_name():
    assert FORMULA == "odds of the week's best, 2"
    assert DEFAULT.as_dict() == {
        "waiting": 0.0115,
        "comment_votes": 0.25,
        "bursts": 0.5,
        "pace": 1.0,
        "community": 1.0,
        "records": 1.0,
        "words": 1.0,
        "hackernews": 0.1,
    }


def between(values, share):
    return (1 - share) * values[0] + share * values[1]


# Between two ages: 5 h is ln(7/5) / ln(10/5) = 0.4854 of the way from 3 h to 8 h, 45 h is 0.5812 from 30 h to 60 h.
@pytest.mark.parametrize(
    ("age", "at_age"),
    [
        (0.0, lambda values: values[0]),
        (3.0, lambda values: values[0]),
        (5.0, lambda values: between(values[0:2], 0.48543)),
        (8.0, lambda values: values[1]),
        (16.0, lambda values: values[2]),
        (30.0, lambda values: values[3]),
        (45.0, lambda values: between(values[3:5], 0.58120)),
        (60.0, lambda values: values[4]),
        (120.0, lambda values: values[5]),
        (500.0, lambda values: values[5]),
    ],
)
def test_votes_and_age_count_as_fitted_at_each_age_and_in_between(age, at_age):
    scored = parts(votes_age_hours=age, upvotes=e - 1)
    assert scored["age"] == pytest.approx(at_age(CHANCE["age"]), abs=1e-4)
    assert scored["votes"] == pytest.approx(at_age(CHANCE["votes"]), abs=1e-4)
    assert parts(votes_age_hours=age, upvotes=e - 1, level=1.0)["votes"] == 0


@pytest.mark.parametrize(
    ("age", "growth"),
    [(0.0, 0.5), (3.0, 0.5), (5.0, 0.45146), (8.0, 0.4), (16.0, 0.3), (30.0, 0.2), (60.0, 0.1), (120.0, 0), (300.0, 0)],
)
def test_the_level_of_a_pool_of_one_is_what_its_votes_will_have_grown_to(age, growth):
    assert terms_of(listed(41, 0, age)).level == pytest.approx(growth, abs=1e-5)
    assert terms_of(listed(41, 7, age)).level == pytest.approx(log(8) + growth, abs=1e-5)


def test_the_level_is_the_fifth_paper_for_each_day_that_listed_papers_with_votes():
    today = [listed(number, 100 - number) for number in range(20)]
    yesterday = [listed(50 + number, 200 - number, age=27.0) for number in range(2)]
    silent = [listed(90, None, age=75.0)]
    assert terms_of(*today).level == pytest.approx(log(97) + 0.5)
    assert terms_of(*today, *silent).level == pytest.approx(log(97) + 0.5)
    assert terms_of(*today, *yesterday).level == pytest.approx(log(94) + 0.5)  # the 10th, 8th of today
    assert terms_of(*today[:3]).level == pytest.approx(log(99) + 0.5)  # too few: the last
    assert terms_of(*silent).level == 0


@pytest.mark.parametrize(
    ("name", "terms", "times"),
    [
        ("near", {}, 1.5),
        ("near", {"upvotes": e - 1}, 2.5),
        ("near", {"level": 1.0}, 0.5),
        ("near", {"level": 1.5}, 0),
        ("near", {"level": 9.0}, 0),
        ("pace", {"upvotes": e * e - 1, "upvotes_before": e - 1}, 1),
        ("pace", {"upvotes": e - 1, "upvotes_before": 0.0}, 1),
        ("pace", {"upvotes": e - 1, "upvotes_before": -1.0}, 0),
        ("pace", {"upvotes": 0.0, "upvotes_before": 5.0}, 0),
        ("place", {}, 0),
        ("place", {"place": 5 * e}, 1),
        ("list", {}, 0),
        ("list", {"listed": 25 * e}, 1),
        ("authors", {}, 0),
        ("authors", {"authors": 6 * e}, 1),
        ("code", {"code": 1.0}, 1),
        ("stars", {"stars": e - 1}, 1),
        ("project", {"project": 1.0}, 1),
        ("organization", {"organization_record": 1.0}, 1),
        ("submitter", {"submitter_record": 1.0}, 1),
        ("submitter_growth", {"submitter_growth": 1.0}, 1),
        ("authors_growth", {"authors_growth": 1.0}, 1),
        ("submitter_papers", {"submitter_papers": e - 1}, 1),
        ("words", {"words": 0.7}, 0.7),
    ],
)
def test_what_is_known_before_many_voted_counts_as_fitted_and_fades_with_age(name, terms, times):
    expected = times * CHANCE.get(name, (1.0,))[0]
    assert parts(**terms)[name] == pytest.approx(expected)
    faded = expected if name == "pace" else expected * exp(-1)
    assert parts(votes_age_hours=36.0, **terms)[name] == pytest.approx(faded)


@pytest.mark.parametrize(
    ("weight", "names"),
    [
        ("pace", {"pace"}),
        ("community", {"code", "stars", "project"}),
        ("records", {"organization", "submitter", "submitter_growth", "authors_growth", "submitter_papers"}),
        ("words", {"words"}),
    ],
)
def test_a_weight_multiplies_its_own_parts_alone(weight, names):
    terms = {"upvotes": 9.0, "upvotes_before": 3.0, "code": 1.0, "stars": 5.0, "project": 1.0, "listed": 40.0}
    terms |= {"organization_record": 0.5, "submitter_record": 0.5, "place": 2.0, "authors": 3.0}
    terms |= {"submitter_growth": 0.5, "authors_growth": -0.5, "submitter_papers": 3.0, "words": 0.2}
    fitted, tripled = parts(**terms), parts(replace(DEFAULT, **{weight: 3.0}), **terms)
    assert {name for name in fitted if fitted[name] != tripled[name]} == names
    assert all(tripled[name] == pytest.approx(3 * fitted[name]) for name in names)


@pytest.mark.parametrize(
    ("waited", "waiting"),
    [(0.0, 0), (1.0, log(1 - 0.0115 * 24)), (3.5, log(1 - 0.0115 * 84)), (3.7, log(1e-13)), (10.0, log(1e-13))],
)
def test_each_hour_takes_its_share_of_the_odds_until_a_paper_drops_below_all_fresh_papers(waited, waiting):
    assert parts(waited_days=waited)["waiting"] == pytest.approx(waiting)
    assert parts(replace(DEFAULT, waiting=0.0), waited_days=waited)["waiting"] == 0


@pytest.mark.parametrize(
    ("known", "place", "papers", "days", "turn"),
    [(0.0, 1.0, 1.0, 0, 0.5), (0.9, 3.0, 25.0, 0, 0.5), (1.0, 1.0, 100.0, 1, 0.05), (2.7, 9.0, 4.0, 2, 4.25)],
)
def test_papers_that_nobody_votes_on_come_by_whole_days_then_by_turns_of_their_subjects(
    known, place, papers, days, turn
):
    terms = ScoreTerms(known_days=known, subject_place=place, subject_papers=papers)
    unvoted = {"no_votes": -1000.0, "waiting": -days, "breadth": pytest.approx(-turn / (1 + turn))}
    assert rescore(terms, DEFAULT).parts == unvoted
    assert rescore(terms, replace(DEFAULT, waiting=0.0)).parts == unvoted | {"waiting": 0}


@pytest.mark.parametrize(
    ("terms", "points"),
    [
        ({"upvotes": 10.0}, 10),
        ({"upvotes": 10.0, "comments": 1.0}, 10),
        ({"upvotes": 10.0, "comments": 2.0}, 10.25),
        ({"upvotes": 10.0, "comments": 5.0}, 11),
        ({"upvotes": 10.0, "hackernews": 30.0}, 13),
        ({"upvotes": 10.0, "burst": 8.0}, 6),
        ({"upvotes": 0.0, "burst": 8.0}, 0),
    ],
)
def test_the_points_of_a_paper(terms, points):
    scored = rescore(replace(NEUTRAL, **terms), DEFAULT)
    assert scored.points == pytest.approx(points)
    assert scored.parts["near"] == pytest.approx(CHANCE["near"][0] * (log1p(points) + 1.5))


def test_equal_points_share_the_better_place_of_their_own_day():
    today = [listed(number, votes) for number, votes in enumerate((9, 7, 7, 5))]
    yesterday = [listed(10 + number, votes, age=27.0) for number, votes in enumerate((90, 6))]
    places = {
        row.paper.id[-2:]: (row.terms.place, row.terms.listed) for row in rank([*today, *yesterday], DEFAULT, NOW)
    }
    assert places == {"00": (1, 4), "01": (2, 4), "02": (2, 4), "03": (4, 4), "10": (1, 2), "11": (2, 2)}


def test_papers_without_votes_are_on_no_list():
    assert terms_of(listed(1, None), listed(2, None), listed(3, 4)).listed == 0


@pytest.mark.parametrize(
    ("details", "terms"),
    [
        ({"authors": ()}, {"authors": 6}),
        ({"authors": ("Ada Lovelace",)}, {"authors": 1}),
        ({"code_url": "https://code.example/x"}, {"code": 1, "project": 0}),
        ({"project_url": "https://project.example/x"}, {"code": 0, "project": 1}),
        (
            {"organization": "The Lab", "submitter": "ada", "authors": ("Eve", "Grace")},
            {
                "organization_record": 0.4,
                "submitter_record": 0.3,
                "submitter_growth": 0.2,
                "authors_growth": -0.5,
                "submitter_papers": 7,
            },
        ),
        (
            {"organization": "Another Lab", "submitter": "bob", "authors": ("Mallory",)},
            {
                "organization_record": 0,
                "submitter_record": 0,
                "submitter_growth": 0,
                "authors_growth": 0,
                "submitter_papers": 0,
            },
        ),
    ],
)
def test_the_inputs_come_from_the_paper_and_the_records(details, terms):
    records = TrackRecords({"The Lab": 0.4}, {"ada": 0.3}, {"ada": 0.2}, {"Eve": 0.1, "Grace": -0.5}, {"ada": 7})
    scored = terms_of(listed(41, 10, **details), records=records)
    assert {name: getattr(scored, name) for name in terms} == terms


def test_each_different_word_of_title_and_abstract_counts_once_until_three_days_later():
    """The words are looked up in the fitted table, those of a title apart from those of an abstract."""
    table = word_weights()
    expected = pytest.approx(table["title:in"] + table["agent"] + table["open"])
    details = {"title": "“In”, in Xyzzy", "abstract": "AGENT,\n(agent) open: xyzzy"}
    assert [terms_of(listed(41, 10, age, **details)).words for age in (3.0, 71.0)] == [expected, expected]
    assert terms_of(listed(41, 10, age=72.0, **details)).words == 0
    assert terms_of(listed(41, None, **details)).words == 0


def test_ages_count_from_the_listing_and_days_from_the_first_sight():
    row = listed(41, 10, age=12.0)
    seen = replace(row, first_seen_at=NOW - timedelta(hours=48))
    scored = terms_of(seen)
    assert (scored.age_hours, scored.votes_age_hours) == (12, 12)
    assert (scored.known_days, scored.waited_days) == (2, 0.5)
    assert (scored.upvotes_before, scored.gained) == (-1, None)
    assert terms_of(replace(row, first_seen_at=NOW - timedelta(hours=6))).waited_days == 0.25


@pytest.mark.parametrize(("ahead", "waited"), [(timedelta(0), 0), (timedelta(hours=5), 2)])
def test_a_listing_that_is_to_come_does_not_end_the_waiting(ahead, waited):
    seen = Observed(paper(1, listed_at=NOW + ahead), NOW - timedelta(days=2))
    assert terms_of(seen).waited_days == waited


def test_a_first_sight_after_the_cut_counts_as_now():
    scored = terms_of(Observed(paper(1, listed_at=None), NOW + timedelta(hours=5)))
    assert (scored.known_days, scored.waited_days) == (0, 0)


def test_a_pace_and_a_gain_that_were_observed_are_terms():
    votes = tuple(
        Votes("2603.00041", "huggingface", NOW - timedelta(hours=ago), count)
        for ago, count in ((25, 3), (12, 5), (0, 9))
    )
    scored = terms_of(replace(listed(41, 0, age=26.0), votes=votes))
    assert (scored.upvotes_before, scored.gained) == (5, 6)
