"""A list has the day's best and the subscriber's own papers, as many of each as they want, and no filler."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.issues.issue import Issue, IssueSettings
from digest.issues.reasons import OUTSIDE
from digest.issues.selection.history import profile_from
from digest.issues.selection.selection import RULES, Pool, Selection
from digest.ledger.kinds import IssueKind, IssueStatus, SkipReason
from digest.papers.paper import RankedPaper
from digest.papers.score_terms import ScoreTerms
from digest.subscribers.subscriber import EVERY_DAY, WORKDAYS, Balance, Preferences
from tests.support.scenario import DAY, MORNING, paper

FLOOR = -3.5
KEPT = 40  # papers of an issue; the others are found for subscribers whom they match


def titled(number, **details):
    title = f"first{number} second{number} third{number}"
    return paper(
        number, title=title, abstract="", authors=(f"Author {number}",), categories=(f"cs.{number}",), **details
    )


MANY = [titled(number) for number in range(120)]


def pool_of(papers=MANY, worth=100, votes=True, known_days=0.5, **settings):
    """An issue of which the first `worth` papers have a chance to be among their week's best."""
    ranked = [
        RankedPaper(
            rank,
            one,
            0.0 if rank <= worth else FLOOR - 1,
            ScoreTerms(voted=float(votes), upvotes=float(votes), known_days=known_days),
        )
        for rank, one in enumerate(papers, 1)
    ]
    frozen = IssueSettings(**{"rules": RULES, "floor": FLOOR, "pool_days": 5} | settings)
    kind = settings.pop("kind", IssueKind.DAILY)
    best, others = tuple(ranked[:KEPT]), tuple(ranked[KEPT:])
    return Pool(Issue(1, kind, DAY, MORNING, IssueStatus.RUNNING, "test", {}, frozen, 0, "", best, None, others))


def of_kind(pool, kind):
    issue = replace(pool.issue, kind=kind)
    return Pool(issue)


def numbers(selection):
    assert isinstance(selection, Selection), selection
    return [int(pick.paper_id[5:]) for pick in selection.picks]


def choose(pool, likes=(), received=(), since=None, **preferences):
    """The numbers of the papers chosen for a subscriber who likes some papers, the first best."""
    affinity = {f"2603.{number:05}": 0.95 - 0.01 * order for order, number in enumerate(likes)}
    received = {f"2603.{number:05}" for number in received}
    profile = replace(profile_from(pool, affinity, {}), liked=len(affinity))
    selection = pool.select(Preferences(**preferences), received, profile, since=since)
    return selection if isinstance(selection, SkipReason) else numbers(selection)


LIKED = range(100, 120)  # beyond the papers that an issue keeps


# --- how many of each ---


@pytest.mark.parametrize(
    ("balance", "own", "best"),
    [(Balance.BEST, [], range(10)), (Balance.BOTH, LIKED[:6], range(4)), (Balance.MINE, LIKED[:9], range(1))],
)
def test_the_balance_decides_how_many_papers_are_theirs(balance, own, best):
    assert sorted(choose(pool_of(), LIKED, balance=balance)) == [*best, *own]


@pytest.mark.parametrize("papers", range(4, 26))
@pytest.mark.parametrize("first", [0, 3])
def test_with_both_half_of_a_list_is_theirs_and_the_two_best_of_the_day_stay(papers, first):
    chosen = choose(pool_of(), LIKED, range(first), papers=papers, surprise=False)
    assert len(chosen) == papers
    assert {first, first + 1} <= set(chosen)
    assert len(set(chosen) & set(LIKED)) >= min(papers / 2, len(LIKED))


def test_a_match_among_the_two_best_takes_no_place_of_another_match():
    assert sorted(choose(pool_of(), [*LIKED, 0])) == [0, 1, 2, 3, *LIKED[:6]]


def test_the_best_matches_come_first_and_equal_ones_in_the_order_of_the_issue():
    pool = pool_of([*MANY[:99], *(replace(one, categories=("math.CO",)) for one in MANY[99:])])
    wants = {"categories": ("math.CO",), "papers": 5, "surprise": False}
    assert choose(pool, [110], **wants) == [110, 0, 99, 100, 1]


