"""What each match is worth, which papers are considered, and the limits of each rule of a list."""

from dataclasses import asdict
from datetime import date, timedelta

import pytest

from digest.issues.reasons import OUTSIDE
from digest.issues.selection.history import profile_from
from digest.issues.selection.selection import Pool, PoolProfile, SelectionWeights
from digest.subscribers.subscriber import Preferences
from tests.issues.selection.test_selection import TEN, ids, issue_of
from tests.support.scenario import MORNING, paper

SPEECH = {
    "title": "Sparse attention for speech",
    "organization": "An Institute",
    "authors": ("Ada Lovelace",),
    "categories": ("cs.SD",),
}


def titled(number, title, **details):
    return paper(number, title=title, authors=(), **details)


def distinct(number, **details):
    return titled(number, f"first{number} second{number} third{number}", **details)


def picks(papers, preferences, affinity=None, weights=None, not_before=None):
    pool = Pool(issue_of(*papers), weights)
    return pool.select(preferences, set(), profile_from(pool, affinity or {}, {}), not_before).picks


def test_a_rank_is_worth_one_over_the_logarithm():
    worth = [pick.terms["trending"] for pick in picks(TEN, Preferences(papers=7))]
    assert worth == [1.0, 0.6309, 0.5, 0.4307, 0.3869, 0.3562, 0.3333]


@pytest.mark.parametrize(
    ("wanted", "terms"),
    [
        ({"authors": ("Ada Lovelace",)}, {"author": 1.2}),
        ({"keywords": ("sparse",)}, {"keyword": 0.8}),
        ({"keywords": ("sparse", "attention")}, {"keyword": 1.0}),
        ({"keywords": ("sparse", "attention", "speech")}, {"keyword": 1.2}),
        ({"keywords": ("sparse", "attention", "speech", "attent")}, {"keyword": 1.2}),
        ({"labs": ("An Institute",)}, {"lab": 0.7}),
        ({"topics": ("speech",)}, {"topic": 0.6}),
        ({"categories": ("cs.SD",)}, {"category": 0.5}),
        ({"categories": ("cs.SD", "cs")}, {"category": 0.625}),
        ({"topics": ("speech",), "categories": ("cs",)}, {"topic": 0.6, "category": 0.5}),
    ],
)
def test_each_kind_of_match_is_worth_its_weight_and_more_of_a_kind_a_quarter_each(wanted, terms):
    (pick,) = picks([paper(1, **SPEECH)], Preferences(**wanted))
    assert pick.terms == {"trending": 1.0, **terms}


def test_the_weights_are_those_that_the_docs_name():
    assert asdict(SelectionWeights()) == {
        "new": 0.1,
        "author": 1.2,
        "keyword": 0.8,
        "lab": 0.7,
        "topic": 0.6,
        "category": 0.5,
        "affinity": 0.8,
        "near_duplicate": 0.5,
        "same_lab": 0.1,
    }


@pytest.mark.parametrize(
    ("affinity", "why"),
    [(-0.9, ""), (0.1, ""), (0.4599, ""), (0.46, "like papers you liked"), (1.0, "like papers you liked")],
)
def test_an_affinity_three_deviations_above_the_background_is_a_reason(affinity, why):
    chosen = picks([TEN[0]], Preferences(), {TEN[0].id: affinity})
    assert chosen[0].why == why
    assert chosen[0].terms.get("affinity", 0) == pytest.approx(0.8 * affinity, abs=1e-4)


def test_where_affinity_is_worth_nothing_it_is_no_reason():
    chosen = picks([TEN[0]], Preferences(), {TEN[0].id: 1.0}, SelectionWeights(affinity=0.0))
    assert (chosen[0].why, chosen[0].terms) == ("", {"trending": 1.0})


def test_feedback_on_papers_outside_the_issue_changes_nothing():
    assert picks(TEN, Preferences(papers=3), {"2603.99999": 1.0}) == picks(TEN, Preferences(papers=3))


# --- which papers diversity may choose among ---


@pytest.mark.parametrize(("alike", "second"), [(6, 1), (5, 5), (4, 4)])
def test_diversity_chooses_among_three_times_the_length_of_the_list(alike, second):
    """All match, so the paper behind six others is not considered for a list of two."""
    papers = [titled(n, "one of many reports") if n < alike else distinct(n) for n in range(60)]
    chosen = picks(papers, Preferences(papers=2, categories=("cs",), surprise=False))
    assert [pick.paper_id for pick in chosen] == [papers[0].id, papers[second].id]


@pytest.mark.parametrize(("alike", "second"), [(6, 1), (5, 5), (4, 4)])
def test_without_a_match_it_is_three_times_the_length_as_well(alike, second):
    papers = [titled(n, "one of many reports") if n < alike else distinct(n) for n in range(60)]
    chosen = picks(papers, Preferences(papers=2, keywords=("nowhere",), surprise=False))
    assert [pick.paper_id for pick in chosen] == [papers[0].id, papers[second].id]


