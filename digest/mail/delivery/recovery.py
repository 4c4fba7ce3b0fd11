"""Recovers the deliveries that a dead worker held. The evidence, best first:

- its journal says what it was working on, what it began to send and what was answered;
- its lock is free, so the worker is gone: what it had only claimed was certainly not sent;
- its lease is over: what it had begun to send may have arrived, except what its journal says was accepted. Such a
  worker may live, suspended, and finds its deliveries gone when it goes on.

The scheduler does this with each sweep and a worker before it claims; several may do it at the same time.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import transaction
from digest.ledger import deliveries, transitions
from digest.ledger.replies import count_replies
from digest.ledger.transitions import Recovered
from digest.ledger.worker_lock import is_gone
from digest.mail.delivery.choose import recipient_statuses
from digest.mail.delivery.journal import ALL, SUFFIX, JournalContent, journals, left_behind, peek, worker_of
from digest.mail.delivery.outcome import Outcome, record
from digest.mail.delivery.reply_counter import replies_in

log = structlog.get_logger()


def recover(engine: Engine, folder: Path, hold: bool, now: datetime) -> Recovered:
    """`folder` has this machine's journals; `hold`: what is in doubt waits for the operator."""
    recovered = Recovered()
    for journal in journals(folder):
        with left_behind(journal) as content:
            if content is not None:
                recovered += _by_journal(engine, worker_of(journal), content, hold, now)
    alive = {worker_of(journal) for journal in journals(folder)}
    with transaction(engine) as connection:
        holders = deliveries.holders(connection)
        for worker in holders:
            # A worker that locks its journal here is alive, even if it lost its lock while the database was away.
            if worker not in alive and is_gone(connection, worker):
                recovered += transitions.recover_by_lock(connection, worker, now)
        over_lease = transitions.holders_over_lease(connection) if holders else []
        for worker in over_lease:
            recovered += _accepted(connection, folder, worker, hold)
        if over_lease:
            recovered += transitions.recover_by_lease(connection, hold, now)
    if recovered != Recovered():
        log.warning("deliveries of a dead worker were recovered", **asdict(recovered))
    return recovered


def _accepted(connection: Connection, folder: Path, worker: str, hold: bool) -> Recovered:
    """Record what the journal of a worker, which still holds its lock, says was accepted."""
    content = peek(folder / f"{worker}{SUFFIX}")
    claims = deliveries.held_by(connection, worker) if content else {}
    answered = content.answered.values() if content else ()
    receipts = [each for each in answered if each.delivery_id in claims and each.outcome is Outcome.ACCEPTED]
    record(connection, worker, receipts, claims, hold)
    return Recovered(answered=len(receipts))


def _by_journal(engine: Engine, worker: str, content: JournalContent, hold: bool, now: datetime) -> Recovered:
    suspects = None if content.making == ALL else [content.making]
    with transaction(engine) as connection:
        claims = deliveries.held_by(connection, worker)
        receipts = [receipt for receipt in content.answered.values() if receipt.delivery_id in claims]
        record(connection, worker, receipts, claims, hold)
        others = transitions.recover_by_journal(connection, worker, content.begun, suspects, hold, now)
        people = {
            number: status.subscriber for number, status in recipient_statuses(connection, [*claims.values()]).items()
        }
        responses = [(person.email if (person := people[receipt.delivery_id]) else "", receipt) for receipt in receipts]
        count_replies(connection, now.astimezone(UTC).date(), replies_in(responses))
        return others + Recovered(answered=len(receipts))
