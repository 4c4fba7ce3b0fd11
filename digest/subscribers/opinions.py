"""What readers said of papers: the last that each said of each."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from digest.database.dialect import in_list, insert_or_change
from digest.database.tables import opinions
from digest.subscribers.opinion import FeedbackKind, PaperFeedback


def keep_opinion(connection: Connection, subscriber_id: int, opinion: PaperFeedback) -> None:
    """Store what a reader says of a paper, instead of what they said of it before."""
    row = {"subscriber_id": subscriber_id, "paper_id": opinion.paper_id, "said": str(opinion.said), "at": opinion.at}
    connection.execute(insert_or_change(connection, opinions, ["subscriber_id", "paper_id"]).values(row))


def take_back(connection: Connection, subscriber_id: int, paper_id: str) -> bool:
    """Forget what a reader said of one paper; False when there was nothing."""
    theirs = (opinions.c.subscriber_id == subscriber_id) & (opinions.c.paper_id == paper_id)
    return connection.execute(delete(opinions).where(theirs)).rowcount == 1


def forget_all(connection: Connection, subscriber_id: int) -> int:
    """Forget everything that a reader said; how many opinions that were."""
    return connection.execute(delete(opinions).where(opinions.c.subscriber_id == subscriber_id)).rowcount


def opinion_of(connection: Connection, subscriber_id: int, paper_id: str) -> PaperFeedback | None:
    """What one reader said of one paper."""
    return next((one for one in opinions_of_one(connection, subscriber_id) if one.paper_id == paper_id), None)


def opinions_of_one(connection: Connection, subscriber_id: int) -> tuple[PaperFeedback, ...]:
    """What one reader said, as opinions_of() has it."""
    return opinions_of(connection, [subscriber_id]).get(subscriber_id, ())


def opinions_of(connection: Connection, subscriber_ids: Collection[int]) -> dict[int, tuple[PaperFeedback, ...]]:
    """What each of many readers said, oldest first, by the reader's number; who said nothing is left out."""
    if not subscriber_ids:
        return {}
    query = select(opinions).where(in_list(connection, opinions.c.subscriber_id, subscriber_ids))
    found: dict[int, list[PaperFeedback]] = {}
    for row in connection.execute(query.order_by(opinions.c.at, opinions.c.paper_id)):
        found.setdefault(row.subscriber_id, []).append(PaperFeedback(row.paper_id, FeedbackKind(row.said), row.at))
    return {number: tuple(said) for number, said in found.items()}
