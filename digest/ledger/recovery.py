"""What becomes of the mails of a worker that died. Three witnesses, the best first:

- its journal says what it was making, what it began and what was answered (mail/delivery/journal.py);
- its token says that it is gone: what it had claimed and not begun was certainly not sent;
- its lease is over: what it had begun may have arrived.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select, update

from digest.database.dialect import database_now
from digest.database.tables import deliveries
from digest.ledger.deliveries import DELIVERY, MAX_CRASHES, Delivery, delivery_of, waiting_state
from digest.ledger.kinds import State

_HELD = (State.CLAIMED, State.SENDING)


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many mails of dead workers went where."""

    answered: int = 0  # the answer was in the journal
    queued: int = 0  # certainly not sent
    in_doubt: int = 0
    quarantined: int = 0

    def __add__(self, other: "Recovered") -> "Recovered":
        return Recovered(
            self.answered + other.answered,
            self.queued + other.queued,
            self.in_doubt + other.in_doubt,
            self.quarantined + other.quarantined,
        )


def holders(connection: Connection) -> list[str]:
    """The workers that hold mails, dead or alive."""
    return list(connection.scalars(select(deliveries.c.worker).where(deliveries.c.state.in_(_HELD)).distinct()))


def held_by(connection: Connection, worker: str) -> dict[int, Delivery]:
    """What `worker` holds, by its number."""
    query = select(*DELIVERY).where(deliveries.c.worker == worker, deliveries.c.state.in_(_HELD))
    return {row.id: delivery_of(row) for row in connection.execute(query)}


def by_journal(
    connection: Connection,
    worker: str,
    begun: Collection[int],
    blamed: Collection[int] | None,
    hold: bool,
    now: datetime,
) -> Recovered:
    """The worker is dead and left its journal, whose answers are recorded. `begun`: on the wire without an answer;
    `blamed`: what it was making when it died (None: any of what it had claimed). All else was certainly not sent.
    """
    mine = deliveries.c.worker == worker
    in_doubt = _doubt(
        connection, and_(mine, deliveries.c.state == State.SENDING, deliveries.c.id.in_(begun)), hold, now
    )
    blame = mine if blamed is None else and_(mine, deliveries.c.id.in_(blamed))
    queued, quarantined = _not_begun(connection, and_(blame, deliveries.c.state == State.CLAIMED), 1, now)
    innocent, _none = _not_begun(connection, and_(mine, deliveries.c.state.in_(_HELD)), 0, now)
    return Recovered(0, queued + innocent, in_doubt, quarantined)


def by_token(connection: Connection, worker: str, now: datetime) -> Recovered:
    """The worker is gone, and so is its journal: what it had only claimed is queued again; any may be to blame."""
    claimed = and_(deliveries.c.worker == worker, deliveries.c.state == State.CLAIMED)
    queued, quarantined = _not_begun(connection, claimed, 1, now)
    return Recovered(queued=queued, quarantined=quarantined)


def by_lease(connection: Connection, hold: bool, now: datetime) -> Recovered:
    """Nothing was heard of these for longer than any conversation with a mail server lasts."""
    over = deliveries.c.lease_until < database_now(connection.dialect.name)
    queued, quarantined = _not_begun(connection, and_(deliveries.c.state == State.CLAIMED, over), 1, now)
    in_doubt = _doubt(connection, and_(deliveries.c.state == State.SENDING, over), hold, now)
    return Recovered(queued=queued, in_doubt=in_doubt, quarantined=quarantined)


def _not_begun(connection: Connection, which: ColumnElement[bool], crashes: int, now: datetime) -> tuple[int, int]:
    """How many were queued again, and how many set apart since too many workers died with them."""
    gone = {"lease_until": None, "worker": "", "crashes": deliveries.c.crashes + crashes}
    deadly = and_(which, deliveries.c.crashes + crashes >= MAX_CRASHES)
    apart = (
        update(deliveries)
        .where(deadly)
        .values(state=State.QUARANTINED, reason=f"{MAX_CRASHES} workers died with it", finished_at=now, **gone)
    )
    back = update(deliveries).where(which).values(state=waiting_state(), next_attempt_at=now, **gone)
    quarantined = connection.execute(apart).rowcount if crashes else 0
    return connection.execute(back).rowcount, quarantined


def _doubt(connection: Connection, which: ColumnElement[bool], hold: bool, now: datetime) -> int:
    unknown = (
        update(deliveries)
        .where(which)
        .values(
            state=State.UNCERTAIN,
            in_doubt=True,
            attempts=deliveries.c.attempts + 1,
            next_attempt_at=now,
            lease_until=None,
            worker="",
            reason="held: it may have arrived" if hold else "",
            finished_at=now if hold else None,
        )
    )
    return connection.execute(unknown).rowcount


def is_held_back() -> ColumnElement[bool]:
    """In doubt, and kept by the policy `hold` until the operator decides."""
    return and_(deliveries.c.state == State.UNCERTAIN, deliveries.c.finished_at.is_not(None))
