"""The bytes of messages without an issue, for a retry: such a message cannot be composed again."""

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select

from digest.database.tables import deliveries, messages
from digest.ledger.kinds import State


def keep_messages(connection: Connection, contents: Mapping[int, bytes]) -> None:
    """Store the bytes of each delivery's message in place of earlier ones."""
    if contents:
        connection.execute(messages.delete().where(messages.c.delivery_id.in_(contents)))
        rows = [{"delivery_id": delivery_id, "content": content} for delivery_id, content in contents.items()]
        connection.execute(insert(messages), rows)


def message_of(connection: Connection, delivery_id: int) -> bytes | None:
    """The bytes of a message without an issue."""
    return connection.execute(select(messages.c.content).where(messages.c.delivery_id == delivery_id)).scalar()


def forget_messages(connection: Connection) -> int:
    """Delete the bytes of messages that will not be repeated. Returns how many."""
    needed = select(deliveries.c.id).where(
        deliveries.c.state.in_([State.SENDING, State.CLAIMED, State.UNCERTAIN]),
        deliveries.c.id == messages.c.delivery_id,
    )
    return connection.execute(messages.delete().where(~needed.exists())).rowcount