def test_where_few_papers_match_the_best_of_the_day_fill_the_list():
    assert sorted(choose(pool_of(), LIKED[:2])) == [*range(8), *LIKED[:2]]


def test_who_follows_nothing_and_liked_nothing_gets_the_best_of_the_day():
    for balance in {*Balance} - {Balance.ONLY}:
        assert choose(pool_of(), balance=balance, received=[1]) == [0, *range(2, 11)]


def test_the_best_of_the_day_are_in_the_order_of_the_issue_whatever_matches():
    wants = Preferences(balance=Balance.BEST, categories=("cs.5",))
    picks = pool_of().select(wants, set()).picks
    assert [int(pick.paper_id[5:]) for pick in picks] == [*range(10)]
    assert picks[5].why == "you follow cs.5"
    assert all(len(pick.points) == 1 for pick in picks)


# --- what must not be missed ---


@pytest.mark.parametrize("balance", Balance)
@pytest.mark.parametrize("votes", [True, False])
def test_papers_of_followed_authors_and_labs_are_never_missed(balance, votes):
    papers = [*MANY[:110], *(replace(one, organization="An Institute") for one in MANY[110:112]), *MANY[112:]]
    wants = {"authors": ("Author 118", "Author 119"), "labs": ("An Institute",), "balance": balance}
    chosen = choose(pool_of(papers, votes=votes), LIKED[:9], **wants)
    assert {110, 111, 118, 119} <= set(chosen)
    assert len(chosen) == 10


def test_as_many_of_them_as_fit_come_before_all_others():
    wants = {"authors": tuple(f"Author {number}" for number in LIKED[:12])}
    assert sorted(choose(pool_of(), LIKED, **wants)) == [*LIKED[:10]]


# --- where nobody votes ---


@pytest.mark.parametrize("balance", [Balance.BOTH, Balance.MINE])
def test_where_nobody_votes_interests_decide_first(balance):
    assert choose(pool_of(votes=False), LIKED, balance=balance) == [*LIKED[:9], 0]


def test_where_nobody_votes_nothing_is_called_trending():
    picks = pool_of(votes=False).select(Preferences(papers=2), set()).picks
    assert [pick.terms for pick in picks] == [{"new": 0.1}, {"new": 0.0631}]


def test_where_nobody_votes_everyone_gets_what_is_new_since_the_last_issue():
    old = pool_of(votes=False, known_days=1.1)
    assert choose(old) is SkipReason.TOO_FEW
    assert choose(old, since=DAY - timedelta(days=1)) == [*range(10)]
    assert choose(of_kind(old, IssueKind.WEEKLY)) == [*range(10)]
    assert sorted(choose(old, LIKED[:3])) == [*LIKED[:3]]


def test_beside_papers_with_votes_those_without_are_only_sent_to_whom_they_match():
    pool = pool_of(worth=5)
    assert choose(pool) == [*range(5)]
    assert sorted(choose(pool, LIKED[:3])) == [*range(5), *LIKED[:3]]


# --- only papers worth it ---


@pytest.mark.parametrize(
    ("worth", "papers", "outcome"),
    [(3, 10, [0, 1, 2]), (2, 10, SkipReason.TOO_FEW), (2, 2, [0, 1]), (1, 1, [0]), (0, 1, SkipReason.TOO_FEW)],
)
def test_fewer_than_three_papers_worth_it_are_no_email(worth, papers, outcome):
    assert choose(pool_of(worth=worth), papers=papers) == outcome


def test_their_own_papers_are_worth_it_whatever_their_score():
    assert sorted(choose(pool_of(worth=1), LIKED[:2])) == [0, *LIKED[:2]]
    assert sorted(choose(pool_of(worth=1), LIKED, balance=Balance.MINE)) == [0, *LIKED[:9]]
    assert choose(pool_of(worth=0), LIKED[:2]) is SkipReason.TOO_FEW


