"""Summary of a subscriber's feedback, for the page that shows it."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.issues.profiles.store import newest_words
from digest.papers.paper import Paper
from digest.papers.store import papers_with
from digest.papers.topics import TOPICS, Topic, topics_of
from digest.subscribers.library.library import library_topics
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback, feedback_by
from digest.subscribers.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class FeedbackSummary:
    """A subscriber's feedback on papers, and what follows from it."""

    feedback: tuple[PaperFeedback, ...]  # newest first
    papers: dict[str, Paper]  # those of them that are (still) in the archive, by id
    liked: tuple[tuple[Topic, int], ...]  # topics of liked papers, with their number, most first
    words: tuple[str, ...]  # the strongest of their profile; none without feedback and library
    library: tuple[tuple[Topic, int], ...]  # topics of the papers in their library, with their number, most first
    muted: tuple[Topic, ...]
    muted_words: tuple[str, ...]


def feedback_summary(engine: Engine, subscriber: Subscriber) -> FeedbackSummary:
    with read_only(engine) as connection:
        feedback = feedback_by(connection, subscriber.id)[::-1]
        papers = papers_with(connection, [item.paper_id for item in feedback])
        words = newest_words(connection, subscriber.id)
        library = library_topics(connection, subscriber.id)
    more = [item.paper_id for item in feedback if item.kind is FeedbackKind.MORE]
    liked = Counter(topic for paper_id in more if paper_id in papers for topic in topics_of(papers[paper_id]))
    preferences = subscriber.preferences
    muted = tuple(topic for topic in TOPICS if topic.slug in preferences.muted_topics)
    return FeedbackSummary(
        feedback, papers, tuple(liked.most_common()), words, tuple(library), muted, preferences.muted_words
    )
