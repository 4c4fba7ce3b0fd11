"""A form that is being filled in counts the papers that only what they follow would have brought lately."""

from datetime import timedelta

import pytest

from digest.database.engine import transaction
from digest.issues.profiles import refresh_profiles, renew_space
from digest.issues.selection.recent import RecentCount, RecentPapers
from digest.papers.store import keep_papers
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback, keep
from digest.subscribers.subscriber import WORKDAYS, Balance, Frequency, Preferences
from tests.support.scenario import MORNING, ON_SQLITE, add_papers, add_subscriber, paper

A_DAY = timedelta(days=1)
NOBODY = 0


@pytest.fixture
def recent(engine):
    """Over 20 days, each day one paper about graphs, and one about graphs and speech every fourth day."""
    for back in range(20):
        seen = MORNING - back * A_DAY - timedelta(hours=1)
        add_papers(engine, range(2 * back, 2 * back + 1), seen, abstract="Graphs.")
        if back % 4 == 0:
            add_papers(engine, range(2 * back + 1, 2 * back + 2), seen, abstract="Graphs of speech.")
    add_papers(engine, range(100, 101), MORNING - 40 * A_DAY, abstract="Graphs.")
    return RecentPapers(engine, 5)


@ON_SQLITE
@pytest.mark.parametrize(
    ("wants", "papers", "emails"),
    [
        ({"keywords": ("graphs",)}, 25, 20),
        ({"keywords": ("graph",), "muted_words": ("speech",)}, 20, 20),
        ({"keywords": ("speech",)}, 5, 5),
        ({"keywords": ("speech",), "balance": Balance.BEST}, 5, 5),
        ({"keywords": ("graphs",), "papers": 1}, 20, 20),
        ({"keywords": ("graphs",), "weekdays": WORKDAYS}, 25, 14),
        ({"keywords": ("graphs",), "frequency": Frequency.WEEKLY, "weekdays": frozenset({2})}, 25, 3),
        ({"keywords": ("robots",)}, 0, 0),
        ({}, 0, 0),
    ],
)
def test_it_counts_papers_and_emails(recent, wants, papers, emails):
    assert recent.forecast(NOBODY, Preferences(**wants), MORNING) == RecentCount(papers, emails, 20)


def test_papers_are_read_again_after_an_hour(engine, recent):
    follows = Preferences(keywords=("graphs",))
    assert recent.forecast(NOBODY, follows, MORNING).papers == 25
    add_papers(engine, range(200, 203), MORNING, abstract="Graphs.")
    assert recent.forecast(NOBODY, follows, MORNING + timedelta(minutes=59)).papers == 25
    assert recent.forecast(NOBODY, follows, MORNING + timedelta(minutes=61)).papers == 28


def test_nothing_is_said_before_there_are_papers(engine):
    assert RecentPapers(engine, 5).forecast(NOBODY, Preferences(topics=("graphs",)), MORNING).days == 0


@ON_SQLITE
def test_papers_clearly_like_the_liked_ones_count(engine):
    add_papers(engine, range(8), MORNING - A_DAY, title="Speech", abstract="speech audio voices accents speakers")
    words = {number: " ".join(f"word{number * step % 211}" for step in range(1, 12)) for number in range(100, 500)}
    others = [paper(number, title="Other", abstract=text) for number, text in words.items()]
    with transaction(engine) as connection:
        keep_papers(connection, "arxiv", MORNING - A_DAY, others)
    ada = add_subscriber(engine, "ada@example.com")
    with transaction(engine) as connection:
        for number in range(4):
            keep(connection, ada.id, PaperFeedback(f"2603.{number:05}", FeedbackKind.MORE, MORNING))
    renew_space(engine, MORNING)
    refresh_profiles(engine, MORNING)
    only = Preferences(balance=Balance.ONLY, papers=25)
    counts = [RecentPapers(engine, 5).forecast(number, only, MORNING + A_DAY).papers for number in (ada.id, NOBODY)]
    assert counts == [8, 0]
