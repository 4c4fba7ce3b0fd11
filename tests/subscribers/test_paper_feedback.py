"""Stored feedback: the latest on each paper, read in batches."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine, event

from digest.database.engine import read_only, transaction
from digest.papers import community
from digest.papers.community import Suggestion, SuggestionState
from digest.subscribers import erasing, paper_feedback
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback
from tests.support.scenario import MORNING, add_papers, add_subscriber


def test_the_latest_feedback_on_a_paper_counts(engine: Engine) -> None:
    subscriber = add_subscriber(engine, "ada@example.org")
    later = MORNING + timedelta(hours=1)
    with transaction(engine) as connection:
        paper_feedback.keep(connection, subscriber.id, PaperFeedback("2603.00001", FeedbackKind.MORE, MORNING))
        paper_feedback.keep(connection, subscriber.id, PaperFeedback("2603.00001", FeedbackKind.READ, later))
        assert paper_feedback.feedback_on(connection, subscriber.id, "2603.00001") == PaperFeedback(
            "2603.00001", FeedbackKind.READ, later
        )
        assert paper_feedback.feedback_on(connection, subscriber.id, "2603.00002") is None


def test_a_batch_of_subscribers_is_one_query(engine: Engine) -> None:
    numbers = [add_subscriber(engine, f"reader{n}@example.org").id for n in range(20)]
    with transaction(engine) as connection:
        for number in numbers[1:]:
            paper_feedback.keep(connection, number, PaperFeedback("2603.00002", FeedbackKind.LESS, MORNING))
            paper_feedback.keep(
                connection, number, PaperFeedback("2603.00001", FeedbackKind.MORE, MORNING - timedelta(days=1))
            )
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    with read_only(engine) as connection:
        feedback = paper_feedback.all_feedback(connection, numbers)
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 1
    assert set(feedback) == set(numbers[1:]), "subscribers without feedback are omitted"
    assert [(item.paper_id, item.kind) for item in feedback[numbers[5]]] == [
        ("2603.00001", FeedbackKind.MORE),
        ("2603.00002", FeedbackKind.LESS),
    ]
    with read_only(engine) as connection:
        assert paper_feedback.all_feedback(connection, []) == {}


def test_feedback_can_be_deleted_paper_by_paper_and_all_at_once(engine: Engine) -> None:
    ada, bo = add_subscriber(engine, "ada@example.org"), add_subscriber(engine, "bo@example.org")
    with transaction(engine) as connection:
        for subscriber in (ada, bo):
            for n in range(3):
                feedback = PaperFeedback(f"2603.0000{n}", FeedbackKind.MORE, MORNING)
                paper_feedback.keep(connection, subscriber.id, feedback)
    assert paper_feedback.take_back(engine, ada.id, "2603.00000")
    assert not paper_feedback.take_back(engine, ada.id, "2603.00000")
    assert paper_feedback.delete_all_feedback(engine, ada.id, MORNING) == 2
    with read_only(engine) as connection:
        assert set(paper_feedback.all_feedback(connection, [ada.id, bo.id])) == {bo.id}


def test_a_subscriber_has_one_vote_for_a_paper(engine: Engine) -> None:
    add_papers(engine, range(1, 3))
    with transaction(engine) as connection:
        assert community.cast_vote(connection, "2603.00001", "ada", MORNING)
        assert not community.cast_vote(connection, "2603.00001", "ada", MORNING + timedelta(hours=1))
        assert community.cast_vote(connection, "2603.00001", "bo", MORNING + timedelta(hours=2))
        assert community.cast_vote(connection, "9901.00001", "bo", MORNING), "a paper that is not in the archive (yet)"
        counted = [
            community.count_votes(connection, MORNING, MORNING + timedelta(hours=hours)) for hours in (-1, 0, 1, 2)
        ]
        assert [[(count.paper_id, count.upvotes) for count in votes] for votes in counted] == [
            [],
            [("2603.00001", 1)],
            [("2603.00001", 1)],
            [("2603.00001", 2)],
        ]
        assert community.take_vote_back(connection, "2603.00001", "ada")
        assert not community.take_vote_back(connection, "2603.00001", "ada")
        assert list(community.votes_by(connection, "bo")) == ["2603.00001", "9901.00001"]


def test_only_waiting_suggestions_are_settled(engine: Engine) -> None:
    with transaction(engine) as connection:
        for number, state in enumerate(("waiting", "waiting", "listed", "refused"), start=1):
            new = Suggestion(f"2603.0000{number}", "ada", MORNING, SuggestionState(state), "")
            community.keep_suggestion(connection, replace(new, recipient="bo"))
            community.keep_suggestion(connection, new)
        community.cast_vote(connection, "2603.00002", "ada", MORNING)
        community.settle(connection, ["2603.00001", "2603.00004"], {"2603.00002": "No.", "2603.00003": "No."})
        states = {
            suggested.paper_id[-1]: str(suggested.state) for suggested in community.suggested_by(connection, "ada")
        }
        assert states == {"1": "listed", "2": "refused", "3": "listed", "4": "refused"}
        assert community.votes_by(connection, "ada") == {}, "a paper that does not exist has no votes"


def test_deleting_a_subscriber_deletes_their_feedback(engine: Engine) -> None:
    subscriber = add_subscriber(engine, "ada@example.org")
    with transaction(engine) as connection:
        paper_feedback.keep(connection, subscriber.id, PaperFeedback("2603.00001", FeedbackKind.MORE, MORNING))
        erasing.erase(connection, subscriber.id, subscriber.key)
        assert paper_feedback.all_feedback(connection, [subscriber.id]) == {}
