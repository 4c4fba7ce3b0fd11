"""The outbox of events for the endpoints of webhooks, filled in the transaction of each change that they report.

An event names its subscriber and delivery by number alone; digest/monitoring/webhooks reads the rest when it sends it.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, String, bindparam, insert, literal, select, update

from digest.database.dialect import Id, Instant, Json, as_rows, rows_of
from digest.database.tables import webhook_endpoints, webhook_events


class EventType(StrEnum):
    """Of an event that other programs can be told of."""

    SUBSCRIBED = "subscriber.subscribed"  # confirmed, added as confirmed, or subscribed again
    UNSUBSCRIBED = "subscriber.unsubscribed"  # after a confirmation; also by being deleted
    ADDRESS_CHANGED = "subscriber.address_changed"  # confirmed from the old and the new address
    BOUNCED = "message.bounced"  # refused by the mail server
    ISSUE_CUT = "issue.cut"
    ISSUE_FINISHED = "issue.finished"  # nothing of it waits any more; once for each issue
    TEST = "webhook.test"


CHOSEN_TYPES = tuple(EventType)[:-1]  # those that an endpoint can choose; a test comes by request


class EventState(StrEnum):
    """Of an event at one endpoint."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before it is stored."""

    data: Mapping[str, Any] = field(default_factory=dict)
    subscriber_id: int | None = None
    delivery_id: int | None = None


def publish(connection: Connection, what: EventType, at: datetime, events: Sequence[NewEvent]) -> None:
    """Store these events of one type for each endpoint that chose it, in one statement."""
    if events:
        dialect = connection.dialect.name
        connection.execute(_insert(dialect, what), {"at": at, **_rows(dialect, events)})


def publish_to(connection: Connection, endpoint_id: int, what: EventType, at: datetime, event: NewEvent) -> str:
    """Store an event for one endpoint, whatever it chose. Returns the event's id."""
    webhook_id = new_webhook_id()
    row = {"endpoint_id": endpoint_id, "webhook_id": webhook_id, "data": event.data, "at": at, "next_attempt_at": at}
    connection.execute(insert(webhook_events).values(type=str(what), **row, **_NEW))
    return webhook_id


def forget_answers(connection: Connection, subscriber_ids: Select[tuple[int]]) -> None:
    """Delete what endpoints answered to events of subscribers who are deleted now: it may repeat their address."""
    connection.execute(
        update(webhook_events).where(webhook_events.c.subscriber_id.in_(subscriber_ids)).values(answer="")
    )


def new_webhook_id() -> str:
    """Never used again, also not by a database that was restored from a backup."""
    return f"msg_{secrets.token_hex(14)}"


_NEW: dict[str, Any] = {"state": str(EventState.PENDING), "attempts": 0, "answer": ""}


@cache
def _insert(dialect: str, what: EventType) -> Any:
    given = rows_of(dialect, {"webhook_id": String(), "subscriber_id": Id, "delivery_id": Id, "data": Json})
    at = bindparam("at", type_=Instant())
    columns = {
        "endpoint_id": webhook_endpoints.c.id,
        "webhook_id": given.c.webhook_id,
        "subscriber_id": given.c.subscriber_id,
        "delivery_id": given.c.delivery_id,
        "data": given.c.data,
        "type": literal(str(what)),
        "at": at,
        "next_attempt_at": at,
        **{name: literal(value, webhook_events.c[name].type) for name, value in _NEW.items()},
    }
    chosen = webhook_endpoints.c.types.contains(f" {what} ")
    query = select(*columns.values()).select_from(webhook_endpoints.join(given, literal(True))).where(chosen)
    return insert(webhook_events).inline().from_select(list(columns), query)


def _rows(dialect: str, events: Sequence[NewEvent]) -> dict[str, Any]:
    return as_rows(
        dialect,
        [
            {
                "webhook_id": new_webhook_id(),
                "subscriber_id": event.subscriber_id,
                "delivery_id": event.delivery_id,
                "data": event.data,
            }
            for event in events
        ],
    )