def test_on_a_thin_day_a_mix_has_no_more_of_their_own_than_on_others():
    assert sorted(choose(pool_of(worth=1), LIKED)) == [0, *LIKED[:6]]
    assert choose(pool_of(worth=0), LIKED, papers=4) == [*LIKED[:3]]
    assert choose(pool_of(worth=2), LIKED, balance=Balance.BEST) is SkipReason.TOO_FEW


def test_a_paper_from_outside_is_worth_it_too():
    wants = {"categories": ("cs.2", "cs.3", "cs.4"), "papers": 4}
    assert choose(pool_of(worth=0), **wants) == [2, 3, 4]
    pool = pool_of(worth=6)
    assert OUTSIDE in [pick.why for pick in pool.select(Preferences(**wants), set()).picks]


@pytest.mark.parametrize(("of_issue", "wants"), [({"floor": None}, {}), ({}, {"full_lists": True})])
def test_who_wants_full_lists_gets_them(of_issue, wants):
    assert choose(pool_of(worth=1, **of_issue), **wants) == [*range(10)]
    assert len(choose(pool_of(worth=1, votes=False, known_days=3.0, **of_issue), LIKED[:3], **wants)) == 10


@pytest.mark.parametrize("kind", [IssueKind.WEEKLY, IssueKind.CATCH_UP])
def test_only_daily_emails_are_withheld(kind):
    assert choose(of_kind(pool_of(worth=1), kind)) == [0]
    assert choose(of_kind(pool_of(worth=0), kind)) is SkipReason.NOTHING_NEW


def test_who_has_received_everything_is_told_so():
    assert choose(pool_of(worth=3), received=range(120)) is SkipReason.NOTHING_NEW


@pytest.mark.parametrize(
    ("weekdays", "known_days", "withheld"),
    [(EVERY_DAY, 3.9, True), (EVERY_DAY, 4.1, False), (WORKDAYS, 1.9, True), (WORKDAYS, 2.1, False)],
)
def test_a_followed_authors_paper_does_not_wait_for_an_issue_that_has_it_no_more(weekdays, known_days, withheld):
    wants = {"authors": ("Author 118",), "weekdays": weekdays}
    chosen = choose(pool_of(worth=0, known_days=known_days), **wants)
    assert chosen == (SkipReason.TOO_FEW if withheld else [118])


# --- all together ---


@cache
def pool_with(worth, votes):
    return pool_of(worth=worth, votes=votes, known_days=0.5 if worth else 2.0)


@given(
    st.sampled_from(Balance),
    st.integers(1, 12),
    st.lists(st.integers(0, 119), unique=True, max_size=30),
    st.sets(st.integers(0, 119), max_size=60),
    st.sampled_from([(), ("Author 7", "Author 60"), ("Author 119",)]),
    st.integers(0, 12),
    st.booleans(),
    st.booleans(),
)
def test_every_paper_of_a_list_is_theirs_or_worth_it(balance, papers, likes, got, authors, worth, votes, surprise):
    pool = pool_with(worth, votes)
    wants = {"balance": balance, "papers": papers, "authors": authors, "surprise": surprise}
    chosen = choose(pool, likes, got, **wants)
    everyones = {*range(worth)} if votes else {*range(120 if worth else 0)}
    own = {*likes} | {int(name.split()[1]) for name in authors}
    followed = {int(name.split()[1]) for name in authors} - got
    counts = everyones | (followed if balance is Balance.BEST else own)
    available = len(counts - got)
    if balance is Balance.ONLY:
        assert (chosen is SkipReason.NOTHING_FOLLOWED) if own <= got else (set(chosen) <= own - got)
        assert own <= got or len(chosen) == min(papers, len(own - got))
        return
    if isinstance(chosen, SkipReason):
        assert available < min(3, papers)
        return
    assert set(chosen) <= (everyones | own) - got
    assert len(chosen) <= min(papers, available)
    assert len(chosen) >= min(papers, len((everyones | followed) - got))
    if balance is Balance.MINE or not votes:
        assert len(chosen) == min(papers, available)
    assert len(followed & set(chosen)) == min(papers, len(followed))
