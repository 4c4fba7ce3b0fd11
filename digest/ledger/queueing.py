"""Queues deliveries, each only once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from digest.database.dialect import insert_new, use_indexes
from digest.database.tables import deliveries, issue_schedule, issues
from digest.ledger.deliveries import is_waiting
from digest.ledger.kinds import WITH_PAPERS, Kind, SkipReason, State


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery before it is queued; the ledger holds one of each kind, occasion and recipient."""

    kind: Kind
    occasion: date
    recipient: str
    subscriber_id: int | None
    due_at: datetime
    issue_id: int | None = None


def queue_delivery(connection: Connection, delivery: NewDelivery, now: datetime) -> int | None:
    """Queue a delivery and count it among its issue's candidates; None when the ledger already has it.

    That of an issue has to be due at once: its schedule is stored.
    """
    row = new_row(delivery.occasion, now) | {
        "kind": str(delivery.kind),
        "recipient": delivery.recipient,
        "subscriber_id": delivery.subscriber_id,
        "due_at": delivery.due_at,
        "next_attempt_at": delivery.due_at,
        "issue_id": delivery.issue_id,
    }
    new = insert_new(connection, deliveries).values(row).returning(deliveries.c.id)
    delivery_id: int | None = connection.execute(new).scalar()
    if delivery_id is not None and delivery.issue_id is not None:
        more = update(issues).where(issues.c.id == delivery.issue_id).values(candidates=issues.c.candidates + 1)
        connection.execute(more)
    return delivery_id


def sent_before_restore(connection: Connection, kinds: Collection[Kind], day: date) -> Select[tuple[str]] | None:
    """Recipients on `day` of an issue that a restored database does not have; None if there are none."""
    was_sent = (deliveries.c.issue_id.is_(None), deliveries.c.state == State.SKIPPED)
    by = (deliveries.c.reason == SkipReason.RESTORED, deliveries.c.occasion == day.isoformat())
    of_day = (deliveries.c.kind == Kind.NOTICE) if Kind.NOTICE in kinds else deliveries.c.kind.in_(WITH_PAPERS)
    recipients = select(deliveries.c.recipient).where(of_day, *was_sent, *by)
    return recipients if connection.execute(recipients.limit(1)).first() else None


def store_schedule(connection: Connection, issue_ids: Collection[int]) -> None:
    """Store how many deliveries of issues that are being cut become due at each instant. Reads all of them once."""
    use_indexes(connection)
    by, waiting = (deliveries.c.issue_id, deliveries.c.next_attempt_at), deliveries.c.issue_id.is_not(None)
    sums = select(*by, func.count()).where(is_waiting(), waiting, deliveries.c.issue_id.in_(issue_ids)).group_by(*by)
    connection.execute(insert(issue_schedule).from_select(["issue_id", "at", "deliveries"], sums))


def count_mails(connection: Connection, kind: Kind, recipients: Collection[str], since: datetime) -> int:
    """Count the deliveries of `kind` queued for any of the recipients at or after `since`."""
    query = select(func.count()).where(
        deliveries.c.kind == kind, deliveries.c.recipient.in_(recipients), deliveries.c.created_at >= since
    )
    return connection.execute(query).scalar_one()


def new_row(occasion: date, now: datetime) -> dict[str, Any]:
    """The initial values of a row, except its kind, recipient and instants."""
    return {
        "occasion": occasion.isoformat(),
        "state": str(State.QUEUED),
        "reason": "",
        "attempts": 0,
        "crashes": 0,
        "worker": "",
        "message_id": "",
        "sha256": "",
        "in_doubt": False,
        "reply_enhanced": "",
        "reply_text": "",
        "created_at": now,
    }
