"""Signing up many addresses at once: each asked by mail, or confirmed already somewhere else."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.subscribers import store
from digest.subscribers.addresses import BadAddress, normalise
from digest.subscribers.store import NewSubscriber
from digest.subscribers.subscriber import Consent, Preferences, event_subject, recipient_key
from digest.subscribers.subscriptions import RequestOrigin, subscribe


@dataclass(slots=True)
class Report:
    """What an import came to; `bad` = address and problem."""

    new: int = 0
    known: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)


def import_addresses(
    engine: Engine, addresses: Iterable[str], consented: str, now: datetime, secret: bytes, dry_run: bool = False
) -> Report:
    """Sign up each address. With `consented`, which says where they confirmed, they are confirmed at once and get the
    next issue; without it each gets a confirmation mail. An address that is known stays as it is.
    """
    report = Report()
    for text in addresses:
        try:
            address = normalise(text.strip())
        except BadAddress as problem:
            report.bad.append((text, str(problem)))
            continue
        with read_only(engine) as connection:
            known = store.by_key(connection, recipient_key(address, secret)) is not None
        report.known += known
        report.new += not known
        if not known and not dry_run:
            _add(engine, address, consented, now, secret)
    return report


def _add(engine: Engine, address: str, consented: str, now: datetime, secret: bytes) -> None:
    if not consented:
        subscribe(engine, address, RequestOrigin(form="import", client_hash=""), now, secret)
        return
    with transaction(engine) as connection:
        _add_confirmed(connection, address, consented, now, secret)


def _add_confirmed(connection: Connection, address: str, consented: str, now: datetime, secret: bytes) -> None:
    key = recipient_key(address, secret)
    consent = Consent(requested_at=now, requested_from="", form=f"import: {consented}"[:40])
    reader_id = store.add_pending(connection, NewSubscriber(address, key, Preferences(), consent))
    if reader_id is not None:
        store.set_confirmed(connection, reader_id, "import", now)
        events.record(connection, now, event_subject(key), "imported", {"consented": consented})
