"""The rows of address changes."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, or_, select, update

from digest.database.dialect import in_list
from digest.database.tables import address_changes, deliveries, subscribers
from digest.ledger.deliveries import MAY_ARRIVE
from digest.ledger.kinds import Kind
from digest.subscribers.address_change.change import OPEN_FOR, AddressChange, Side

_t = address_changes
_COLUMNS = tuple(_t.c[field.name] for field in fields(AddressChange))
_IS_OPEN = and_(_t.c.changed_at.is_(None), _t.c.ended_at.is_(None))


def add_change(connection: Connection, **values: Any) -> AddressChange:
    """Store a request."""
    row = connection.execute(insert(_t).values(confirmed_from="", **values).returning(*_COLUMNS)).one()
    return AddressChange(*row)


def change_with(connection: Connection, number: int) -> AddressChange | None:
    return next(iter(_changes(connection, _t.c.id == number)), None)


def open_change(connection: Connection, subscriber_id: int) -> AddressChange | None:
    """The open request of a subscriber, however old."""
    return next(iter(_changes(connection, _t.c.subscriber_id == subscriber_id, _IS_OPEN)), None)


def changes_of(connection: Connection, subscriber_id: int) -> list[AddressChange]:
    """The changes of a subscriber's address that were carried out, oldest first."""
    return _changes(connection, _t.c.subscriber_id == subscriber_id, _t.c.changed_at.is_not(None))


def changes_from(connection: Connection, key: str) -> list[AddressChange]:
    """The changes of the address behind a recipient key, oldest first."""
    return _changes(connection, _t.c.old_key == key, _t.c.changed_at.is_not(None))


def was_sent_before_change(connection: Connection, key: str, kind: Kind, occasion: date) -> bool:
    """True if an address got a message that went with its former subscriber to another address."""
    sent = exists().where(
        deliveries.c.recipient == _key_now(),
        deliveries.c.kind == kind,
        deliveries.c.occasion == occasion.isoformat(),
        deliveries.c.state.in_(MAY_ARRIVE),
        deliveries.c.composed_at <= _t.c.changed_at,
    )
    return connection.execute(select(_t.c.id).where(_t.c.old_key == key, sent).limit(1)).first() is not None


def keys_by_former(connection: Connection) -> dict[str, str]:
    """By the key of each address that was changed, the key under which its subscriber's deliveries are now."""
    query = select(_t.c.old_key, _key_now().label("now")).where(_t.c.changed_at.is_not(None)).order_by(_t.c.id)
    return {row.old_key: row.now for row in connection.execute(query)}


def _key_now() -> ColumnElement[str]:
    """The key of the subscriber, who may have changed their address again; that of the change once they are erased."""
    key = select(subscribers.c.key).where(subscribers.c.id == _t.c.subscriber_id).scalar_subquery()
    return func.coalesce(key, _t.c.new_key)


def still_theirs(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of these keys whose subscriber gets email at another address now, which an old list does not have."""
    has_subscriber = and_(_t.c.changed_at.is_not(None), _t.c.subscriber_id.is_not(None))
    return set(connection.scalars(select(_t.c.old_key).where(has_subscriber, in_list(connection, _t.c.old_key, keys))))


def change_between(connection: Connection, old_key: str, new_key: str) -> AddressChange | None:
    """The newest request to change one address to another that was carried out or is open."""
    either = or_(_IS_OPEN, _t.c.changed_at.is_not(None))
    return next(reversed(_changes(connection, _t.c.old_key == old_key, _t.c.new_key == new_key, either)), None)


def changes_for(connection: Connection, subscriber_ids: Collection[int]) -> list[AddressChange]:
    """The requests of these subscribers that are open or were carried out, oldest first."""
    either = or_(_IS_OPEN, _t.c.changed_at.is_not(None))
    return _changes(connection, in_list(connection, _t.c.subscriber_id, subscriber_ids), either)


def left_over(connection: Connection, before: datetime) -> list[int]:
    """The numbers of open requests from before an instant whose emails were not queued."""
    which = (_IS_OPEN, _t.c.asked_at.is_(None), _t.c.requested_at < before, _t.c.subscriber_id.is_not(None))
    query = select(_t.c.id).where(*which)
    return list(connection.scalars(query.order_by(_t.c.id)))


def count_requests(connection: Connection, subscriber_id: int, since: datetime) -> int:
    query = select(func.count()).where(_t.c.subscriber_id == subscriber_id, _t.c.requested_at > since)
    return connection.execute(query).scalar_one()


def set_asked(connection: Connection, number: int, now: datetime) -> bool:
    """Note that the emails of a request are queued; False if they were, or it has ended."""
    which = and_(_t.c.id == number, _IS_OPEN, _t.c.asked_at.is_(None))
    return connection.execute(update(_t).where(which).values(asked_at=now)).rowcount == 1


def set_confirmed(connection: Connection, number: int, side: Side, now: datetime, confirmed_from: str) -> None:
    values: dict[str, Any] = {f"{side}_confirmed_at": now}
    if side is Side.NEW:
        values["confirmed_from"] = confirmed_from
    connection.execute(update(_t).where(_t.c.id == number, _IS_OPEN).values(values))


def set_changed(connection: Connection, change: AddressChange, now: datetime) -> None:
    """Store the new address of the subscriber, and that the change was carried out."""
    address = {"email": change.new_email, "key": change.new_key}
    connection.execute(update(subscribers).where(subscribers.c.id == change.subscriber_id).values(address))
    connection.execute(update(_t).where(_t.c.id == change.id).values(changed_at=now))


def end_open(connection: Connection, subscriber_id: int, now: datetime) -> bool:
    """End the open request of a subscriber, without the address that it named; False if there is none."""
    return _end(connection, _t.c.subscriber_id == subscriber_id, now) == 1


def end_old(connection: Connection, now: datetime) -> int:
    """Do the same with all requests that were not confirmed in time; returns how many."""
    return _end(connection, _t.c.requested_at <= now - OPEN_FOR, now)


def _end(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    ended = {"ended_at": now, "new_email": ""}
    return connection.execute(update(_t).where(which, _IS_OPEN).values(ended)).rowcount


def keys_of_changes(connection: Connection, subscriber_id: int) -> set[str]:
    """Every recipient key that a request of the subscriber names, its own and those of others."""
    query = select(_t.c.old_key, _t.c.new_key).where(_t.c.subscriber_id == subscriber_id)
    return {key for row in connection.execute(query) for key in row}


def forget_addresses(connection: Connection, subscriber_id: int) -> None:
    """Keep the changes of someone who is erased under their keys alone, which name nobody."""
    of_them = update(_t).where(_t.c.subscriber_id == subscriber_id)
    connection.execute(of_them.values(old_email="", new_email="", requested_from="", confirmed_from=""))


def _changes(connection: Connection, *conditions: ColumnElement[bool]) -> list[AddressChange]:
    rows: Sequence[Any] = connection.execute(select(*_COLUMNS).where(*conditions).order_by(_t.c.id)).all()
    return [AddressChange(*row) for row in rows]
