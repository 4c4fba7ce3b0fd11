"""Subscribers' feedback on papers: the latest of each subscriber on each paper, and the topics that they mute.

An action of a subscriber is one transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, union_all

from digest.database.dialect import in_list, insert_new, insert_or_change
from digest.database.tables import library_entries, opinions, profiles, stale_profiles
from digest.ledger import events
from digest.papers.store import papers_with
from digest.papers.topics import TOPICS, Topic
from digest.subscribers import store
from digest.subscribers.subscriber import event_subject


class FeedbackKind(StrEnum):
    """Stored values, which are also part of links."""

    MORE = "more"  # more like this
    LESS = "less"
    READ = "read"  # already read: not shown again, and without effect on the profile


@dataclass(frozen=True, slots=True)
class PaperFeedback:
    """The latest feedback of one subscriber on one paper."""

    paper_id: str
    kind: FeedbackKind
    at: datetime
    from_library: bool = False  # implied by their library, without any feedback


def give(engine: Engine, subscriber_id: int, paper_id: str, kind: FeedbackKind, now: datetime) -> bool:
    """Store feedback on a paper in place of earlier feedback. False for an unknown paper or subscriber."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or not papers_with(connection, [paper_id]):
            return False
        keep(connection, subscriber_id, PaperFeedback(paper_id, kind, now))
    return True


def keep(connection: Connection, subscriber_id: int, feedback: PaperFeedback) -> None:
    """Store feedback in place of earlier feedback on the same paper."""
    new = insert_or_change(connection, opinions, ["subscriber_id", "paper_id"])
    connection.execute(
        new.values(subscriber_id=subscriber_id, paper_id=feedback.paper_id, said=str(feedback.kind), at=feedback.at)
    )
    mark_profile_stale(connection, subscriber_id)


def take_back(engine: Engine, subscriber_id: int, paper_id: str) -> bool:
    """Delete the feedback on one paper; False when there was none."""
    with store.editing(engine, subscriber_id) as (connection, _subscriber):
        theirs = delete(opinions).where(opinions.c.subscriber_id == subscriber_id, opinions.c.paper_id == paper_id)
        taken_back = connection.execute(theirs).rowcount == 1
        if taken_back:
            delete_profile(connection, subscriber_id)
            mark_profile_stale(connection, subscriber_id)
    return taken_back


def delete_all_feedback(engine: Engine, subscriber_id: int, now: datetime) -> int:
    """Delete all feedback on papers and return how many papers. Interests and muted topics stay."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        theirs = delete(opinions).where(opinions.c.subscriber_id == subscriber_id)
        forgotten = connection.execute(theirs).rowcount
        delete_profile(connection, subscriber_id)
        if subscriber and forgotten:
            # The count alone: no log names the papers, so nothing is left of feedback that was deleted.
            events.record(connection, now, event_subject(subscriber.key), "forgot opinions", {"count": forgotten})
    return forgotten


def mark_profile_stale(connection: Connection, subscriber_id: int) -> None:
    """Let the next run of issues/profiles/refresh.py compute the profile anew; until then the last one is used."""
    connection.execute(insert_new(connection, stale_profiles).values(subscriber_id=subscriber_id))


def delete_profile(connection: Connection, subscriber_id: int) -> None:
    connection.execute(delete(profiles).where(profiles.c.subscriber_id == subscriber_id))


def mute(engine: Engine, subscriber_id: int, topic: Topic, now: datetime, muted: bool = True) -> bool:
    """Mute a topic and stop following it, or show its papers again. False when nothing changed."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None:
            return False
        before = subscriber.preferences
        slugs = {*before.muted_topics, topic.slug} if muted else {*before.muted_topics} - {topic.slug}
        after = replace(
            before,
            topics=tuple(slug for slug in before.topics if slug not in slugs),
            muted_topics=tuple(listed.slug for listed in TOPICS if listed.slug in slugs),
        )
        if after != before:
            store.set_preferences(connection, subscriber_id, after)
            detail = {"fields": ["muted_topics"]}
            events.record(connection, now, event_subject(subscriber.key), "changed preferences", detail)
    return after != before


def feedback_on(connection: Connection, subscriber_id: int, paper_id: str) -> PaperFeedback | None:
    given = {feedback.paper_id: feedback for feedback in feedback_by(connection, subscriber_id)}
    return given.get(paper_id)


