"""Lists deliveries for programs: of one subscriber, of an issue, or with one state, in parts of any size."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, true

from digest.database.dialect import use_indexed_order
from digest.database.tables import bounces, deliveries, issues
from digest.issues.audit import EXPLAINED, why_of
from digest.issues.story import came_back
from digest.ledger.kinds import State
from digest.ledger.totals import ENDED

_MANY = 20_000  # deliveries of an issue, which are then read in the order of an index rather than sorted


@dataclass(frozen=True, slots=True)
class DeliveryDetails:
    """One message to one recipient, and what became of it."""

    id: int
    kind: str
    occasion: str  # ISO date
    recipient: str  # recipient key
    subscriber_id: int | None  # None once deleted
    issue_id: int | None
    state: State
    why: str  # it was not simply accepted; "" if it was
    attempts: int
    due_at: datetime
    next_attempt_at: datetime | None  # None once finished
    finished_at: datetime | None
    message_id: str  # "" before it was composed
    reply_code: int | None  # of the mail server's last reply
    reply_text: str


def with_state(
    connection: Connection, state: State | None, limit: int, before: int | None = None
) -> list[DeliveryDetails]:
    """Those in one state that has an index, or all, newest first; only those with a number below `before`."""
    number: ColumnElement[int] = deliveries.c.id
    if state in ENDED:
        number = deliveries.c.id + 0  # or PostgreSQL reads all newer deliveries rather than the index of these few
    conditions = [] if state is None else [deliveries.c.state == state]
    if before is not None:
        conditions.append(deliveries.c.id < before)
    return _read(connection, conditions, number.desc(), limit)


def bounced(connection: Connection, limit: int, before: int | None = None) -> list[DeliveryDetails]:
    """Deliveries that were refused or came back later, newest first; only those with a number below `before`."""
    earlier = bounces.c.delivery_id < before if before is not None else true()
    late = select(bounces.c.delivery_id).where(earlier).distinct().order_by(bounces.c.delivery_id.desc()).limit(limit)
    back = _read(connection, [deliveries.c.id.in_(connection.scalars(late).all())], deliveries.c.id.desc(), limit)
    every = {each.id: each for each in (*with_state(connection, State.REFUSED, limit, before), *back)}
    return sorted(every.values(), key=lambda each: each.id, reverse=True)[:limit]


def of_recipient(connection: Connection, key: str, limit: int, before: int | None = None) -> list[DeliveryDetails]:
    """Those of one recipient, newest first; only those with a number below `before`."""
    conditions = [deliveries.c.recipient == key]
    if before is not None:
        conditions.append(deliveries.c.id < before)
    # A recipient has few: PostgreSQL must not look for them among the newest of all.
    return _read(connection, conditions, (deliveries.c.id + 0).desc(), limit)


def of_issue(
    connection: Connection, issue_id: int, state: State | None, limit: int, after: str = ""
) -> list[DeliveryDetails]:
    """Those of one issue, in one such state or all, by recipient; only those beyond the recipient `after`.

    No index has an issue's deliveries in any order, but one has those of each recipient together.
    """
    query = select(issues.c.kind, issues.c.date, issues.c.candidates).where(issues.c.id == issue_id)
    issue = connection.execute(query).one()
    conditions = [deliveries.c.issue_id == issue_id, deliveries.c.recipient > after]
    if state is not None:
        conditions.append(deliveries.c.state == state)
    if issue.candidates >= _MANY and state is None:
        conditions.append(deliveries.c.occasion == issue.date.isoformat())
        use_indexed_order(connection)
    return _read(connection, conditions, deliveries.c.recipient, limit)


def _read(
    connection: Connection, conditions: list[ColumnElement[bool]], order: ColumnElement[Any], limit: int
) -> list[DeliveryDetails]:
    query = select(*EXPLAINED).outerjoin(issues, issues.c.id == deliveries.c.issue_id).where(*conditions)
    return _with_bounces(connection, [_details(row) for row in connection.execute(query.order_by(order).limit(limit))])


def _with_bounces(connection: Connection, listed: list[DeliveryDetails]) -> list[DeliveryDetails]:
    """Add the reasons why accepted messages came back."""
    accepted = [each.id for each in listed if each.state is State.ACCEPTED]
    reasons = came_back(connection, accepted)
    return [replace(each, why=reasons.get(each.id, each.why)) for each in listed]


def _details(row: Row[tuple[object, ...]]) -> DeliveryDetails:
    return DeliveryDetails(
        id=row.id,
        kind=row.kind,
        occasion=row.occasion,
        recipient=row.recipient,
        subscriber_id=row.subscriber_id,
        issue_id=row.issue_id,
        state=State(row.state),
        why=why_of(row),
        attempts=row.attempts,
        due_at=row.due_at,
        next_attempt_at=None if row.finished_at else row.next_attempt_at,
        finished_at=row.finished_at,
        message_id=row.message_id,
        reply_code=row.reply_code,
        reply_text=row.reply_text,
    )
