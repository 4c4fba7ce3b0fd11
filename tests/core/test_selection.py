"""A reader's list: what they asked for first, never a paper twice, always a reason."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from digest.issues.issue import Issue, IssueStatus
from digest.issues.selection import Selection, SkipReason, reason_of, select
from digest.papers.paper import RankedPaper
from digest.subscribers.subscriber import Preferences
from tests.world import DAY, MORNING, paper


def issue_of(*papers):
    ranked = tuple(RankedPaper(n, one, 100.0 - n, {"upvotes": 100.0 - n}) for n, one in enumerate(papers, start=1))
    return Issue(1, "daily", DAY, MORNING, IssueStatus.RUNNING, "test", {}, {}, 0, "", ranked)


TEN = [paper(number) for number in range(10)]


def ids(selection):
    assert isinstance(selection, Selection)
    return [pick.paper_id for pick in selection.picks]


def test_who_asked_for_nothing_gets_the_best_of_the_issue_in_its_order():
    assert ids(select(issue_of(*TEN), Preferences(papers=3), set())) == [one.id for one in TEN[:3]]


def test_a_keyword_brings_a_paper_to_the_front_and_says_so():
    wanted = replace(TEN[7], title="Diffusion on molecules")
    selection = select(issue_of(*TEN[:7], wanted), Preferences(papers=2, keywords=("Molecules",)), set())
    assert ids(selection) == [wanted.id, TEN[0].id]
    assert selection.picks[0].why == "matches your keyword “Molecules”"
    assert selection.picks[1].why == ""


def test_a_topic_brings_its_papers_to_the_front_in_the_order_of_the_issue():
    speech = [replace(TEN[n], categories=("cs.SD",)) for n in (5, 3)]
    selection = select(issue_of(*TEN[:3], *speech), Preferences(papers=3, topics=("speech",)), set())
    assert ids(selection) == [speech[0].id, speech[1].id, TEN[0].id]
    assert selection.picks[0].why == "you follow speech and audio"


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
    assert reason_of(first, "") == "no. 1 of the day, 99 votes"
    assert reason_of(first, "you follow graph learning") == "no. 1 of the day, 99 votes · you follow graph learning"
