"""Lists of papers that were chosen for a subscriber, as the ledger stores them."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, or_, select

from digest.database.tables import deliveries
from digest.issues.selection import Selection, selection_of
from digest.ledger.deliveries import MAY_ARRIVE
from digest.ledger.kinds import LISTED, State


@dataclass(frozen=True, slots=True)
class ChosenList:
    """The papers with which a message of an issue was begun."""

    delivery_id: int
    recipient: str
    subscriber_id: int | None  # None once deleted
    state: State
    due_at: datetime
    selection: Selection


def chosen_list(connection: Connection, issue_id: int, recipient: str) -> ChosenList | None:
    """Return the list of an issue for a recipient; None if their message was not begun."""
    columns = (deliveries.c.id, deliveries.c.subscriber_id, deliveries.c.state, deliveries.c.due_at)
    query = select(*columns, deliveries.c.selection).where(
        deliveries.c.recipient == recipient, deliveries.c.issue_id == issue_id
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.selection is None:
        return None
    return ChosenList(row.id, recipient, row.subscriber_id, State(row.state), row.due_at, selection_of(row.selection))


def got_before(connection: Connection, chosen: ChosenList, since: date) -> set[str]:
    """Return the papers of the recipient's earlier messages, of occasions from `since` on."""
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
