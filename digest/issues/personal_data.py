"""Everything that is stored about one subscriber (GDPR Art. 15 and 20)."""

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, select

from digest.database.engine import read_only
from digest.database.tables import deliveries
from digest.issues.profiles import stored_affinities, stored_profiles
from digest.ledger import events
from digest.papers.community import suggested_by, votes_by
from digest.subscribers import store
from digest.subscribers.address_change.store import changes_of
from digest.subscribers.library.saved import saved_by
from digest.subscribers.library.store import stored_library
from digest.subscribers.paper_feedback import feedback_by
from digest.subscribers.subscriber import event_subject
from digest.subscribers.suppressions import is_suppressed


def export(engine: Engine, subscriber_id: int) -> dict[str, Any] | None:
    """Return everything stored about a subscriber as plain JSON values; None once deleted."""
    with read_only(engine) as connection:
        subscriber = store.by_id(connection, subscriber_id)
        if subscriber is None:
            return None
        key = subscriber.key
        recorded = events.latest(connection, 10_000, event_subject(key))
        stored = {
            "subscriber": asdict(subscriber),
            "other_consents": [asdict(consent) for consent in store.other_consents(connection, subscriber_id)],
            "address_changes": [asdict(change) for change in changes_of(connection, subscriber_id)],
            "mails": _ledger_of(connection, key),
            "events": [{"at": event.at, "what": event.what, "detail": event.detail} for event in recorded],
            "opinions": [
                {"paper_id": feedback.paper_id, "said": feedback.kind, "at": feedback.at}
                for feedback in feedback_by(connection, subscriber.id)
            ],
            "library": stored_library(connection, subscriber.id),
            "saved": [saved._asdict() for saved in saved_by(connection, subscriber.id)],
            "profiles": stored_profiles(connection, subscriber.id),
            "tastes": stored_affinities(connection, subscriber.id),
            "votes": [{"paper_id": voted, "at": at} for voted, at in votes_by(connection, key).items()],
            "suggestions": [asdict(suggestion) for suggestion in suggested_by(connection, key)],
            "suppressed": is_suppressed(connection, key),
        }
    plain: dict[str, Any] = json.loads(json.dumps(stored, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value.isoformat()


_EXPORTED = (
    "kind",
    "occasion",
    "state",
    "reason",
    "due_at",
    "finished_at",
    "created_at",
    "selection",
    "message_id",
    "reply_code",
    "reply_text",
)


def _ledger_of(connection: Connection, key: str) -> list[dict[str, Any]]:
    """Return what the ledger stores about each delivery to a recipient, oldest first."""
    query = select(*(deliveries.c[name] for name in _EXPORTED)).where(deliveries.c.recipient == key)
    return [dict(row) for row in connection.execute(query.order_by(deliveries.c.id)).mappings()]
