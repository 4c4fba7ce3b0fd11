"""Near duplicates and papers of one lab: when two are alike, what each costs, and what costs nothing."""

import pytest

from digest.issues.selection.diversity import NO_PENALTIES, Diversity, Penalties, Stage
from digest.issues.selection.interests import set_of
from tests.support.scenario import paper

TWIN, STEP = 5000, 1000


def diversity_of(titles=(), labs=(), pool=0):
    """Papers with these titles or labs, and others up to the size of the pool."""
    given = [paper(n, title=title) for n, title in enumerate(titles)]
    given += [paper(n, title=f"first{n} second{n} third{n}", organization=lab) for n, lab in enumerate(labs)]
    others = [paper(n, title=f"fourth{n} fifth{n} sixth{n}") for n in range(len(given), pool)]
    return Diversity([*given, *others], TWIN, STEP)


def choose(diversity, scored, count, may_repeat=0):
    """A list of one stage, in order."""
    chosen = diversity.choose([Stage(scored, count)], may_repeat)
    return diversity.in_order([pair for pair in scored if pair[1] in chosen], may_repeat)


def ranked(count, gap=10):
    return [(100_000 - gap * index, index) for index in range(count)]


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("sparse graph speech robot", "sparse graph speech video", True),  # 3 of 5 words, just enough
        ("sparse graph speech robot", "sparse graph speech video protein", False),  # 3 of 6
        ("sparse graph speech", "Sparse: Graph, Speech", True),
        ("sparse graph", "sparse graph", False),  # two words say too little
        ("sparse graph speech robot", "protein video music voice", False),
    ],
)
def test_titles_are_alike_when_three_of_five_words_are_the_same(first, second, alike):
    chosen = choose(diversity_of([first, second]), ranked(2), 2)
    assert chosen == [(0, NO_PENALTIES), (1, Penalties(TWIN if alike else 0, 0))]


@pytest.mark.parametrize(
    ("titles", "pool", "alike"),
    [(4, 0, True), (5, 0, False), (5, 49, False), (5, 50, True), (6, 59, False), (6, 60, True)],
)
def test_words_of_more_than_four_titles_or_a_tenth_of_a_large_pool_make_no_two_alike(titles, pool, alike):
    diversity = diversity_of(["large language models"] * titles, pool=pool)
    chosen = choose(diversity, ranked(titles), 2)
    assert chosen[1][1].near_duplicate == (TWIN if alike else 0)


def test_a_third_version_costs_no_more_than_a_second():
    chosen = choose(diversity_of(["a report of speech"] * 3, pool=6), ranked(6), 6)
    assert [index for index, _penalties in chosen] == [0, 3, 4, 5, 1, 2]
    assert [penalties.near_duplicate for _index, penalties in chosen] == [0, 0, 0, 0, TWIN, TWIN]


def test_each_paper_of_a_lab_beyond_two_costs_a_step_more_up_to_three():
    diversity = diversity_of(labs=["An Institute"] * 7, pool=14)
    chosen = choose(diversity, ranked(7), 7)
    assert [penalties for _index, penalties in chosen] == [
        Penalties(0, cost) for cost in (0, 0, STEP, 2 * STEP, 3 * STEP, 3 * STEP, 3 * STEP)
    ]


@pytest.mark.parametrize(("size", "pool", "cost"), [(3, 6, STEP), (3, 7, STEP), (3, 5, 0), (4, 8, STEP), (4, 7, 0)])
def test_a_lab_of_more_than_half_the_pool_costs_nothing(size, pool, cost):
    chosen = choose(diversity_of(labs=["An Institute"] * size, pool=pool), ranked(size), size)
    assert chosen[2][1].same_lab == cost


def test_names_of_labs_are_compared_without_capitals_and_papers_without_a_lab_cost_nothing():
    diversity = diversity_of(labs=["An Institute", "an institute ", "AN INSTITUTE"], pool=9)
    assert choose(diversity, ranked(3), 3)[2] == (2, Penalties(0, STEP))
    assert choose(diversity_of(labs=[""] * 4 + ["An Institute"] * 3, pool=9), ranked(4), 4)[3] == (
        3,
        NO_PENALTIES,
    )


def test_papers_of_followed_labs_may_repeat():
    diversity = diversity_of(labs=["An Institute"] * 4, pool=9)
    chosen = choose(diversity, ranked(4), 4, set_of([2]))
    assert [(index, penalties.same_lab) for index, penalties in chosen] == [(0, 0), (1, 0), (2, 0), (3, 2 * STEP)]


def test_a_paper_that_is_lowered_gives_way_to_the_next():
    diversity = diversity_of(labs=["An Institute"] * 3, pool=9)
    chosen = choose(diversity, ranked(5), 3)
    assert [index for index, _penalties in chosen] == [0, 1, 3]


def test_ties_keep_the_order_with_and_without_penalties():
    tied = [(500, index) for index in (3, 1, 2, 0)]
    assert [index for index, _penalties in choose(diversity_of(pool=6), tied, 4)] == [3, 1, 2, 0]
    twins = diversity_of(["a report of speech"] * 2, pool=6)
    assert [index for index, _penalties in choose(twins, tied, 4)] == [3, 1, 2, 0]
    tied = [(500, index) for index in (1, 0, 3, 2)]
    assert [index for index, _penalties in choose(twins, tied, 3)] == [1, 3, 2]


def test_a_list_ends_with_the_papers_that_there_are():
    diversity = diversity_of(["a report of speech"] * 2, pool=4)
    assert len(choose(diversity, ranked(2), 9)) == 2
    assert choose(diversity, [], 3) == []
    assert choose(diversity, ranked(2), 1) == [(0, NO_PENALTIES)]
