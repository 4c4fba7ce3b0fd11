"""The lists of papers that were once chosen for a reader, to explain them."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, or_, select

from digest.database.tables import deliveries, issues
from digest.issues.selection import Selection, selection_of
from digest.ledger.deliveries import MAY_ARRIVE, find
from digest.ledger.kinds import LISTED, State


@dataclass(frozen=True, slots=True)
class ChosenList:
    """What one mail of an issue was begun with."""

    delivery_id: int
    recipient: str
    subscriber_id: int | None  # None once erased
    state: State
    due_at: datetime
    selection: Selection


def chosen_list(connection: Connection, issue_id: int, recipient: str) -> ChosenList | None:
    """The list of an issue for one recipient; None when their mail was not due, not begun, or skipped."""
    query = (
        select(deliveries.c.id, deliveries.c.kind, deliveries.c.state, deliveries.c.due_at, issues.c.date)
        .join(issues, issues.c.id == deliveries.c.issue_id)
        .where(deliveries.c.recipient == recipient, deliveries.c.issue_id == issue_id)
    )
    row = connection.execute(query).one_or_none()
    delivery = find(connection, row.kind, row.date, recipient) if row else None
    if row is None or delivery is None or delivery.selection is None:
        return None
    return ChosenList(
        row.id, recipient, delivery.subscriber_id, State(row.state), row.due_at, selection_of(delivery.selection)
    )


def got_before(connection: Connection, chosen: ChosenList, since: date) -> set[str]:
    """The papers of the recipient's earlier mails, of occasions from `since` on."""
    earlier = or_(
        deliveries.c.due_at < chosen.due_at,
        and_(deliveries.c.due_at == chosen.due_at, deliveries.c.id < chosen.delivery_id),
    )
    query = select(deliveries.c.selection).where(
        deliveries.c.recipient == chosen.recipient,
        deliveries.c.kind.in_(sorted(LISTED)),
        deliveries.c.occasion >= since.isoformat(),
        deliveries.c.state.in_(MAY_ARRIVE),
        deliveries.c.selection.is_not(None),
        earlier,
    )
    return {pick[0] for stored in connection.scalars(query) for pick in stored["picks"]}
