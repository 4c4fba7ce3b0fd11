"""Feedback, suggestions and votes of a subscriber: each can be undone, is limited, exported and deleted."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.issues.personal_data import export
from digest.issues.profiles import feedback_summary
from digest.papers.community import SuggestionState, settle, suggested_by, suggestion_of, votes_by
from digest.papers.suggestion import BadSuggestion, suggested_id
from digest.papers.topics import TOPICS, topic_with
from digest.subscribers import community, paper_feedback, subscriptions
from digest.subscribers.community import NotTaken
from digest.subscribers.paper_feedback import FeedbackKind
from digest.subscribers.subscriber import Subscriber
from tests.support.scenario import MORNING, add_papers, add_subscriber

VISION = next(topic for topic in TOPICS if topic.slug == "vision")


@pytest.fixture
def ada(engine: Engine) -> Subscriber:
    add_papers(engine, range(1, 41), categories=("cs.CV",))
    return add_subscriber(engine, "ada@example.org", topics=("vision", "agents"))


# --- feedback ---


def test_feedback_can_be_seen_changed_and_undone(engine: Engine, ada: Subscriber) -> None:
    assert paper_feedback.give(engine, ada.id, "2603.00001", FeedbackKind.LESS, MORNING)
    assert paper_feedback.give(engine, ada.id, "2603.00001", FeedbackKind.MORE, MORNING + timedelta(minutes=1))
    assert paper_feedback.give(engine, ada.id, "2603.00002", FeedbackKind.READ, MORNING + timedelta(minutes=2))
    summary = feedback_summary(engine, ada)
    assert [(item.paper_id, item.kind) for item in summary.feedback] == [
        ("2603.00002", FeedbackKind.READ),
        ("2603.00001", FeedbackKind.MORE),
    ]
    assert summary.liked == ((VISION, 1),), "only papers they want more of count as liked"
    assert paper_feedback.take_back(engine, ada.id, "2603.00001")
    assert not paper_feedback.take_back(engine, ada.id, "2603.00001")
    assert paper_feedback.delete_all_feedback(engine, ada.id, MORNING) == 1
    assert feedback_summary(engine, ada).feedback == ()


def test_no_feedback_is_taken_on_unknown_papers_or_from_deleted_subscribers(engine: Engine, ada: Subscriber) -> None:
    assert not paper_feedback.give(engine, ada.id, "1234.56789", FeedbackKind.MORE, MORNING)
    subscriptions.erase(engine, ada.id, MORNING)
    assert not paper_feedback.give(engine, ada.id, "2603.00001", FeedbackKind.MORE, MORNING)
    assert not paper_feedback.mute(engine, ada.id, VISION, MORNING)


def test_a_muted_topic_is_no_longer_followed_and_can_be_unmuted(engine: Engine, ada: Subscriber) -> None:
    assert paper_feedback.mute(engine, ada.id, VISION, MORNING)
    assert not paper_feedback.mute(engine, ada.id, VISION, MORNING)
    preferences = _again(engine, ada).preferences
    assert (preferences.topics, preferences.muted_topics) == (("agents",), ("vision",))
    assert feedback_summary(engine, _again(engine, ada)).muted == (VISION,)
    assert paper_feedback.mute(engine, ada.id, VISION, MORNING, muted=False)
    assert _again(engine, ada).preferences.muted_topics == ()
    assert topic_with("astrology") is None


# --- suggestions and votes ---


@pytest.mark.parametrize(
    ("typed", "paper_id"),
    [
        ("2405.17247", "2405.17247"),
        (" arXiv:2405.17247v3 ", "2405.17247"),
        ("https://arxiv.org/abs/2405.17247v2", "2405.17247"),
        ("arxiv.org/pdf/2405.17247.pdf", "2405.17247"),
        ("https://arxiv.org/html/2405.17247v1#S2", "2405.17247"),
        ("https://huggingface.co/papers/2405.17247?utm=x", "2405.17247"),
        ("https://www.alphaxiv.org/abs/2405.17247", "2405.17247"),
        ("https://arxiv.org/abs/hep-th/9901001", "hep-th/9901001"),
    ],
)
def test_numbers_and_addresses_name_a_paper(typed: str, paper_id: str) -> None:
    assert suggested_id(typed) == paper_id


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "attention",
        "https://example.org/2405.17247x",
        "2413.17247",
        "https://arxiv.org/list/cs.CL",
        "1" * 400,
        "javascript:alert(1)//arxiv.org/abs/2405.17247",
        "2405.17247\n2405.17248",
    ],
)
def test_anything_else_is_rejected(typed: str) -> None:
    with pytest.raises(BadSuggestion):
        suggested_id(typed)


def test_an_unknown_paper_waits_with_its_suggesters_vote(engine: Engine, ada: Subscriber) -> None:
    assert "looking it up" in community.suggest(engine, ada.id, "2603.99999", MORNING, 5)
    bo = add_subscriber(engine, "bo@example.org")
    assert "already been suggested" in community.suggest(engine, bo.id, "arxiv.org/abs/2603.99999v2", MORNING, 5)
    with read_only(engine) as connection:
        suggestion = suggestion_of(connection, "2603.99999")
        assert suggestion is not None
        assert (suggestion.state, suggestion.recipient) == (SuggestionState.WAITING, ada.key)
        assert [list(votes_by(connection, subscriber.key)) for subscriber in (ada, bo)] == [["2603.99999"]] * 2


def test_a_known_paper_is_listed_at_once_unless_it_is_old(engine: Engine, ada: Subscriber) -> None:
    assert "is listed" in community.suggest(engine, ada.id, "2603.00001", MORNING, 5)
    with pytest.raises(NotTaken, match="We listed this paper on"):
        community.suggest(engine, ada.id, "2603.00002", MORNING + timedelta(days=6), 5)
    board = community.board(engine, ada, MORNING)
    assert [suggestion.paper_id for suggestion in board.listed] == ["2603.00001"]
    assert board.votes == {"2603.00001": 1}


def test_a_refused_paper_says_why_and_may_be_tried_again_after_a_day(engine: Engine, ada: Subscriber) -> None:
    community.suggest(engine, ada.id, "2603.99999", MORNING, 5)
    with transaction(engine) as connection:
        settle(connection, [], {"2603.99999": "arXiv has no paper with this number."})
    with pytest.raises(NotTaken, match="no paper with this number"):
        community.suggest(engine, ada.id, "2603.99999", MORNING + timedelta(hours=1), 5)
    assert "looking it up" in community.suggest(engine, ada.id, "2603.99999", MORNING + timedelta(days=2), 5)


def test_bursts_of_suggestions_and_votes_are_bounded(engine: Engine, ada: Subscriber) -> None:
    for number in range(community.SUGGESTIONS_A_DAY):
        community.suggest(engine, ada.id, f"2603.9000{number}", MORNING, 5)
    with pytest.raises(NotTaken, match="a day"):
        community.suggest(engine, ada.id, "2603.90009", MORNING + timedelta(hours=23), 5)
    later = MORNING + timedelta(hours=25)
    community.suggest(engine, ada.id, "2603.90009", later, 5)
    for number in range(1, community.VOTES_AN_HOUR):
        community.vote(engine, ada.id, f"2603.{number:05}", later)
    with pytest.raises(NotTaken, match="an hour"):
        community.vote(engine, ada.id, "2603.00040", later + timedelta(minutes=59))
    community.vote(engine, ada.id, "2603.00001", later + timedelta(minutes=59))  # voted before: no second vote
    community.vote(engine, ada.id, "2603.00040", later + timedelta(minutes=61))


def test_only_confirmed_subscribers_suggest_and_vote(engine: Engine, ada: Subscriber) -> None:
    subscriptions.unsubscribe(engine, ada.id, MORNING, "test")
    with pytest.raises(NotTaken, match="not subscribed"):
        community.suggest(engine, ada.id, "2603.00001", MORNING, 5)
    with pytest.raises(NotTaken, match="not subscribed"):
        community.vote(engine, ada.id, "2603.00001", MORNING)


def test_a_vote_is_for_a_paper_of_the_archive(engine: Engine, ada: Subscriber) -> None:
    with pytest.raises(NotTaken, match="isn’t in our archive"):
        community.vote(engine, ada.id, "1234.56789", MORNING)
    community.vote(engine, ada.id, "2603.00001", MORNING)
    assert community.has_voted(engine, ada, "2603.00001")
    assert community.take_vote_back(engine, ada.id, "2603.00001")
    assert not community.take_vote_back(engine, ada.id, "2603.00001")


# --- what is stored ---


def test_the_export_holds_feedback_votes_and_suggestions(engine: Engine, ada: Subscriber) -> None:
    _give_feedback_and_suggest(engine, ada)
    stored = export(engine, ada.id)
    assert stored is not None
    assert stored["opinions"] == [{"paper_id": "2603.00001", "said": "more", "at": MORNING.isoformat()}]
    assert stored["votes"] == [{"paper_id": "2603.00002", "at": MORNING.isoformat()}]
    assert [(row["paper_id"], row["state"]) for row in stored["suggestions"]] == [("2603.00002", "listed")]


def test_deleting_a_subscriber_deletes_feedback_and_suggester_and_allows_no_second_vote(
    engine: Engine, ada: Subscriber
) -> None:
    _give_feedback_and_suggest(engine, ada)
    subscriptions.unsubscribe(engine, ada.id, MORNING, "test")
    assert subscriptions.say_why(engine, ada.id, "other", "I am Ada of Ghent.", MORNING)
    subscriptions.erase(engine, ada.id, MORNING)
    with read_only(engine) as connection:
        assert suggested_by(connection, ada.key) == []
        kept = suggestion_of(connection, "2603.00002")
        assert kept is not None
        assert kept.recipient == ""
    again = add_subscriber(engine, "ada@example.org")
    assert community.has_voted(engine, again, "2603.00002"), "signing up again gives no second vote"
    assert "Ghent" not in repr(export(engine, again.id))


def test_the_reason_for_leaving_is_recorded_once_and_only_after_leaving(engine: Engine, ada: Subscriber) -> None:
    assert not subscriptions.say_why(engine, ada.id, "no time", "", MORNING)
    subscriptions.unsubscribe(engine, ada.id, MORNING, "test")
    assert subscriptions.say_why(engine, ada.id, "no time", "", MORNING)
    assert not subscriptions.say_why(engine, ada.id, "too many", "", MORNING)


def _give_feedback_and_suggest(engine: Engine, subscriber: Subscriber) -> None:
    paper_feedback.give(engine, subscriber.id, "2603.00001", FeedbackKind.MORE, MORNING)
    community.suggest(engine, subscriber.id, "2603.00002", MORNING, 5)


def _again(engine: Engine, subscriber: Subscriber) -> Subscriber:
    again = subscriptions.find(engine, subscriber.id)
    assert again is not None
    return again
