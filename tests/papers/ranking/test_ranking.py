"""The order of an issue, and that every number of it can be checked and computed again."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.papers.paper import Observed, Votes
from digest.papers.ranking import RankingWeights, TrackRecords, rank, rescore
from digest.papers.score_terms import ScoreTerms
from tests.support.scenario import MORNING, paper

WEIGHTS = RankingWeights()


def observed(number: int, upvotes: int | None, age_hours: float = 6, comments: int = 0, **said: object) -> Observed:
    listed = MORNING - timedelta(hours=age_hours, minutes=1)
    seen = () if upvotes is None else (Votes(f"2603.{number:05}", "huggingface", MORNING, upvotes, comments),)
    return Observed(paper(number, listed_at=listed, **said), listed, seen)


def order(*pool: Observed, weights: RankingWeights = WEIGHTS, records: TrackRecords | None = None) -> list[int]:
    return [int(one.paper.id[-5:]) for one in rank(pool, weights, MORNING, records)]


def terms_of(*pool: Observed, weights: RankingWeights = WEIGHTS) -> ScoreTerms:
    """The terms of the first paper of the pool."""
    return next(one.terms for one in rank(pool, weights, MORNING) if one.paper.id == pool[0].paper.id)


A_DAY = tuple(observed(number, upvotes=100 - 3 * number) for number in range(30))

weights = st.builds(
    RankingWeights,
    waiting=st.floats(0, 10),
    comment_votes=st.floats(0, 100),
    bursts=st.floats(0, 1),
    pace=st.floats(0, 10),
    community=st.floats(0, 10),
    records=st.floats(0, 10),
    words=st.floats(0, 10),
)
pools = st.lists(
    st.builds(
        lambda upvotes, age, comments, code: observed(1, upvotes, age, comments, code_url=code),
        st.none() | st.integers(0, 10**9),
        st.floats(0, 5000),
        st.integers(0, 500),
        st.sampled_from(["", "https://code.example/x"]),
    ),
    max_size=12,
).map(lambda found: [replace(one, paper=replace(one.paper, id=f"p{number}")) for number, one in enumerate(found)])


@given(st.integers(0, 300), st.integers(1, 300), st.floats(0, 160))
def test_more_votes_at_the_same_age_stand_higher(fewer, more, age):
    pair = (observed(41, fewer, age), observed(42, fewer + more, age))
    placed = [number for number in order(*pair, *A_DAY) if number > 40]
    assert placed == [42, 41]


def test_of_equal_votes_the_younger_paper_stands_higher():
    placed = order(observed(41, 30, age_hours=60), observed(42, 30, age_hours=4), *A_DAY)
    assert placed.index(42) < placed.index(41)


@given(pools, weights)
def test_the_stored_terms_add_up_to_the_score(pool, weights):
    for one in rank(pool, weights, MORNING):
        assert one.score == one.terms.score == sum(one.terms.parts.values())


@given(pools, weights)
def test_from_what_was_stored_the_very_same_score_is_computed_again(pool, weights):
    for one in rank(pool, weights, MORNING):
        stored = ScoreTerms.from_dict(json.loads(json.dumps(one.terms.as_dict())))
        assert rescore(stored, weights) == stored == one.terms


@given(pools, weights, weights)
def test_other_weights_give_what_they_would_have_given(pool, weights, others):
    """Where the weights change neither what counts as a vote nor, so, the places and the level."""
    others = replace(others, bursts=weights.bursts, comment_votes=weights.comment_votes)
    then = {one.paper.id: one.terms for one in rank(pool, weights, MORNING)}
    for one in rank(pool, others, MORNING):
        assert rescore(then[one.paper.id], others) == one.terms


def test_terms_of_another_formula_are_refused_in_words():
    with pytest.raises(ValueError, match="another formula"):
        rescore(ScoreTerms.from_dict({"upvotes": 3.0, "points": 4.0, "decay": 2.0, "score": 2.0}), WEIGHTS)


def test_papers_without_votes_rank_below_voted_ones_newest_first():
    silent = [observed(41, None, age_hours=5), observed(42, None, age_hours=50), observed(43, None, age_hours=1)]
    assert order(*silent, *A_DAY, observed(44, 0, age_hours=150))[-3:] == [43, 41, 42]


def test_without_votes_the_subjects_of_a_day_take_turns_and_the_newest_of_a_subject_come_first():
    """Robots have nine papers today, vision four, speech one; yesterday's paper comes after all of them."""
    subjects = ["cs.RO"] * 9 + ["cs.CV"] * 4 + ["cs.SD"]
    today = [observed(number, None, age_hours=number / 2, categories=(name,)) for number, name in enumerate(subjects)]
    yesterday = observed(50, None, age_hours=26, categories=("cs.SD",))
    assert order(yesterday, *today) == [0, 9, 1, 13, 10, 2, 3, 11, 4, 12, 5, 6, 7, 8, 50]


