"""After the death of a worker: its journal, its token and its lease say what becomes of its mails.

Anybody may call it, often and at once: the scheduler with each sweep, a worker before it claims.
"""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Engine

from digest.database.engine import transaction
from digest.ledger import recovery
from digest.ledger.recovery import Recovered
from digest.ledger.worker_lock import is_gone
from digest.mail.delivery.journal import ALL, JournalContent, journals, left_behind, worker_of
from digest.mail.delivery.outcome import record

log = structlog.get_logger()


def recover(engine: Engine, folder: Path, hold: bool, now: datetime) -> Recovered:
    """Put in order what dead workers held. `folder` has this machine's journals; `hold`: what is in doubt waits for the
    operator. Returns what went where.
    """
    recovered = Recovered()
    for journal in journals(folder):
        with left_behind(journal) as found:
            if found is not None:
                recovered += _by_journal(engine, worker_of(journal), found, hold, now)
    alive = {worker_of(journal) for journal in journals(folder)}
    with transaction(engine) as connection:
        for worker in recovery.holders(connection):
            # Whoever locks its journal on this machine lives, also when the database was away and lost its token.
            if worker not in alive and is_gone(connection, worker):
                recovered += recovery.by_token(connection, worker, now)
        recovered += recovery.by_lease(connection, hold, now)
    if recovered != Recovered():
        log.warning("mails of a dead worker were put in order", **asdict(recovered))
    return recovered


def _by_journal(engine: Engine, worker: str, found: JournalContent, hold: bool, now: datetime) -> Recovered:
    blamed = None if found.making == ALL else [found.making]
    with transaction(engine) as connection:
        mails = recovery.held_by(connection, worker)
        receipts = [receipt for receipt in found.answered.values() if receipt.delivery_id in mails]
        record(connection, worker, receipts, mails, hold)
        others = recovery.by_journal(connection, worker, found.begun, blamed, hold, now)
        return others + Recovered(answered=len(receipts))
