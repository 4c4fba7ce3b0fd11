"""What readers said of papers by the links in their mails."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from digest.store.dialect import among
from digest.store.tables import opinions
from digest.subscribers.opinion import Opinion, Said


def opinions_of(connection: Connection, subscriber_ids: Collection[int]) -> dict[int, tuple[Opinion, ...]]:
    """What each of these readers said, oldest first; nobody is named who said nothing."""
    query = (
        select(opinions)
        .where(among(connection, opinions.c.subscriber_id, subscriber_ids))
        .order_by(opinions.c.subscriber_id, opinions.c.at, opinions.c.paper_id)
    )
    found: dict[int, list[Opinion]] = {}
    for row in connection.execute(query):
        found.setdefault(row.subscriber_id, []).append(Opinion(row.paper_id, Said(row.said), row.at))
    return {reader: tuple(said) for reader, said in found.items()}
