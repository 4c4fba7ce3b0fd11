"""What a subscriber received and rated before an issue, and the longer list after a pause."""

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.database.engine import read_only, transaction
from digest.issues.issue import IssueSettings
from digest.issues.selection import CachedIssue, IssueCache, Pool, SubscriberHistory, histories, papers_for
from digest.issues.selection.history import oldest_day
from digest.language import Languages
from digest.ledger import sending
from digest.ledger.kinds import IssueKind, SkipReason
from digest.ledger.received import AlreadySent
from digest.papers.paper import RankedPaper
from digest.papers.score_terms import ScoreTerms
from digest.subscribers import paper_feedback
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback
from digest.subscribers.subscriber import Preferences
from tests.issues.selection.test_selection import TEN, ids, issue_of
from tests.mail.delivery.builders import hands
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut, paper

__all__ = ["hands"]  # a fixture

A_DAY = timedelta(days=1)
NOTHING = SubscriberHistory(AlreadySent(set()))
MANY = [paper(number) for number in range(40)]


def cached(papers, kind=IssueKind.DAILY, overlap_days=0):
    issue = replace(issue_of(*papers), kind=kind, settings=IssueSettings(overlap_days=overlap_days))
    return CachedIssue(issue, Pool(issue))


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (2, 3), (3, 4), (10, 15), (16, 24), (17, 25), (25, 25)])
def test_a_list_after_a_pause_is_half_as_long_again_up_to_the_longest(asked, given):
    after_pause = papers_for(cached(MANY, IssueKind.CATCH_UP), Preferences(papers=asked), NOTHING)
    assert len(ids(after_pause)) == given
    assert len(ids(papers_for(cached(MANY), Preferences(papers=asked), NOTHING))) == asked


@pytest.mark.parametrize(("overlap", "oldest"), [(0, 3), (2, 5)])
def test_after_a_pause_papers_count_from_the_last_message_less_the_overlap(overlap, oldest):
    papers = [paper(days, listed_at=MORNING - days * A_DAY) for days in range(9)]
    history = replace(NOTHING, last_message=DAY - 3 * A_DAY)
    chosen = papers_for(cached(papers, IssueKind.CATCH_UP, overlap), Preferences(), history)
    assert ids(chosen) == [row.id for row in papers[: oldest + 1]]
    for everything in (
        papers_for(cached(papers, IssueKind.CATCH_UP, overlap), Preferences(), NOTHING),
        papers_for(cached(papers, IssueKind.DAILY, overlap), Preferences(), history),
    ):
        assert ids(everything) == [row.id for row in papers]


@pytest.mark.parametrize(
    ("got", "last", "first"),
    [(set(), None, True), ({TEN[0].id}, None, False), (set(), DAY, False), ({TEN[0].id}, DAY, False)],
)
@pytest.mark.parametrize("kind", [IssueKind.DAILY, IssueKind.CATCH_UP])
def test_an_issue_is_the_first_without_papers_and_messages_before(got, last, first, kind):
    chosen = papers_for(
        cached(TEN, kind), Preferences(papers=2), SubscriberHistory(AlreadySent(got), last_message=last)
    )
    assert chosen.first is first
    assert not set(ids(chosen)) & got
    assert papers_for(cached([], kind), Preferences(), NOTHING) is SkipReason.EMPTY_ISSUE


@pytest.mark.parametrize(("known_days", "days"), [(0.0, 6), (5.0, 6), (5.1, 7), (9.0, 10)])
def test_the_oldest_day_is_before_the_first_sight_of_every_paper(known_days, days):
    ranked = (
        RankedPaper(1, TEN[0], 1.0, ScoreTerms(known_days=1.0)),
        RankedPaper(2, TEN[1], 0.5, ScoreTerms(known_days=known_days)),
    )
    issue = replace(issue_of(), settings=IssueSettings(pool_days=5), papers=ranked)
    assert oldest_day(issue) == DAY - days * A_DAY


# --- from the ledger ---


def history_of(engine, emails, day=DAY):
    """Of new claims, by recipient address."""
    cache = IssueCache(engine, Languages())
    at = MORNING + (day - DAY) + timedelta(hours=1)
    with transaction(engine) as connection:
        claims = sending.claim(connection, "me", 10, at)
    with read_only(engine) as connection:
        by_delivery = histories(connection, "me", claims, cache.get)
    assert by_delivery.keys() == {claim.id for claim in claims}
    numbers = {claim.subscriber_id: by_delivery[claim.id] for claim in claims}
    return {email: numbers.get(subscriber.id) for email, subscriber in emails.items()}


def test_without_deliveries_there_is_no_history(engine):
    with read_only(engine) as connection:
        assert histories(connection, "me", [], IssueCache(engine, Languages()).get) == {}


def test_rated_papers_of_the_pool_are_in_the_history_of_who_rated_them_alone(engine):
    add_papers(engine, range(6))
    readers = {email: add_subscriber(engine, email) for email in ("ada@example.com", "ben@example.com")}
    cut(engine)
    with transaction(engine) as connection:
        for number in (2, 77):  # the second is in no issue
            rated = PaperFeedback(f"2603.{number:05}", FeedbackKind.LESS, MORNING)
            paper_feedback.keep(connection, readers["ada@example.com"].id, rated)
    history = history_of(engine, readers)
    assert (history["ada@example.com"].profile.rated, history["ada@example.com"].profile.affinity) == (
        {"2603.00002"},
        (),
    )
    assert history["ben@example.com"] == NOTHING


@pytest.mark.parametrize(("days", "papers", "last"), [(1, 4, None), (40, 0, DAY - 40 * A_DAY)])
def test_the_last_message_is_looked_up_where_no_paper_was_received_lately(engine, hands, days, papers, last):
    readers = {"ada@example.com": add_subscriber(engine, "ada@example.com", MORNING - 50 * A_DAY)}
    before = MORNING - days * A_DAY
    add_papers(engine, range(4), seen_at=before - timedelta(hours=1), listed_at=before - timedelta(hours=6))
    cut(engine, DAY - days * A_DAY)
    hands.at = before + timedelta(hours=1)
    hands.deliver()
    add_papers(engine, range(10, 14))
    cut(engine)
    (history,) = history_of(engine, readers).values()
    assert (len(history.got.papers), history.last_message) == (papers, last)
