"""Feedback decides the affinity to the papers of the next issue, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from digest.database.engine import read_only, transaction
from digest.database.tables import opinions, tastes
from digest.issues.personal_data import export
from digest.issues.profiles import feedback_summary
from digest.subscribers import paper_feedback
from digest.subscribers.paper_feedback import FeedbackKind
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut

GRAPHS = "spectral clustering of graph nodes by message passing over edges in community networks"
SPEECH = "speech transcription of acoustic phonemes with a microphone and the voice of speakers"


@pytest.fixture
def issue(engine):
    """Return an issue in which speech has the most votes, and a subscriber who likes graphs."""
    yesterday = MORNING - timedelta(days=1)
    add_papers(engine, range(100, 106), seen_at=yesterday, abstract=GRAPHS, title="Graphs and their nodes")
    add_papers(engine, range(110, 116), seen_at=yesterday, abstract=SPEECH, title="Speech and its phonemes")
    for number in range(200, 300):  # a word in a quarter of all papers says nothing
        add_papers(
            engine, range(number, number + 1), seen_at=yesterday, title="Another", abstract=f"subject{number // 3}"
        )
    cut(engine, DAY - timedelta(days=1), yesterday)
    add_papers(engine, range(20), abstract=SPEECH, title="Voices of speakers")
    add_papers(engine, range(20, 30), abstract=GRAPHS, title="Clustering of networks")
    fond = add_subscriber(engine, "ada@example.com")
    add_subscriber(engine, "ben@example.com")
    with transaction(engine) as connection:
        kinds = {
            "00100": FeedbackKind.MORE,
            "00101": FeedbackKind.MORE,
            "00110": FeedbackKind.LESS,
            "00111": FeedbackKind.READ,
        }
        rows = [
            {"subscriber_id": fond.id, "paper_id": f"2603.{paper}", "said": kind, "at": MORNING}
            for paper, kind in kinds.items()
        ]
        connection.execute(insert(opinions), rows)
    return cut(engine), fond


def test_only_subscribers_with_feedback_have_a_profile(engine, issue):
    published, fond = issue
    with read_only(engine) as connection:
        (row,) = connection.execute(select(tastes)).all()
    assert (row.issue_id, row.subscriber_id) == (published.issue_id, fond.id)
    assert min(row.affinity[f"2603.{number:05}"] for number in range(20, 30)) > 0.3
    assert all(row.affinity.get(f"2603.{number:05}", 0) < 0.1 for number in range(20))
    assert set(row.kin.values()) == {"Graphs and their nodes"}


def test_a_subscriber_sees_the_words_of_their_profile_until_they_delete_their_feedback(engine, issue):
    _published, fond = issue
    words = feedback_summary(engine, fond).words
    assert words
    assert set(words) <= set(GRAPHS.split()) | {"graphs"}
    exported = export(engine, fond.id)
    assert exported is not None
    assert exported["tastes"][0]["words"] == list(words)
    paper_feedback.forget_all(engine, fond.id, MORNING)
    assert feedback_summary(engine, fond).words == ()
