"""A subscriber's list: what they asked for first, never a paper twice, always a reason."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.issues.issue import Issue, IssueSettings
from digest.issues.reasons import OUTSIDE, place_of, reason_of
from digest.issues.selection.history import profile_from
from digest.issues.selection.selection import NO_PROFILE, RULES, Pool, PoolProfile, Selection, SelectionWeights
from digest.language import Languages
from digest.ledger.kinds import IssueStatus, SkipReason
from digest.papers.paper import RankedPaper
from digest.papers.score_terms import ScoreTerms
from digest.resources import resource
from digest.subscribers.subscriber import Balance, Preferences
from tests.support.scenario import DAY, MORNING, paper


def issue_of(*papers):
    ranked = [
        RankedPaper(rank, paper, 100.0 - rank, ScoreTerms(upvotes=100.0 - rank)) for rank, paper in enumerate(papers, 1)
    ]
    settings = IssueSettings(rules=RULES)
    return Issue(1, "daily", DAY, MORNING, IssueStatus.RUNNING, "test", {}, settings, 0, "", tuple(ranked))


TEN = [paper(number) for number in range(10)]


@pytest.mark.parametrize(
    ("rules", "comes"), [(RULES, {3: False, 20: True}), ("the day's and their own, 1", {3: True, 20: True})]
)
def test_with_few_liked_papers_only_a_closer_one_is_clearly_like_them(rules, comes):
    issue = issue_of(*TEN)
    pool = Pool(replace(issue, settings=IssueSettings(rules=rules)))
    affinity = [round(0.62 * pool.points["affinity"]), *[0] * 9]
    wants = Preferences(balance=Balance.ONLY)
    chosen = {liked: pool.select(wants, set(), PoolProfile(affinity, 1, liked)) for liked in comes}
    assert {liked: isinstance(each, Selection) for liked, each in chosen.items()} == comes


def select(issue, preferences, received, profile=NO_PROFILE):
    return Pool(issue).select(preferences, received, profile)


def liking(issue, affinity, neighbours=None, rated=frozenset()):
    """A profile with these affinities (-1 to 1) and titles of liked papers, by paper id."""
    return replace(profile_from(Pool(issue), affinity, neighbours or {}), rated=rated)


def ids(selection):
    assert isinstance(selection, Selection)
    return [pick.paper_id for pick in selection.picks]


def test_who_asked_for_nothing_gets_the_best_of_the_issue_in_its_order():
    assert ids(select(issue_of(*TEN), Preferences(papers=3), set())) == [one.id for one in TEN[:3]]


def test_a_keyword_brings_a_paper_to_the_front_and_says_so():
    wanted = replace(TEN[7], title="Diffusion on molecules")
    selection = select(issue_of(*TEN[:7], wanted), Preferences(papers=2, keywords=("Molecule",)), set())
    assert ids(selection) == [wanted.id, TEN[0].id]
    assert selection.picks[0].why == "matches your keyword “Molecule”"
    assert selection.picks[0].terms == {"trending": 0.3155, "keyword": 0.8}
    assert selection.picks[0].score == 1.1155


def test_reasons_are_in_the_language_of_the_subscriber_or_else_of_the_issue():
    issue = issue_of(replace(TEN[7], title="Diffusion on molecules"))
    wants = Preferences(papers=1, keywords=("Molecule",))

    def why(of_issue, of_subscriber):
        settings = replace(issue.settings, language=of_issue)
        pool = Pool(replace(issue, settings=settings), languages=Languages(resource("locale")))
        return pool.select(replace(wants, language=of_subscriber), set()).picks[0].why

    english, chinese = why("en", ""), why("zh-CN", "")
    assert english == "matches your keyword “Molecule”" != chinese
    assert (why("en", "zh-CN"), why("zh-CN", "en")) == (chinese, english)


def test_a_topic_brings_its_papers_before_all_but_the_first_of_the_issue():
    speech = [replace(TEN[n], categories=("cs.SD",)) for n in (5, 3)]
    wants = Preferences(papers=4, topics=("speech",), surprise=False)
    selection = select(issue_of(*TEN[:3], *speech), wants, set())
    assert ids(selection) == [speech[0].id, TEN[0].id, speech[1].id, TEN[1].id]
    assert [pick.why for pick in selection.picks] == ["you follow speech and audio", ""] * 2


@pytest.mark.parametrize(
    ("asked", "said", "matches"),
    [
        ({"categories": ("cs.CL",)}, {"categories": ("cs.LG", "cs.CL")}, True),
        ({"categories": ("cs",)}, {"categories": ("cs.CL",)}, True),
        ({"categories": ("cs",)}, {"categories": ("csx.CL", "math.CO")}, False),
        ({"categories": ("math",)}, {"categories": ("math-ph",)}, False),
        ({"categories": ("hep-th",)}, {"categories": ("hep-th",)}, True),
        ({"authors": ("jose garcia",)}, {"authors": ("José García",)}, True),
        ({"authors": ("Garcia",)}, {"authors": ("José García",)}, False),
        ({"labs": ("google",)}, {"organization": "Google DeepMind"}, True),
        ({"labs": ("deep",)}, {"organization": "Google DeepMind"}, False),
        ({"keywords": ("rag",)}, {"title": "Fragments of storage"}, False),
        ({"keywords": ("rag",)}, {"abstract": "We study RAGs."}, True),
        ({"keywords": ("distil",)}, {"summary": "Distillation works."}, True),
        ({"keywords": ("tool-use",)}, {"title": "Agents and tool\nuse"}, True),
        ({"keywords": ("C++",)}, {"title": "Compiling C++ faster"}, True),
        ({"topics": ("no such topic",)}, {}, False),
    ],
)
def test_what_a_reader_asks_for_is_found_where_a_person_would_find_it(asked, said, matches):
    selection = select(issue_of(replace(TEN[0], **said)), Preferences(**asked), set())
    assert bool(selection.picks[0].why) is matches
    assert (len(selection.picks[0].terms) == 2) is matches


def test_more_matches_are_worth_more_and_the_reason_names_the_two_that_say_most():
    wanted = replace(
        TEN[3], title="Sparse attention for speech", organization="An Institute", authors=("Ada Lovelace",)
    )
    wants = Preferences(keywords=("sparse", "attention"), labs=("An Institute",), authors=("Ada Lovelace",))
    (pick,) = select(issue_of(wanted), wants, set()).picks
    assert pick.terms == {"trending": 1.0, "author": 1.2, "keyword": 1.0, "lab": 0.7}
    assert pick.why == "you follow Ada Lovelace · matches your keyword “sparse”"


@pytest.mark.parametrize("muted", [{"muted_words": ("gossip",)}, {"muted_topics": ("speech",)}])
def test_what_is_muted_never_comes_neither_asked_for_nor_as_the_surprise(muted):
    loud = [replace(TEN[n], title="Gossip about sparse speech", categories=("cs.SD",)) for n in (0, 1)]
    pool = Pool(issue_of(*loud, replace(TEN[2], title="Sparse"), *TEN[3:]))
    for wants in (Preferences(**muted), Preferences(keywords=("sparse",), **muted)):
        assert not {one.id for one in loud} & set(ids(pool.select(wants, set())))
    assert Pool(issue_of(*loud)).select(Preferences(**muted), set()) is SkipReason.NOTHING_NEW


def test_one_paper_from_outside_is_labelled_and_has_a_place_kept_for_it():
    speech = [replace(one, categories=("cs.SD",)) for one in TEN[:8]]
    issue = issue_of(*speech, *TEN[8:])
    chosen = select(issue, Preferences(papers=5, topics=("speech",)), set())
    assert ids(chosen) == [*(one.id for one in speech[:4]), TEN[8].id]
    assert [pick.why for pick in chosen.picks].count(OUTSIDE) == 1
    assert chosen.picks[4].why == OUTSIDE
    without = select(issue, Preferences(papers=5, topics=("speech",), surprise=False), set())
    assert ids(without) == [one.id for one in speech[:5]]


@pytest.mark.parametrize("papers", [2, 3, 5])
def test_the_paper_from_outside_is_not_the_first_even_if_it_is_the_best_of_the_day(papers):
    own = [replace(one, categories=("cs.SD",)) for one in TEN[5:]]
    chosen = select(issue_of(*TEN[:5], *own), Preferences(papers=papers, topics=("speech",)), set())
    assert chosen.picks[1].why == OUTSIDE
    assert ids(chosen)[:2] == [own[0].id, TEN[0].id]


@pytest.mark.parametrize("wants", [Preferences(), Preferences(keywords=("nowhere",)), Preferences(papers=1)])
def test_who_asked_for_nothing_that_is_there_gets_no_surprise(wants):
    assert OUTSIDE not in [pick.why for pick in select(issue_of(*TEN), wants, set()).picks]


def test_what_is_like_what_a_reader_liked_comes_first_and_says_like_what():
    affinity = {TEN[6].id: 0.9, TEN[7].id: 0.6, TEN[2].id: 0.01}
    taste = liking(issue_of(*TEN), affinity, {TEN[6].id: "Sorting: a survey of everything"})
    chosen = select(issue_of(*TEN), Preferences(papers=4), set(), taste)
    assert ids(chosen) == [TEN[6].id, TEN[0].id, TEN[7].id, TEN[1].id]
    assert chosen.picks[0].why == "like “Sorting”, which you liked"
    assert chosen.picks[0].terms == {"trending": 0.3333, "affinity": 0.72}
    assert chosen.picks[2].why == "like papers you liked"


def test_what_a_reader_said_something_of_is_not_shown_again():
    chosen = select(issue_of(*TEN), Preferences(papers=2), {TEN[1].id}, PoolProfile(rated={TEN[0].id}))
    assert ids(chosen) == [TEN[2].id, TEN[3].id]
    assert chosen.left_out == 1


def test_a_near_duplicate_and_the_third_paper_of_a_lab_are_pushed_down():
    words = ("sparse", "speech", "graph", "robot", "protein", "video")
    papers = [
        replace(TEN[n], title=f"All about {word} {word}ness in {word}land", organization="")
        for n, word in enumerate(words)
    ]
    papers[1] = replace(papers[1], title=f"{papers[0].title}, again")
    for n in (2, 3, 4):
        papers[n] = replace(papers[n], organization="An Institute")
    issue = issue_of(*papers)
    wants = Preferences(papers=6, categories=("cs",), surprise=False)
    chosen = select(issue, wants, set())
    by_id = {pick.paper_id: pick.terms for pick in chosen.picks}
    assert ids(chosen)[-2:] == [papers[4].id, papers[1].id]
    assert by_id[papers[1].id] == {"trending": 0.6309, "category": 0.5, "near_duplicate": -0.5}
    assert by_id[papers[4].id] == {"trending": 0.3869, "category": 0.5, "same_lab": -0.1}
    follows = replace(wants, labs=("An Institute",))
    assert all("same_lab" not in pick.terms for pick in select(issue, follows, set()).picks)
    assert ids(select(issue, Preferences(papers=6), set())) == [one.id for one in papers]


def test_what_was_listed_before_a_date_does_not_count_where_one_is_given():
    old = replace(TEN[0], listed_at=MORNING - timedelta(days=9))
    pool = Pool(issue_of(old, *TEN[1:]))
    assert ids(pool.select(Preferences(papers=1), set(), not_before=(MORNING - timedelta(days=8)).date())) == [
        TEN[1].id
    ]


def reachable(one, wants, got):
    return one.id not in got and not any(word in f"{one.title} {one.abstract}".lower() for word in wants.muted_words)


WORDS = st.lists(st.sampled_from(("paper", "number 3", "found", "nothing")), unique=True, max_size=3).map(tuple)
WANTS = st.builds(
    Preferences,
    keywords=WORDS,
    muted_words=st.sampled_from([(), ("number 2",), ("paper",)]),
    categories=st.sampled_from([(), ("cs",), ("math",)]),
    authors=st.sampled_from([(), ("Ada Lovelace",)]),
    surprise=st.booleans(),
    balance=st.sampled_from(Balance),
    papers=st.integers(1, 12),
)


@given(
    WANTS,
    st.sets(st.sampled_from([one.id for one in TEN])),
    st.dictionaries(st.sampled_from([one.id for one in TEN]), st.floats(-1, 1)),
)
def test_terms_add_up_and_the_list_is_in_the_order_of_its_scores(wants, got, affinity):
    chosen = select(issue_of(*TEN), wants, got, liking(issue_of(*TEN), affinity))
    if isinstance(chosen, SkipReason):
        return
    assert len(set(ids(chosen))) == len(ids(chosen)) <= wants.papers
    assert not set(ids(chosen)) & got
    for pick in chosen.picks:
        assert Decimal(str(pick.score)) == sum(Decimal(str(value)) for value in pick.terms.values())
    scores = [pick.score for pick in chosen.picks if pick.why != OUTSIDE]
    most = min(wants.papers, sum(reachable(one, wants, got) for one in TEN))
    if wants.balance is Balance.ONLY:
        assert len(chosen.picks) <= most
        assert all(pick.why for pick in chosen.picks), "each matches something"
    else:
        assert len(chosen.picks) == most
    assert scores == sorted(scores, reverse=True)


def test_other_weights_make_other_lists():
    wants = Preferences(papers=3, keywords=("number 9",))
    assert ids(Pool(issue_of(*TEN)).select(wants, set())) == [TEN[9].id, TEN[0].id, TEN[1].id]
    weights = SelectionWeights(keyword=0.1)
    assert ids(Pool(issue_of(*TEN), weights).select(wants, set())) == [TEN[1].id, TEN[0].id, TEN[9].id]


def test_a_word_inside_another_word_is_no_topic():
    lonely = replace(TEN[0], title="Fragments of storage")  # holds “rag”
    selection = select(issue_of(lonely), Preferences(topics=("retrieval",)), set())
    assert selection.picks[0].why == ""


@given(st.sets(st.sampled_from([one.id for one in TEN])), st.integers(1, 10))
def test_what_a_reader_already_got_is_never_chosen_and_is_counted(got, papers):
    chosen = select(issue_of(*TEN), Preferences(papers=papers), got)
    if len(got) == len(TEN):
        assert chosen is SkipReason.NOTHING_NEW
    else:
        assert not set(ids(chosen)) & got
        assert len(ids(chosen)) == min(papers, len(TEN) - len(got))
        assert chosen.left_out == len(got)


def test_an_empty_issue_is_skipped_by_its_own_reason():
    assert select(issue_of(), Preferences(), set()) is SkipReason.EMPTY_ISSUE


def test_the_reason_is_the_place_in_the_issue_and_what_the_reader_asked_for():
    first = issue_of(*TEN).papers[0]
    assert reason_of(first, "daily", "") == "top of today’s ranking, 99 votes"
    assert reason_of(first, "daily", "you follow graphs") == "you follow graphs · top of today’s ranking, 99 votes"
    assert reason_of(first, "weekly", "") == "1st in this week’s ranking, 99 votes"


@pytest.mark.parametrize(("rank", "words"), [(2, "2nd"), (3, "3rd"), (4, "4th"), (10, "10th")])
def test_high_ranks_are_counted_as_people_count(rank, words):
    assert (
        place_of(RankedPaper(rank, TEN[0], 1.0, ScoreTerms(hackernews=9.0)), "daily") == f"{words} in today’s ranking"
    )


def test_a_rank_beyond_the_tenth_is_no_reason_but_votes_are():
    assert (
        place_of(RankedPaper(10, TEN[0], 1.0, ScoreTerms(upvotes=7.0)), "daily") == "10th in today’s ranking, 7 votes"
    )
    assert place_of(RankedPaper(11, TEN[0], 1.0, ScoreTerms(upvotes=7.0)), "daily") == "7 votes"
    assert place_of(RankedPaper(11, TEN[0], 1.0, ScoreTerms(hackernews=7.0)), "daily") == "new in cs.LG"


@pytest.mark.parametrize(
    ("kind", "known_days", "words"),
    [
        ("daily", 1.0, "new today"),
        ("daily", 2.0, "new this week"),
        ("weekly", 2.0, "new this week"),
        ("catch-up", 9.0, "new in recent weeks"),
    ],
)
def test_what_nobody_voted_on_is_new_in_its_category_and_has_no_rank(kind, known_days, words):
    terms = ScoreTerms(voted=1.0, known_days=known_days)
    assert place_of(RankedPaper(1, TEN[0], 1.0, terms), kind) == "new in cs.LG"
    assert place_of(RankedPaper(1, replace(TEN[0], categories=()), 1.0, terms), kind) == words
