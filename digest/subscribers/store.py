"""Readers: their status, preferences and consent. Transitions of the status live here and nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from digest.database.dialect import insert_new
from digest.database.tables import deliveries, messages, subscribers, suppressions
from digest.ledger.kinds import Status
from digest.subscribers.subscriber import Consent, Frequency, Preferences, Recipient, Subscriber


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """Somebody who asked to be a reader, before the database gives them a number."""

    email: str  # normalised
    key: str
    preferences: Preferences
    consent: Consent


def add_pending(connection: Connection, new: NewSubscriber) -> int | None:
    """Store a pending reader; None when the address is there already, in whatever status."""
    at = new.consent.requested_at
    row = {
        "email": new.email,
        "key": new.key,
        "status": str(Status.PENDING),
        **_preferences_row(new.preferences),
        **_request_row(new.consent),
        "created_at": at,
        "changed_at": at,
    }
    added = insert_new(connection, subscribers).values(row).returning(subscribers.c.id)
    subscriber_id: int | None = connection.execute(added).scalar()
    return subscriber_id


def by_id(connection: Connection, subscriber_id: int, lock: bool = False) -> Subscriber | None:
    """The reader with this number. With `lock`, nobody else changes them until the transaction ends."""
    return _one(connection, subscribers.c.id == subscriber_id, lock)


def by_key(connection: Connection, key: str, lock: bool = False) -> Subscriber | None:
    """The reader with this recipient key. With `lock`, nobody else changes them until the transaction ends."""
    return _one(connection, subscribers.c.key == key, lock)


def with_status(connection: Connection, status: Status | None = None) -> list[Subscriber]:
    """All readers, or those of one status, in the order of their coming."""
    query = select(subscribers).order_by(subscribers.c.id)
    if status is not None:
        query = query.where(subscribers.c.status == status)
    return [_subscriber(row) for row in connection.execute(query)]


# --- transitions: each is one conditional statement, and says whether it changed anything ---


def request_again(connection: Connection, subscriber_id: int, consent: Consent) -> bool:
    """A reader who is not confirmed asked (again): pending by this new request, with their old preferences."""
    values = {"status": str(Status.PENDING), **_request_row(consent), "changed_at": consent.requested_at}
    return _change(connection, subscriber_id, (Status.PENDING, Status.UNSUBSCRIBED), values)


def set_confirmed(connection: Connection, subscriber_id: int, confirmed_from: str, now: datetime) -> bool:
    """A pending reader confirmed; nobody else is revived."""
    values = {"status": str(Status.CONFIRMED), "confirmed_at": now, "confirmed_from": confirmed_from, "changed_at": now}
    return _change(connection, subscriber_id, (Status.PENDING,), values)


def set_unsubscribed(connection: Connection, subscriber_id: int, now: datetime) -> bool:
    """A pending or confirmed reader wants no mail."""
    values = {"status": str(Status.UNSUBSCRIBED), "changed_at": now}
    return _change(connection, subscriber_id, (Status.PENDING, Status.CONFIRMED), values)


def undo_unsubscribe(connection: Connection, subscriber_id: int, now: datetime, since: datetime | None) -> bool:
    """Back to confirmed, for who had confirmed; with `since`, only when they unsubscribed at or after it."""
    change = update(subscribers).where(
        subscribers.c.id == subscriber_id,
        subscribers.c.status == str(Status.UNSUBSCRIBED),
        subscribers.c.confirmed_at.is_not(None),
    )
    if since is not None:
        change = change.where(subscribers.c.changed_at >= since)
    return connection.execute(change.values(status=str(Status.CONFIRMED), changed_at=now)).rowcount == 1


def set_preferences(connection: Connection, subscriber_id: int, preferences: Preferences) -> bool:
    """What the reader asks for from now on. `changed_at` stays: it tells of the status."""
    change = update(subscribers).where(subscribers.c.id == subscriber_id)
    return connection.execute(change.values(_preferences_row(preferences))).rowcount == 1


def _change(connection: Connection, subscriber_id: int, only_from: tuple[Status, ...], values: dict[str, Any]) -> bool:
    from_there = subscribers.c.status.in_([str(status) for status in only_from])
    change = update(subscribers).where(subscribers.c.id == subscriber_id, from_there)
    return connection.execute(change.values(values)).rowcount == 1


# --- forgetting ---


def purge_pending(connection: Connection, before: datetime) -> int:
    """Forget who never confirmed and last asked before `before`. Returns how many."""
    gone = (subscribers.c.status == str(Status.PENDING)) & (subscribers.c.requested_at < before)
    _unlink(connection, deliveries.c.subscriber_id.in_(select(subscribers.c.id).where(gone)))
    return connection.execute(delete(subscribers).where(gone)).rowcount


def erase(connection: Connection, subscriber_id: int, key: str) -> bool:
    """Forget one reader. The ledger keeps its rows, which name nobody; what mail servers said may hold the address."""
    _unlink(connection, deliveries.c.recipient == key)
    connection.execute(update(suppressions).where(suppressions.c.key == key).values(detail=""))
    return connection.execute(delete(subscribers).where(subscribers.c.id == subscriber_id)).rowcount == 1


def _unlink(connection: Connection, which: Any) -> None:
    connection.execute(delete(messages).where(messages.c.delivery_id.in_(select(deliveries.c.id).where(which))))
    connection.execute(update(deliveries).where(which).values(subscriber_id=None, reply_text=""))


# --- what is stored about a reader ---

_TOLD = ("kind", "occasion", "state", "reason", "due_at", "finished_at", "created_at", "selection", "reply_text")


def ledger_of(connection: Connection, key: str) -> list[dict[str, Any]]:
    """Every mail of one recipient as the ledger knows it, oldest first, for the reader's own eyes."""
    query = select(*(deliveries.c[name] for name in _TOLD)).where(deliveries.c.recipient == key)
    return [dict(row._mapping) for row in connection.execute(query.order_by(deliveries.c.id))]


