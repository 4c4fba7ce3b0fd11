"""Ends a freeze of automatic suppression: the reports that were held are applied or discarded."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, select, text, update

from digest.database.dialect import use_indexed_order
from digest.database.engine import transaction
from digest.database.tables import bounces, failing, suppressions
from digest.database.tables.bounces import HELD
from digest.ledger.kinds import FailureEffect, FailureKind, SuppressionReason
from digest.mail.failures import Failure, apply
from digest.mail.suppression_guard import HOUR, Freeze, end_freeze

_AT_ONCE = 500  # reports per transaction


@dataclass(slots=True)
class Unfrozen:
    """The result of ending a freeze."""

    freeze: Freeze
    effects: Counter[FailureEffect] = field(default_factory=Counter)  # of the reports that were held
    lifted: int = 0  # number of suppressions from the hour before the freeze


def unfreeze(engine: Engine, now: datetime, discard: bool = False) -> Unfrozen | None:
    """Suppress addresses automatically again; None if suppression was not frozen.

    Applies the reports that were held. With `discard`, the failures were the provider's fault: the reports change
    nothing, and the addresses that were suppressed in the hour before the freeze get email again.
    """
    with transaction(engine) as connection:
        freeze = end_freeze(connection, now)
        if freeze is None:
            return None
        unfrozen = Unfrozen(freeze, lifted=_lift(connection, freeze) if discard else 0)
    while True:
        with transaction(engine) as connection:
            effects = _release(connection, discard)
        if not effects:
            return unfrozen
        unfrozen.effects.update(effects)


def _release(connection: Connection, discard: bool) -> list[FailureEffect]:
    use_indexed_order(connection)
    held = select(bounces).where(text(HELD)).order_by(bounces.c.id).limit(_AT_ONCE)
    effects = []
    for row in connection.execute(held.with_for_update(skip_locked=True)).all():
        effect = FailureEffect.DISCARDED if discard else apply(connection, _failure(row))
        connection.execute(update(bounces).where(bounces.c.id == row.id).values(effect=str(effect)))
        effects.append(effect)
    return effects


def _failure(row: Row[Any]) -> Failure:
    kind = FailureKind(row.kind)
    return Failure(row.delivery_id, row.recipient, row.subscriber_id, kind, row.status, None, row.way, row.at)


def _lift(connection: Connection, freeze: Freeze) -> int:
    """End the suppressions of the hour before the freeze, and forget which addresses wait for a second look."""
    since = freeze.since - HOUR
    recent = select(bounces.c.recipient).where(bounces.c.at >= since, bounces.c.kind == str(FailureKind.HARD))
    connection.execute(delete(failing).where(failing.c.recipient.in_(recent)))
    suppressed = recent.where(bounces.c.effect == str(FailureEffect.SUPPRESSED))
    lifted = delete(suppressions).where(
        suppressions.c.key.in_(suppressed),
        suppressions.c.reason == str(SuppressionReason.REFUSED),
        suppressions.c.created_at >= since,
    )
    number = connection.execute(lifted).rowcount
    this_hour = (bounces.c.at >= since) & (bounces.c.effect == str(FailureEffect.SUPPRESSED))
    is_hard = bounces.c.kind == str(FailureKind.HARD)
    connection.execute(update(bounces).where(this_hour, is_hard).values(effect=str(FailureEffect.DISCARDED)))
    return number