def feedback_by(connection: Connection, subscriber_id: int) -> tuple[PaperFeedback, ...]:
    """Return one subscriber's feedback, oldest first."""
    return all_feedback(connection, [subscriber_id]).get(subscriber_id, ())


IN_LIBRARY = library_entries.c.state == "matched"  # entries that count as liked papers


def has_liked(connection: Connection, subscriber_id: int) -> bool:
    """Return whether a subscriber wants more of some paper, or has brought one with their library."""
    liked = (opinions.c.subscriber_id == subscriber_id) & (opinions.c.said == FeedbackKind.MORE)
    owned = (library_entries.c.subscriber_id == subscriber_id) & IN_LIBRARY
    papers = (select(opinions.c.paper_id).where(liked), select(library_entries.c.paper_id).where(owned))
    return any(connection.scalar(query.limit(1)) is not None for query in papers)


def rated_among(
    connection: Connection, subscriber_ids: Collection[int], paper_ids: Collection[str]
) -> dict[int, set[str]]:
    """Return which of these papers each subscriber has rated or has in their library; those without any are omitted."""
    if not subscriber_ids or not paper_ids:
        return {}
    rows = union_all(
        *(
            select(rows.c.subscriber_id, rows.c.paper_id).where(
                in_list(connection, rows.c.subscriber_id, subscriber_ids),
                in_list(connection, rows.c.paper_id, paper_ids),
            )
            for rows in (opinions, library_entries)
        )
    )
    rated: dict[int, set[str]] = {}
    for subscriber_id, paper_id in connection.execute(rows):
        rated.setdefault(subscriber_id, set()).add(paper_id)
    return rated


def all_feedback(connection: Connection, subscriber_ids: Collection[int]) -> dict[int, tuple[PaperFeedback, ...]]:
    """Return feedback by subscriber, oldest first; subscribers without any are omitted."""
    if not subscriber_ids:
        return {}
    query = select(opinions).where(in_list(connection, opinions.c.subscriber_id, subscriber_ids))
    given: dict[int, list[PaperFeedback]] = {}
    for row in connection.execute(query.order_by(opinions.c.at, opinions.c.paper_id)):
        given.setdefault(row.subscriber_id, []).append(PaperFeedback(row.paper_id, FeedbackKind(row.said), row.at))
    return {subscriber_id: tuple(feedback) for subscriber_id, feedback in given.items()}


_MOST_OF_LIBRARY = 500  # entries that count, the last: the time for a profile grows with their square


def likes_and_dislikes(connection: Connection, subscriber_ids: Collection[int]) -> dict[int, tuple[PaperFeedback, ...]]:
    """Return by subscriber what a profile is computed from: the papers of their library that they did not rate
    otherwise, then their feedback, oldest first; subscribers without either are omitted.
    """
    given = all_feedback(connection, subscriber_ids)
    owned: dict[int, list[PaperFeedback]] = {}
    for subscriber_id, paper_id, at in connection.execute(_in_libraries(connection, subscriber_ids)):
        owned.setdefault(subscriber_id, []).append(PaperFeedback(paper_id, FeedbackKind.MORE, at, from_library=True))
    together: dict[int, tuple[PaperFeedback, ...]] = {}
    for subscriber_id in sorted(given.keys() | owned.keys()):
        feedback = given.get(subscriber_id, ())
        rated = {item.paper_id for item in feedback if item.kind is not FeedbackKind.READ}
        together[subscriber_id] = (
            *(item for item in owned.get(subscriber_id, ()) if item.paper_id not in rated),
            *feedback,
        )
    return together


def _in_libraries(connection: Connection, subscriber_ids: Collection[int]) -> Any:
    """Select the last papers of each library, in order of their ids."""
    entries = library_entries
    last = func.row_number().over(partition_by=entries.c.subscriber_id, order_by=entries.c.id.desc()).label("last")
    rows = select(entries.c.subscriber_id, entries.c.paper_id, entries.c.at, last).where(
        in_list(connection, entries.c.subscriber_id, subscriber_ids), IN_LIBRARY
    )
    counting = rows.subquery()
    query = select(counting.c.subscriber_id, counting.c.paper_id, func.min(counting.c.at))
    query = query.where(counting.c.last <= _MOST_OF_LIBRARY).group_by(counting.c.subscriber_id, counting.c.paper_id)
    return query.order_by(counting.c.paper_id)
