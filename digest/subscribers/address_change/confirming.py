"""Confirming a change of address from both addresses; the second one carries it out, in one transaction."""

from datetime import datetime

from sqlalchemy import Connection, Engine

from digest.database.dialect import wait_for_writers
from digest.database.engine import read_only, transaction
from digest.database.tables import issues
from digest.ledger import events
from digest.ledger.kinds import Kind, Status, SuppressionReason
from digest.ledger.outbox import EventType, NewEvent, publish
from digest.ledger.replay_log import note_move
from digest.ledger.transitions import move_recipient
from digest.papers.community import move_votes
from digest.subscribers import erasing
from digest.subscribers import store as subscribers
from digest.subscribers.address_change import store
from digest.subscribers.address_change.asking import queue
from digest.subscribers.address_change.change import AddressChange, ChangeOutcome, Side
from digest.subscribers.subscriber import Subscriber, event_subject
from digest.subscribers.suppressions import lift, suppress, suppression_of

CHANGED = "changed the address"


def find_change(engine: Engine, number: int) -> tuple[AddressChange, Subscriber] | None:
    """The request with a number and its subscriber; None once they are erased."""
    with read_only(engine) as connection:
        change = store.change_with(connection, number)
        if change is None or change.subscriber_id is None:
            return None
        subscriber = subscribers.by_id(connection, change.subscriber_id)
    return (change, subscriber) if subscriber else None


def confirm_change(engine: Engine, number: int, side: Side, now: datetime, confirmed_from: str) -> ChangeOutcome:
    """Confirm a request from one of its addresses, and carry it out if the other has. Repeating it is safe."""
    with transaction(engine) as connection:
        change, subscriber = _locked(connection, number)
        if change is not None and change.changed_at is not None:
            return ChangeOutcome.CHANGED
        if change is None or subscriber is None or not _is_possible(change, subscriber, now):
            return ChangeOutcome.ENDED
        if change.confirmed_at(side) is None:
            store.set_confirmed(connection, number, side, now, confirmed_from)
            what = f"the {side} address confirmed its change"
            events.record(connection, now, event_subject(subscriber.key), what, {})
        if change.confirmed_at(Side.NEW if side is Side.OLD else Side.OLD) is None:
            return ChangeOutcome.WAITING
        return carry_out(connection, change, subscriber, now)


def cancel_change(engine: Engine, number: int, now: datetime) -> bool:
    """End a request from the old address; False if it is not open."""
    return _end(engine, number, now, "cancelled the change of address")


def decline_change(engine: Engine, number: int, now: datetime) -> bool:
    """End a request from the new address, which gets no such email again; False if it is not open."""
    return _end(engine, number, now, "the new address declined the change", declined=True)


def _end(engine: Engine, number: int, now: datetime, what: str, declined: bool = False) -> bool:
    with transaction(engine) as connection:
        change, subscriber = _locked(connection, number)
        if change is None or subscriber is None or not change.is_open(now):
            return False
        store.end_open(connection, subscriber.id, now)
        events.record(connection, now, event_subject(subscriber.key), what, {})
        other = subscribers.by_key(connection, change.new_key)
        if declined and (other is None or other.status is not Status.CONFIRMED):
            suppress(connection, change.new_key, SuppressionReason.ASKED, "", now)
    return True


def _locked(connection: Connection, number: int) -> tuple[AddressChange | None, Subscriber | None]:
    """A request as it is once no other transaction can change its subscriber."""
    change = store.change_with(connection, number)
    if change is None or change.subscriber_id is None:
        return None, None
    subscriber = subscribers.by_id(connection, change.subscriber_id, lock=True)
    return store.change_with(connection, number), subscriber


def _is_possible(change: AddressChange, subscriber: Subscriber, now: datetime) -> bool:
    return change.is_open(now) and subscriber.status is Status.CONFIRMED and subscriber.key == change.old_key


def carry_out(connection: Connection, change: AddressChange, subscriber: Subscriber, now: datetime) -> ChangeOutcome:
    """Carry the change out unless the new address is blocked or has a subscription, which then ends the request.

    A request there that was never confirmed, or a subscription that has ended, is replaced: the owner of the address
    has just confirmed.
    """
    blocked = suppression_of(connection, change.new_key) not in (None, SuppressionReason.REFUSED)
    other = subscribers.by_key(connection, change.new_key, lock=True)
    other = other if other and other.id != subscriber.id else None
    is_taken = other is not None and other.status is Status.CONFIRMED
    if blocked or is_taken:
        store.end_open(connection, subscriber.id, now)
        return ChangeOutcome.TAKEN if is_taken else ChangeOutcome.ENDED
    if other is not None:
        erasing.erase_subscriber(connection, other, now)
    move(connection, change, now)
    if change.old_key != change.new_key:
        queue(connection, Kind.ADDRESS_CHANGED, subscriber, change.old_key, now)
    return ChangeOutcome.CHANGED


def move(connection: Connection, change: AddressChange, now: datetime) -> None:
    """Give the subscriber their new address, and everything that is kept under the key of the old one.

    Suppressions, failures and other spellings are about the old address alone, and stay with it.
    """
    old, new = change.old_key, change.new_key
    wait_for_writers(connection, issues)  # an issue that is being cut would still queue for the old key
    if old != new:
        move_recipient(connection, old, new, now)
        move_votes(connection, old, new)
        events.move_subject(connection, event_subject(old), event_subject(new))
        note_move(connection, old, new)
    store.set_changed(connection, change, now)
    lift(connection, new, SuppressionReason.REFUSED)  # the address has just received our message
    events.record(connection, now, event_subject(new), CHANGED, {})
    publish(connection, EventType.ADDRESS_CHANGED, now, [NewEvent(subscriber_id=change.subscriber_id)])
