"""What readers say of papers by the links in their mails: more like this, less, already read, no more of a topic.

Comes in: an engine, plain values, `now`. Goes out: opinions, one transaction an action. Each can be undone.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.issues.profiles.store import newest_words
from digest.ledger import events
from digest.papers.paper import Paper
from digest.papers.store import papers_with
from digest.papers.topics import TOPICS, Topic, topics_of
from digest.subscribers import opinions, store
from digest.subscribers.opinion import FeedbackKind, PaperFeedback
from digest.subscribers.subscriber import Preferences, Subscriber


@dataclass(frozen=True, slots=True)
class FeedbackSummary:
    """What is known of a reader's taste beside what they asked for."""

    opinions: tuple[PaperFeedback, ...]  # newest first
    papers: dict[str, Paper]  # those of them that are (still) in the archive, by id
    liked: tuple[tuple[Topic, int], ...]  # topics of what they want more of, with the number of papers, most first
    words: tuple[str, ...]  # the strongest of their profile when the last issue was cut; of nothing said, none
    muted: tuple[Topic, ...]
    muted_words: tuple[str, ...]


def say(engine: Engine, subscriber_id: int, paper_id: str, said: FeedbackKind, now: datetime) -> bool:
    """Keep what a reader says of a paper, instead of what they said before. False for an unknown paper or reader."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id, lock=True)
        if reader is None or not papers_with(connection, [paper_id]):
            return False
        opinions.keep_opinion(connection, subscriber_id, PaperFeedback(paper_id, said, now))
    return True


def take_back(engine: Engine, subscriber_id: int, paper_id: str) -> bool:
    """Forget what a reader said of one paper; False when there was nothing."""
    with transaction(engine) as connection:
        return opinions.take_back(connection, subscriber_id, paper_id)


def forget_all(engine: Engine, subscriber_id: int, now: datetime) -> int:
    """Forget what a reader said of papers; how many opinions that were. What they asked for and muted stays."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id, lock=True)
        forgotten = opinions.forget_all(connection, subscriber_id)
        if reader and forgotten:
            # The number alone: what a reader said of papers is in no log, and so is gone when they forget or erase it.
            events.record(connection, now, f"subscriber:{reader.key}", "forgot opinions", {"count": forgotten})
    return forgotten


def mute(engine: Engine, subscriber_id: int, topic: Topic, now: datetime) -> bool:
    """Nothing more of a topic, which is followed no longer. False when that was so already, or nobody is there."""
    return _change(engine, subscriber_id, now, lambda asked: _muted(asked, topic))


def unmute(engine: Engine, subscriber_id: int, topic: Topic, now: datetime) -> bool:
    """Papers of a topic again. False when it was not muted, or nobody is there."""
    return _change(engine, subscriber_id, now, lambda asked: _heard(asked, topic))


def taste(engine: Engine, reader: Subscriber) -> FeedbackSummary:
    """Everything that a reader said, and what it comes to."""
    with read_only(engine) as connection:
        said = opinions.opinions_of_one(connection, reader.id)[::-1]
        papers = papers_with(connection, [one.paper_id for one in said])
        words = newest_words(connection, reader.id) if said else ()
    more = [papers[one.paper_id] for one in said if one.said is FeedbackKind.MORE and one.paper_id in papers]
    liked = Counter(topic for paper in more for topic in topics_of(paper))
    asked = reader.preferences
    muted = tuple(topic for topic in TOPICS if topic.slug in asked.muted_topics)
    return FeedbackSummary(said, papers, tuple(liked.most_common()), words, muted, asked.muted_words)


def _muted(asked: Preferences, topic: Topic) -> Preferences:
    muted = {*asked.muted_topics, topic.slug}
    return replace(
        asked,
        topics=tuple(slug for slug in asked.topics if slug != topic.slug),
        muted_topics=tuple(known.slug for known in TOPICS if known.slug in muted),
    )


def _heard(asked: Preferences, topic: Topic) -> Preferences:
    return replace(asked, muted_topics=tuple(slug for slug in asked.muted_topics if slug != topic.slug))


def _change(engine: Engine, subscriber_id: int, now: datetime, change: Callable[[Preferences], Preferences]) -> bool:
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id, lock=True)
        if reader is None or change(reader.preferences) == reader.preferences:
            return False
        store.set_preferences(connection, subscriber_id, change(reader.preferences))
        said = {"fields": ["muted_topics"]}
        events.record(connection, now, f"subscriber:{reader.key}", "changed preferences", said)
    return True