def test_with_affinity_a_paper_far_down_can_come_first():
    papers = [distinct(n) for n in range(40)]
    chosen = picks(papers, Preferences(papers=2), {papers[39].id: 1.0})
    assert [pick.paper_id for pick in chosen] == [papers[0].id, papers[39].id]
    assert chosen[1].terms == {"trending": 0.1867, "affinity": 0.8}


def test_equal_scores_keep_the_order_of_the_issue():
    weights = SelectionWeights(keyword=0.3691)  # the second paper's match makes up for its rank
    papers = [distinct(0), distinct(1, abstract="wanted"), distinct(2)]
    chosen = picks(papers, Preferences(papers=3, keywords=("wanted",), surprise=False), weights=weights)
    assert [(pick.paper_id, pick.score) for pick in chosen[:2]] == [(papers[0].id, 1.0), (papers[1].id, 1.0)]


# --- the paper from outside ---


@pytest.mark.parametrize(("papers", "outsiders"), [(1, 0), (2, 1), (3, 1), (8, 1)])
def test_a_list_of_two_or_more_has_a_paper_from_outside_at_its_end(papers, outsiders):
    pool = [distinct(n, categories=("cs.SD" if n < 8 else "math.CO",)) for n in range(10)]
    chosen = picks(pool, Preferences(papers=papers, categories=("cs",)))
    assert [pick.why for pick in chosen].count(OUTSIDE) == outsiders
    assert (chosen[-1].paper_id == pool[8].id) is bool(outsiders)
    assert len(chosen) == papers


def test_an_outsider_that_is_in_the_list_by_its_rank_is_only_labelled():
    pool = [distinct(n, categories=("math.CO" if n == 0 else "cs.SD",)) for n in range(6)]
    chosen = picks(pool, Preferences(papers=6, categories=("cs",)))
    assert len(chosen) == 6
    assert [pick.why for pick in chosen if pick.paper_id == pool[0].id] == [OUTSIDE]


@pytest.mark.parametrize(("affinity", "outsider"), [(0.4, 4), (0.5, 5)])
def test_a_paper_that_resembles_a_liked_one_is_not_from_outside(affinity, outsider):
    pool = [distinct(n, categories=("cs.SD" if n < 4 else "math.CO",)) for n in range(8)]
    chosen = picks(pool, Preferences(papers=3, categories=("cs",)), {pool[4].id: affinity})
    assert [pick.paper_id for pick in chosen if pick.why == OUTSIDE] == [pool[outsider].id]


def test_an_issue_that_matches_as_a_whole_has_no_outsider():
    chosen = picks(TEN, Preferences(papers=3, categories=("cs",)))
    assert OUTSIDE not in [pick.why for pick in chosen]


def test_a_paper_that_was_received_or_rated_is_no_outsider_and_no_match():
    pool = [distinct(n, categories=("cs.SD" if n < 5 else "math.CO",)) for n in range(9)]
    wants = Preferences(papers=3, categories=("cs",))
    chosen = Pool(issue_of(*pool)).select(wants, {pool[5].id, pool[0].id}, PoolProfile(rated={pool[6].id, pool[1].id}))
    assert ids(chosen) == [pool[2].id, pool[3].id, pool[7].id]
    assert chosen.left_out == 2


@pytest.mark.parametrize(
    ("labs", "order"),
    [((), [0, 1, 3, 4, 5]), (("Another Lab",), [0, 1, 3, 4, 5]), (("An Institute",), [0, 1, 2, 3, 4])],
)
def test_only_papers_of_a_followed_lab_may_repeat(labs, order):
    """The third rank is worth 0.5 and the sixth 0.3562: a step of 0.2 moves the third paper of the lab out."""
    pool = [distinct(n, organization="An Institute" if n < 3 else "") for n in range(8)]
    wants = Preferences(papers=5, categories=("cs",), labs=labs, surprise=False)
    chosen = picks(pool, wants, weights=SelectionWeights(same_lab=0.2))
    assert [pool.index(row) for pick in chosen for row in pool if row.id == pick.paper_id] == order


def test_a_matched_keyword_lets_no_lab_repeat():
    pool = [distinct(n, organization="An Institute" if n < 3 else "") for n in range(8)]
    wants = Preferences(papers=8, categories=("cs",), keywords=("third2",), labs=("Another Lab",), surprise=False)
    assert sorted(pick.terms.get("same_lab", 0) for pick in picks(pool, wants)) == [-0.1, *[0] * 7]


# --- the oldest listing that counts ---

FIRST_DAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("dates", "counts"),
    [
        ({"listed_at": MORNING - timedelta(days=2)}, True),  # on the day itself
        ({"listed_at": MORNING - timedelta(days=3)}, False),
        ({"listed_at": None, "published_at": MORNING - timedelta(days=3)}, False),
        ({"listed_at": MORNING, "published_at": MORNING - timedelta(days=3)}, True),
        ({"listed_at": None}, True),
    ],
)
def test_papers_listed_before_the_first_day_do_not_count(dates, counts):
    chosen = picks([paper(1), paper(2, **dates)], Preferences(), not_before=FIRST_DAY)
    assert (len(chosen) == 2) is counts
    assert len(picks([paper(1), paper(2, **dates)], Preferences())) == 2
