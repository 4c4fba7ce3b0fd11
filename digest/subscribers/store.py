"""Subscribers: their status, preferences and consent. Only this module changes a status."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, exists, func, insert, select, update

from digest.database.dialect import in_list_param, insert_new, use_indexed_order
from digest.database.engine import transaction
from digest.database.tables import consents, subscribers
from digest.ledger.kinds import Status
from digest.ledger.outbox import EventType, NewEvent, publish
from digest.ledger.replay_log import note_status
from digest.subscribers.subscriber import Balance, Consent, Frequency, Preferences, Recipient, Subscriber

IMPORT = "import"  # how the `form` of imported subscribers begins


def add_pending(
    connection: Connection, address: str, key: str, preferences: Preferences, consent: Consent
) -> int | None:
    """Store a pending subscriber with a normalised address; None if the address is stored already."""
    new = insert_new(connection, subscribers).values(
        email=address,
        key=key,
        status=str(Status.PENDING),
        link_version=0,
        created_at=consent.requested_at,
        changed_at=consent.requested_at,
        **preferences_row(preferences),
        **asdict(consent),
    )
    subscriber_id: int | None = connection.execute(new.returning(subscribers.c.id)).scalar()
    return subscriber_id


@contextmanager
def editing(engine: Engine, subscriber_id: int) -> Iterator[tuple[Connection, Subscriber | None]]:
    """Begin a transaction in which no other one can change the subscriber; None once deleted."""
    with transaction(engine) as connection:
        yield connection, by_id(connection, subscriber_id, lock=True)


def by_id(connection: Connection, subscriber_id: int, lock: bool = False) -> Subscriber | None:
    """Read a subscriber; with `lock`, no other transaction can change them until this one ends."""
    return _read(connection, subscribers.c.id == subscriber_id, lock)


def by_key(connection: Connection, key: str, lock: bool = False) -> Subscriber | None:
    """Read a subscriber by recipient key; with `lock`, no other transaction can change them until this one ends."""
    return _read(connection, subscribers.c.key == key, lock)


def count_by_status(connection: Connection) -> dict[str, int]:
    query = (
        select(subscribers.c.status, func.count().label("number"))
        .group_by(subscribers.c.status)
        .order_by(subscribers.c.status)
    )
    return {row.status: row.number for row in connection.execute(query)}


def with_status(connection: Connection, status: Status | None = None) -> Iterator[Subscriber]:
    """Yield all subscribers, or those with one status, oldest first, from a cursor of the database."""
    query = select(subscribers).order_by(subscribers.c.id)
    if status is not None:
        query = query.where(subscribers.c.status == status)
    use_indexed_order(connection)  # the first row at once, instead of after sorting a million
    for row in connection.execute(query, execution_options={"yield_per": 1000}):
        yield _subscriber(row)


def newest(
    connection: Connection, limit: int, before: int | None = None, status: Status | None = None
) -> list[Subscriber]:
    """Return the subscribers who were stored last; only those with a number below `before`, and with one status."""
    query = select(subscribers) if before is None else select(subscribers).where(subscribers.c.id < before)
    query = query if status is None else query.where(subscribers.c.status == status)
    return [_subscriber(row) for row in connection.execute(query.order_by(subscribers.c.id.desc()).limit(limit))]


def beginning_with(connection: Connection, prefix: str, limit: int, after: str = "") -> list[Subscriber]:
    """Return subscribers beyond the address `after` whose address begins with `prefix`, as typed or in lower case."""
    matching: dict[str, Subscriber] = {}
    for spelling in {prefix, prefix.lower()}:
        # A range rather than LIKE, for which SQLite would use no index. An address has no sign beyond "~".
        in_range = (subscribers.c.email >= spelling) & (subscribers.c.email < f"{spelling}\x7f")
        query = select(subscribers).where(in_range, subscribers.c.email > after)
        rows = connection.execute(query.order_by(subscribers.c.email).limit(limit))
        matching |= {row.email: _subscriber(row) for row in rows}
    return [matching[email] for email in sorted(matching)[:limit]]


# --- transitions: each is one conditional statement, and returns whether it changed anything ---


def set_confirmed(connection: Connection, subscriber_id: int, confirmed_from: str, now: datetime) -> bool:
    """Confirm a pending subscriber, or the open request of another; who unsubscribed and has none stays so."""
    values = {"status": str(Status.CONFIRMED), "confirmed_at": now, "confirmed_from": confirmed_from, "changed_at": now}
    if _change(connection, subscriber_id, (Status.PENDING,), values):
        _publish(connection, EventType.SUBSCRIBED, now, [subscriber_id])
        return True
    subscriber, request = by_id(connection, subscriber_id, lock=True), open_request(connection, subscriber_id)
    if subscriber is None or request is None:
        return False
    # A consent is kept when another replaces it.
    withdraw_request(connection, subscriber_id)
    if subscriber.consent.confirmed_at:
        _add_consent(connection, subscriber_id, subscriber.consent)
    if subscriber.status is not Status.CONFIRMED:
        _publish(connection, EventType.SUBSCRIBED, now, [subscriber_id])
    return _change(connection, subscriber_id, tuple(Status), asdict(request) | values)


def unsubscribe_confirmed(connection: Connection, subscriber_ids: Collection[int], now: datetime) -> dict[int, str]:
    """Unsubscribe confirmed subscribers without an open request, except rows that another transaction has locked.

    Returns their recipient keys.
    """
    values = {"ids": list(subscriber_ids), "now": now}
    keys = {row.id: row.key for row in connection.execute(_unsubscribe_confirmed(connection.dialect.name), values)}
    _publish(connection, EventType.UNSUBSCRIBED, now, keys)
    for key in keys.values():
        note_status(connection, key, Status.UNSUBSCRIBED)
    return keys


@cache
def _unsubscribe_confirmed(dialect: str) -> Any:
    # Building this statement takes as long as running it. Their status is compared apart from finding them: with its
    # index PostgreSQL may read all who are confirmed.
    which = in_list_param(dialect, subscribers.c.id, "ids")
    free = select(subscribers.c.id, subscribers.c.status).where(which).with_for_update(skip_locked=True).cte("free")
    is_confirmed = (subscribers.c.id == free.c.id) & (free.c.status == str(Status.CONFIRMED))
    asks = exists().where(consents.c.subscriber_id == free.c.id, consents.c.confirmed_at.is_(None))
    values = {"status": str(Status.UNSUBSCRIBED), "changed_at": bindparam("now")}
    change = update(subscribers).where(is_confirmed, ~asks).values(values)
    return change.returning(subscribers.c.id, subscribers.c.key)


def set_unsubscribed(connection: Connection, subscriber_id: int, now: datetime) -> bool:
    values = {"status": str(Status.UNSUBSCRIBED), "changed_at": now}
    if _change(connection, subscriber_id, (Status.CONFIRMED,), values):
        _publish(connection, EventType.UNSUBSCRIBED, now, [subscriber_id])
        return True
    return _change(connection, subscriber_id, (Status.PENDING,), values)


def undo_unsubscribe(connection: Connection, subscriber_id: int, now: datetime, since: datetime | None) -> bool:
    """Confirm subscribers again who had confirmed; with `since`, only those who unsubscribed at or after it."""
    recently = [] if since is None else [subscribers.c.changed_at >= since]
    values = {"status": str(Status.CONFIRMED), "changed_at": now}
    had_confirmed = subscribers.c.confirmed_at.is_not(None)
    if not _change(connection, subscriber_id, (Status.UNSUBSCRIBED,), values, had_confirmed, *recently):
        return False
    _publish(connection, EventType.SUBSCRIBED, now, [subscriber_id])
    return True


def set_preferences(connection: Connection, subscriber_id: int, preferences: Preferences) -> None:
    """Replace a subscriber's preferences. `changed_at` stays, since it belongs to the status."""
    row = preferences_row(preferences)
    connection.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(row))


