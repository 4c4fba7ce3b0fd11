"""The order of an issue, and that every number of it can be checked."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.papers.paper import Observed, Votes
from digest.papers.ranking import Weights, rank, terms
from tests.world import MORNING, paper

WEIGHTS = Weights(gravity=0.3, comment_weight=0.5, prior=1.0)


def observed(number: int, upvotes: int, age_hours: float = 6, comments: int = 0) -> Observed:
    listed = MORNING - timedelta(hours=age_hours)
    seen = Votes(f"2603.{number:05}", "huggingface", MORNING, upvotes, comments)
    return Observed(paper(number, listed_at=listed), listed, (seen,))


def test_more_votes_at_the_same_age_stand_higher():
    assert [one.paper.id for one in rank([observed(1, 3), observed(2, 30)], WEIGHTS, MORNING)] == [
        "2603.00002",
        "2603.00001",
    ]


def test_of_equal_votes_the_younger_paper_stands_higher():
    old, young = observed(1, 20, age_hours=60), observed(2, 20, age_hours=4)
    assert rank([old, young], WEIGHTS, MORNING)[0].paper.id == young.paper.id


@given(
    st.integers(0, 5000), st.integers(0, 500), st.floats(0, 2000), st.floats(0, 3), st.floats(0, 10), st.floats(0, 50)
)
def test_the_stored_terms_add_up_to_the_score(upvotes, comments, age, gravity, comment_weight, prior):
    said = terms(observed(1, upvotes, age, comments), Weights(gravity, comment_weight, prior), MORNING)
    assert said["points"] == prior + said["upvotes"] + comment_weight * said["comments"]
    assert said["decay"] == pytest.approx((said["age_hours"] + 2) ** gravity)
    assert said["score"] == said["points"] / said["decay"]


def test_only_the_latest_observation_of_each_source_counts():
    early = Votes("2603.00001", "huggingface", MORNING - timedelta(hours=5), 90)
    late = Votes("2603.00001", "huggingface", MORNING, 40)
    elsewhere = Votes("2603.00001", "lab", MORNING - timedelta(hours=9), 2)
    several = Observed(paper(1), MORNING, (late, elsewhere, early))
    assert terms(several, WEIGHTS, MORNING)["upvotes"] == 42


def test_a_paper_without_votes_ranks_by_its_prior_alone():
    assert terms(Observed(paper(1), MORNING), WEIGHTS, MORNING)["points"] == WEIGHTS.prior


def test_a_listing_in_the_future_counts_as_now():
    assert terms(observed(1, 5, age_hours=-3), WEIGHTS, MORNING)["age_hours"] == 0


@given(st.permutations(list(range(8))))
def test_the_order_does_not_depend_on_the_order_of_the_pool(order):
    pool = [observed(number, upvotes=number // 3) for number in range(8)]
    expected = rank(pool, WEIGHTS, MORNING)
    assert rank([pool[index] for index in order], WEIGHTS, MORNING) == expected
    assert [one.rank for one in expected] == list(range(1, 9))
