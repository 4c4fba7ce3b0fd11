"""Signing up many addresses at once; each is sent a confirmation email unless it was confirmed elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.subscribers import store
from digest.subscribers.addresses import BadAddress, normalise
from digest.subscribers.subscriber import Consent, Preferences, event_subject, recipient_key
from digest.subscribers.subscriptions import subscribe


@dataclass(slots=True)
class Report:
    """Counts of an import, and each rejected text with its problem."""

    new: int = 0
    already_there: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)


def import_addresses(
    engine: Engine, addresses: Iterable[str], consented: str, now: datetime, secret: bytes, dry_run: bool = False
) -> Report:
    """Sign up each address that is not stored yet.

    With `consented`, which says where they confirmed, addresses are confirmed at once; without it each is asked.
    """
    report = Report()
    for text in addresses:
        try:
            address = normalise(text.strip())
        except BadAddress as problem:
            report.bad.append((text, str(problem)))
            continue
        with read_only(engine) as connection:
            is_new = store.by_key(connection, recipient_key(address, secret)) is None
        report.new += is_new
        report.already_there += not is_new
        if is_new and not dry_run:
            _add(engine, address, consented, now, secret)
    return report


def _add(engine: Engine, address: str, consented: str, now: datetime, secret: bytes) -> None:
    if not consented:
        subscribe(engine, address, Consent(now, requested_from="", form="import"), secret)
        return
    key = recipient_key(address, secret)
    consent = Consent(requested_at=now, requested_from="", form=f"import: {consented}"[:40])
    with transaction(engine) as connection:
        subscriber_id = store.add_pending(connection, address, key, Preferences(), consent)
        if subscriber_id is not None:
            store.set_confirmed(connection, subscriber_id, "import", now)
            events.record(connection, now, event_subject(key), "imported", {"consented": consented})