def revoke_links(connection: Connection, subscriber_id: int) -> None:
    """End all links of a subscriber so far, except those to unsubscribe."""
    which = subscribers.c.id == subscriber_id
    connection.execute(update(subscribers).where(which).values(link_version=subscribers.c.link_version + 1))


def _publish(connection: Connection, what: EventType, now: datetime, subscriber_ids: Iterable[int]) -> None:
    publish(connection, what, now, [NewEvent(subscriber_id=each) for each in subscriber_ids])


def _change(
    connection: Connection, subscriber_id: int, before: tuple[Status, ...], values: dict[str, Any], *conditions: Any
) -> bool:
    has_status = subscribers.c.status.in_([str(status) for status in before])
    change = update(subscribers).where(subscribers.c.id == subscriber_id, has_status, *conditions)
    key = connection.execute(change.values(values).returning(subscribers.c.key)).scalar()
    if key is None:
        return False
    note_status(connection, key, Status(values["status"]))
    return True


# --- requests that are kept apart until they are confirmed ---


def add_request(connection: Connection, subscriber_id: int, consent: Consent) -> None:
    """Keep a request of someone who has a row already; one that is open stays as it is."""
    if open_request(connection, subscriber_id) is None:
        _add_consent(connection, subscriber_id, consent)


def _add_consent(connection: Connection, subscriber_id: int, consent: Consent) -> None:
    connection.execute(insert(consents).values(subscriber_id=subscriber_id, **asdict(consent)))


