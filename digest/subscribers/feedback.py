"""The actions behind a message's feedback links, each in one transaction."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine

from digest.database.engine import transaction
from digest.ledger import events
from digest.papers.store import papers_with
from digest.papers.topics import TOPICS, Topic
from digest.subscribers import paper_feedback, store
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback
from digest.subscribers.subscriber import Preferences, event_subject


def give(engine: Engine, subscriber_id: int, paper_id: str, kind: FeedbackKind, now: datetime) -> bool:
    """Store feedback on a paper in place of earlier feedback. False for an unknown paper or subscriber."""
    with transaction(engine) as connection:
        subscriber = store.by_id(connection, subscriber_id, lock=True)
        if subscriber is None or not papers_with(connection, [paper_id]):
            return False
        paper_feedback.keep(connection, subscriber_id, PaperFeedback(paper_id, kind, now))
    return True


def take_back(engine: Engine, subscriber_id: int, paper_id: str) -> bool:
    """Delete the feedback on one paper; False when there was none."""
    with transaction(engine) as connection:
        return paper_feedback.take_back(connection, subscriber_id, paper_id)


def forget_all(engine: Engine, subscriber_id: int, now: datetime) -> int:
    """Delete all feedback on papers and return how many papers. Interests and muted topics stay."""
    with transaction(engine) as connection:
        subscriber = store.by_id(connection, subscriber_id, lock=True)
        forgotten = paper_feedback.forget_all(connection, subscriber_id)
        if subscriber and forgotten:
            # The count alone: no log names the papers, so nothing is left of feedback that was deleted.
            detail = {"count": forgotten}
            events.record(connection, now, event_subject(subscriber.key), "forgot opinions", detail)
    return forgotten


def mute(engine: Engine, subscriber_id: int, topic: Topic, now: datetime) -> bool:
    """Mute a topic and stop following it. False when nothing changed."""

    def muted(preferences: Preferences) -> Preferences:
        slugs = {*preferences.muted_topics, topic.slug}
        return replace(
            preferences,
            topics=tuple(slug for slug in preferences.topics if slug != topic.slug),
            muted_topics=tuple(listed.slug for listed in TOPICS if listed.slug in slugs),
        )

    return _change(engine, subscriber_id, now, muted)


def unmute(engine: Engine, subscriber_id: int, topic: Topic, now: datetime) -> bool:
    """Show papers of a topic again. False when nothing changed."""

    def unmuted(preferences: Preferences) -> Preferences:
        return replace(preferences, muted_topics=tuple(s for s in preferences.muted_topics if s != topic.slug))

    return _change(engine, subscriber_id, now, unmuted)


def _change(engine: Engine, subscriber_id: int, now: datetime, change: Callable[[Preferences], Preferences]) -> bool:
    with transaction(engine) as connection:
        subscriber = store.by_id(connection, subscriber_id, lock=True)
        if subscriber is None or change(subscriber.preferences) == subscriber.preferences:
            return False
        store.set_preferences(connection, subscriber_id, change(subscriber.preferences))
        detail = {"fields": ["muted_topics"]}
        events.record(connection, now, event_subject(subscriber.key), "changed preferences", detail)
    return True
