"""Affinities that an earlier version computed at the cut of an issue, for its lists."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from digest.database.dialect import in_list
from digest.database.tables import tastes


@dataclass(frozen=True, slots=True)
class PaperAffinities:
    """One subscriber's affinity to the papers of an issue, by paper id."""

    affinity: Mapping[str, float]
    neighbours: Mapping[str, str]  # title of the liked paper that it resembles


def affinities_of(connection: Connection, issue_id: int, subscriber_ids: Collection[int]) -> dict[int, PaperAffinities]:
    """Return the affinities of these subscribers; those without any are omitted."""
    query = select(tastes.c.subscriber_id, tastes.c.affinity, tastes.c.kin)
    query = query.where(tastes.c.issue_id == issue_id, in_list(connection, tastes.c.subscriber_id, subscriber_ids))
    return {row.subscriber_id: PaperAffinities(row.affinity, row.kin) for row in connection.execute(query)}


def stored_affinities(connection: Connection, subscriber_id: int) -> list[dict[str, Any]]:
    """Return everything stored about one subscriber, oldest first, for their export."""
    query = select(tastes).where(tastes.c.subscriber_id == subscriber_id).order_by(tastes.c.issue_id)
    return [
        {name: value for name, value in row._mapping.items() if name != "subscriber_id"}
        for row in connection.execute(query)
    ]