def open_request(connection: Connection, subscriber_id: int) -> Consent | None:
    return next((consent for consent in other_consents(connection, subscriber_id) if not consent.confirmed_at), None)


def other_consents(connection: Connection, subscriber_id: int) -> list[Consent]:
    """Return all but the current one, oldest first: earlier ones, and an open request."""
    query = select(*(consents.c[field.name] for field in fields(Consent)))
    query = query.where(consents.c.subscriber_id == subscriber_id).order_by(consents.c.id)
    return [Consent(*row) for row in connection.execute(query)]


def withdraw_request(connection: Connection, subscriber_id: int) -> bool:
    """Delete the open request; False when there is none."""
    is_open = (consents.c.subscriber_id == subscriber_id) & consents.c.confirmed_at.is_(None)
    return connection.execute(delete(consents).where(is_open)).rowcount == 1


# --- rows to values ---


def _read(connection: Connection, condition: Any, lock: bool) -> Subscriber | None:
    query = select(subscribers).where(condition)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return _subscriber(row) if row else None


def _subscriber(row: Row[Any]) -> Subscriber:
    return Subscriber(
        id=row.id,
        email=row.email,
        key=row.key,
        status=Status(row.status),
        preferences=_preferences([getattr(row, name) for name in _PREFERENCES]),
        link_version=row.link_version,
        consent=Consent(row.requested_at, row.requested_from, row.form, row.confirmed_at, row.confirmed_from),
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


_PREFERENCES = [field.name for field in fields(Preferences)]
RECIPIENT = (
    subscribers.c.id,
    subscribers.c.email,
    subscribers.c.status,
    *(subscribers.c[name] for name in _PREFERENCES),
    subscribers.c.link_version,
)


def recipient_of(row: Row[Any]) -> Recipient:
    """Convert a row with the columns RECIPIENT."""
    values: list[Any] = list(row)
    subscriber_id, email, status, *preferences, link_version = values
    return Recipient(subscriber_id, email, Status(status), _preferences(preferences), link_version=link_version)


def _preferences(columns: Sequence[Any]) -> Preferences:
    """Convert the values of the columns, which are in the order of the class."""
    lists, others = columns[: len(_LISTS)], columns[len(_LISTS) :]
    surprise, balance, papers, full_lists, frequency, weekdays, *when = others
    own = (surprise, _BALANCES[balance], papers, full_lists, _FREQUENCIES[frequency], _weekdays(weekdays), *when)
    values: list[Any] = [*map(tuple, lists), *own]
    return Preferences(*values)


# By their values: calling an enumeration takes several times as long, for each subscriber of an issue.
_BALANCES = {balance.value: balance for balance in Balance}
_FREQUENCIES = {frequency.value: frequency for frequency in Frequency}
_LISTS = ("topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words")


@cache
def _weekdays(bits: int) -> frozenset[int]:
    return frozenset(day for day in range(7) if bits >> day & 1)


def preferences_row(preferences: Preferences) -> dict[str, Any]:
    return {
        **{name: list(getattr(preferences, name)) for name in _LISTS},
        "surprise": preferences.surprise,
        "balance": str(preferences.balance),
        "full_lists": preferences.full_lists,
        "papers": preferences.papers,
        "frequency": str(preferences.frequency),
        "weekdays": sum(1 << day for day in preferences.weekdays),
        "zone": preferences.zone,
        "hour": preferences.hour,
        "paused_until": preferences.paused_until,
        "language": preferences.language,
    }
