"""What readers' opinions mean for the papers of an issue, computed at its cut and never changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from digest.database.dialect import in_list
from digest.database.tables import opinions, papers, subscribers, tastes
from digest.ledger.kinds import Status

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PaperAffinities:
    """By paper id: how much the paper is a reader's, and the title of one that they liked and that it resembles.

    `words`: the strongest of their profile.
    """

    affinity: Mapping[str, float]
    kin: Mapping[str, str]
    words: Sequence[str] = ()


def add_leanings(connection: Connection, issue_id: int, found: Mapping[int, PaperAffinities]) -> None:
    """Keep what was computed for an issue, by the number of the reader."""
    rows = [
        {
            "issue_id": issue_id,
            "subscriber_id": reader,
            "affinity": dict(one.affinity),
            "kin": dict(one.kin),
            "words": list(one.words),
        }
        for reader, one in found.items()
    ]
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(insert(tastes), rows[start : start + _AT_ONCE])


def leanings_of(connection: Connection, issue_id: int, readers: Collection[int]) -> dict[int, PaperAffinities]:
    """What was kept for these readers; nobody is named of whom nothing is."""
    columns = (tastes.c.subscriber_id, tastes.c.affinity, tastes.c.kin)
    query = select(*columns).where(tastes.c.issue_id == issue_id, in_list(connection, tastes.c.subscriber_id, readers))
    return {row.subscriber_id: PaperAffinities(row.affinity, row.kin) for row in connection.execute(query)}


def newest_words(connection: Connection, reader: int) -> tuple[str, ...]:
    """The strongest words of a reader's profile at the last cut; empty where nothing was kept."""
    query = select(tastes.c.words).where(tastes.c.subscriber_id == reader)
    return tuple(connection.scalar(query.order_by(tastes.c.issue_id.desc()).limit(1)) or ())


def kept_of_one(connection: Connection, reader: int) -> list[dict[str, Any]]:
    """All that was kept about one reader, oldest first, for their own eyes."""
    query = select(tastes).where(tastes.c.subscriber_id == reader).order_by(tastes.c.issue_id)
    return [
        {name: value for name, value in row._mapping.items() if name != "subscriber_id"}
        for row in connection.execute(query)
    ]


def opinionated(connection: Connection) -> list[int]:
    """The confirmed readers who said something, by number."""
    spoke = select(opinions.c.subscriber_id).distinct()
    query = select(subscribers.c.id).where(subscribers.c.id.in_(spoke), subscribers.c.status == Status.CONFIRMED)
    return list(connection.scalars(query.order_by(subscribers.c.id)))


def texts_of(connection: Connection, paper_ids: Collection[str], newest: int) -> dict[str, str]:
    """Title, abstract and keywords of these papers and of the `newest` others, by id."""
    columns = (papers.c.id, papers.c.title, papers.c.abstract, papers.c.summary, papers.c.keywords)
    asked = select(*columns).where(in_list(connection, papers.c.id, paper_ids))
    latest = select(*columns).order_by(papers.c.first_seen_at.desc(), papers.c.id).limit(newest)
    rows = [*connection.execute(asked), *connection.execute(latest)]
    return {row.id: f"{row.title} {row.abstract or row.summary} {' '.join(row.keywords)}" for row in rows}