@given(st.lists(st.tuples(st.floats(0, 200), st.sampled_from(["cs.RO", "cs.CV", ""])), max_size=40))
def test_without_votes_no_older_day_comes_before_a_newer_one(papers):
    pool = [
        observed(number, None, age, categories=(subject,) if subject else ())
        for number, (age, subject) in enumerate(papers)
    ]
    days = [int(row.terms.known_days) for row in rank(pool, WEIGHTS, MORNING)]
    assert days == sorted(days)


def test_an_empty_pool_is_an_empty_list():
    assert rank([], WEIGHTS, MORNING) == ()


def test_a_paper_that_waited_long_only_fills_places_that_no_fresher_one_takes():
    late = observed(41, 500, age_hours=24 * 4)
    assert order(late, *A_DAY)[-1] == 41
    assert order(late, *A_DAY, weights=replace(WEIGHTS, waiting=0.005))[0] == 41


def test_a_burst_is_counted_in_part_and_says_so():
    def seen(*counts: int) -> Observed:
        one = observed(41, None, age_hours=6)
        last = len(counts) - 1
        votes = [
            Votes(one.paper.id, "huggingface", MORNING - timedelta(minutes=30 * (last - number)), count)
            for number, count in enumerate(counts)
        ]
        return replace(one, votes=tuple(votes))

    sudden, steady = terms_of(seen(2, 2, 2, 2, 300)), terms_of(seen(100, 150, 200, 250, 300))
    assert sudden.burst == pytest.approx(298 - 50 - 7.5)
    assert sudden.points == 300 - sudden.burst / 2
    assert (steady.burst, steady.points) == (0, 300)
    assert order(seen(2, 2, 2, 2, 300), observed(42, 250)) == [42, 41]
    assert terms_of(seen(2, 2, 2, 2, 300), weights=replace(WEIGHTS, bursts=0)).points == 300


def test_comments_count_as_parts_of_votes_but_for_the_submitters_own():
    assert [terms_of(observed(41, 10, comments=count)).points for count in (0, 1, 5)] == [10, 10, 11]


def test_who_did_well_before_starts_higher():
    records = TrackRecords({"The Lab": 0.4}, {"ada": 0.3})
    placed = order(observed(41, 10), observed(42, 10, organization="The Lab", submitter="ada"), *A_DAY, records=records)
    assert placed.index(42) < placed.index(41)


def test_a_long_list_makes_each_of_its_papers_less_likely():
    def crowded(papers: int) -> float:
        return terms_of(observed(41, 10), *(observed(number, 0) for number in range(papers))).parts["list"]

    assert crowded(80) < 0 < crowded(10)


@given(st.permutations(list(range(8))))
def test_the_order_does_not_depend_on_the_order_of_the_pool(order):
    pool = [observed(number, upvotes=number // 3) for number in range(8)]
    expected = rank(pool, WEIGHTS, MORNING)
    assert rank([pool[index] for index in order], WEIGHTS, MORNING) == expected
    assert [one.rank for one in expected] == list(range(1, 9))