# --- rows to values ---


def _one(connection: Connection, which: Any, lock: bool = False) -> Subscriber | None:
    query = select(subscribers).where(which)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return _subscriber(row) if row else None


def _subscriber(row: Row[Any]) -> Subscriber:
    return Subscriber(
        id=row.id,
        email=row.email,
        key=row.key,
        status=Status(row.status),
        preferences=_preferences([getattr(row, name) for name in _WANTS]),
        consent=Consent(row.requested_at, row.requested_from, row.form, row.confirmed_at, row.confirmed_from),
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


_WANTS = [one.name for one in fields(Preferences)]
# What a Reader is made of, in this order.
READER = (
    subscribers.c.id,
    subscribers.c.email,
    subscribers.c.status,
    *(subscribers.c[name] for name in _WANTS),
)


def reader_of(row: Row[Any]) -> Recipient:
    """The reader in a row with the columns READER; for the files of store/ only."""
    values: list[Any] = list(row)
    number, email, status, *wants = values
    return Recipient(number, email, Status(status), _preferences(wants))


def _preferences(columns: Sequence[Any]) -> Preferences:
    """From what the columns hold, in the order of the class."""
    lists, (surprise, papers, frequency, weekdays, *when) = columns[: len(_SEVERAL)], columns[len(_SEVERAL) :]
    values: list[Any] = [*map(tuple, lists), surprise, papers, Frequency(frequency), _weekdays(weekdays), *when]
    return Preferences(*values)


_SEVERAL = ("topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words")


@cache
def _weekdays(bits: int) -> frozenset[int]:
    return frozenset(day for day in range(7) if bits >> day & 1)


def _preferences_row(preferences: Preferences) -> dict[str, Any]:
    return {
        **{name: list(getattr(preferences, name)) for name in _SEVERAL},
        "surprise": preferences.surprise,
        "papers": preferences.papers,
        "frequency": str(preferences.frequency),
        "weekdays": sum(1 << day for day in preferences.weekdays),
        "zone": preferences.zone,
        "hour": preferences.hour,
        "paused_until": preferences.paused_until,
        "language": preferences.language,
    }


def _request_row(consent: Consent) -> dict[str, Any]:
    """A request is not yet consent: what confirmed an earlier one does not count for it."""
    return {
        "requested_at": consent.requested_at,
        "requested_from": consent.requested_from,
        "form": consent.form,
        "confirmed_at": None,
        "confirmed_from": "",
    }
