"""Subscribers' feedback on papers: the latest of each subscriber on each paper."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, select

from digest.database.dialect import in_list, insert_or_change
from digest.database.tables import opinions


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


def keep(connection: Connection, subscriber_id: int, feedback: PaperFeedback) -> None:
    """Store feedback in place of earlier feedback on the same paper."""
    row = {
        "subscriber_id": subscriber_id,
        "paper_id": feedback.paper_id,
        "said": str(feedback.kind),
        "at": feedback.at,
    }
    connection.execute(insert_or_change(connection, opinions, ["subscriber_id", "paper_id"]).values(row))


def take_back(connection: Connection, subscriber_id: int, paper_id: str) -> bool:
    """Delete the feedback on one paper; False when there was none."""
    theirs = (opinions.c.subscriber_id == subscriber_id) & (opinions.c.paper_id == paper_id)
    return connection.execute(delete(opinions).where(theirs)).rowcount == 1


def forget_all(connection: Connection, subscriber_id: int) -> int:
    """Delete all feedback of a subscriber and return how many papers."""
    return connection.execute(delete(opinions).where(opinions.c.subscriber_id == subscriber_id)).rowcount


def feedback_on(connection: Connection, subscriber_id: int, paper_id: str) -> PaperFeedback | None:
    given = feedback_by(connection, subscriber_id)
    return next((feedback for feedback in given if feedback.paper_id == paper_id), None)


def feedback_by(connection: Connection, subscriber_id: int) -> tuple[PaperFeedback, ...]:
    """Return one subscriber's feedback, oldest first."""
    return all_feedback(connection, [subscriber_id]).get(subscriber_id, ())


def all_feedback(connection: Connection, subscriber_ids: Collection[int]) -> dict[int, tuple[PaperFeedback, ...]]:
    """Return feedback by subscriber, oldest first; subscribers without any are omitted."""
    if not subscriber_ids:
        return {}
    query = select(opinions).where(in_list(connection, opinions.c.subscriber_id, subscriber_ids))
    given: dict[int, list[PaperFeedback]] = {}
    for row in connection.execute(query.order_by(opinions.c.at, opinions.c.paper_id)):
        given.setdefault(row.subscriber_id, []).append(PaperFeedback(row.paper_id, FeedbackKind(row.said), row.at))
    return {subscriber_id: tuple(feedback) for subscriber_id, feedback in given.items()}
