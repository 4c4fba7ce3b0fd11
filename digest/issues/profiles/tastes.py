"""Affinities of the papers of an issue, computed at its cut and never changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from digest.database.dialect import in_list
from digest.database.tables import opinions, papers, subscribers, tastes
from digest.ledger.kinds import Status


@dataclass(frozen=True, slots=True)
class PaperAffinities:
    """One subscriber's affinity to the papers of an issue, by paper id."""

    affinity: Mapping[str, float]
    neighbours: Mapping[str, str]  # title of the liked paper that it resembles
    words: Sequence[str] = ()  # the strongest of the profile


def keep_affinities(connection: Connection, issue_id: int, by_subscriber: Mapping[int, PaperAffinities]) -> None:
    rows = [
        {
            "issue_id": issue_id,
            "subscriber_id": subscriber_id,
            "affinity": dict(affinities.affinity),
            "kin": dict(affinities.neighbours),
            "words": list(affinities.words),
        }
        for subscriber_id, affinities in by_subscriber.items()
    ]
    connection.execute(insert(tastes), rows)


def affinities_of(connection: Connection, issue_id: int, subscriber_ids: Collection[int]) -> dict[int, PaperAffinities]:
    """Return the affinities of these subscribers; those without any are omitted."""
    query = select(tastes.c.subscriber_id, tastes.c.affinity, tastes.c.kin)
    query = query.where(tastes.c.issue_id == issue_id, in_list(connection, tastes.c.subscriber_id, subscriber_ids))
    return {row.subscriber_id: PaperAffinities(row.affinity, row.kin) for row in connection.execute(query)}


def newest_words(connection: Connection, subscriber_id: int) -> tuple[str, ...]:
    """Return the strongest words of a subscriber's profile at the last cut; empty without a profile."""
    query = select(tastes.c.words).where(tastes.c.subscriber_id == subscriber_id)
    return tuple(connection.scalar(query.order_by(tastes.c.issue_id.desc()).limit(1)) or ())


def stored_profiles(connection: Connection, subscriber_id: int) -> list[dict[str, Any]]:
    """Return everything stored about one subscriber's profile, oldest first, for their export."""
    query = select(tastes).where(tastes.c.subscriber_id == subscriber_id).order_by(tastes.c.issue_id)
    return [
        {name: value for name, value in row._mapping.items() if name != "subscriber_id"}
        for row in connection.execute(query)
    ]


def subscribers_with_feedback(connection: Connection) -> list[int]:
    """Return the ids of the confirmed subscribers who gave feedback."""
    with_feedback = select(opinions.c.subscriber_id).distinct()
    confirmed = subscribers.c.status == Status.CONFIRMED
    query = select(subscribers.c.id).where(subscribers.c.id.in_(with_feedback), confirmed)
    return list(connection.scalars(query.order_by(subscribers.c.id)))


def texts_of(connection: Connection, paper_ids: Collection[str], newest: int) -> dict[str, str]:
    """Return title, abstract and keywords of these papers and of the `newest` others, by id."""
    columns = (papers.c.id, papers.c.title, papers.c.abstract, papers.c.summary, papers.c.keywords)
    wanted = select(*columns).where(in_list(connection, papers.c.id, paper_ids))
    latest = select(*columns).order_by(papers.c.first_seen_at.desc(), papers.c.id).limit(newest)
    rows = [*connection.execute(wanted), *connection.execute(latest)]
    return {row.id: f"{row.title} {row.abstract or row.summary} {' '.join(row.keywords)}" for row in rows}
