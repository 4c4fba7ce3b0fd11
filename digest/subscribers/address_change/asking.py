"""Asking for a change of address. The request is stored with the answer, and its emails are queued after it: so neither
the answer nor its time says anything about the new address, as in form_requests.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import DATABASE_AWAY, problem_of, read_only, transaction
from digest.ledger import events
from digest.ledger.kinds import Kind, Status
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.subscribers import store as subscribers
from digest.subscribers.address_change import store
from digest.subscribers.address_change.change import REQUEST_LIMITS, AddressChange
from digest.subscribers.form_requests import LEFT_OVER_AFTER
from digest.subscribers.mailboxes import keys_of, mailbox_of, may_be_asked, remember_spelling, within_limits
from digest.subscribers.subscriber import Subscriber, event_subject, recipient_key
from digest.subscribers.suppressions import is_suppressed

log = structlog.get_logger()

# The ledger holds one email of a kind to an address for each of these days, and REQUEST_LIMITS allows no more of them.
_DAYS = tuple(timedelta(days=number) for number in range(REQUEST_LIMITS[-1][1]))


class ChangeRefusal(StrEnum):
    """Why a request was not taken; it says nothing about the new address."""

    NOT_SUBSCRIBED = "not subscribed"
    SAME = "same"
    SUPPRESSED = "suppressed"  # the old address gets no email, so it could not confirm
    TOO_OFTEN = "too often"


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request to change to a normalised address; `requested_from`: a keyed hash of the client's address."""

    address: str
    requested_at: datetime
    requested_from: str
    form: str  # which form and version of its text
    by_operator: bool = False  # who vouches for the subscriber: the old address is told, and not asked


def request_change(
    engine: Engine,
    subscriber_id: int,
    new: NewRequest,
    secret: bytes,
    admit: Callable[[Connection], None] = lambda _: None,
) -> AddressChange | ChangeRefusal:
    """Store a request, in the place of an open one. `admit` raises if the request is beyond a limit."""
    with subscribers.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or subscriber.status is not Status.CONFIRMED:
            return ChangeRefusal.NOT_SUBSCRIBED
        if refusal := _refusal(connection, subscriber, new):
            return refusal
        admit(connection)
        store.end_open(connection, subscriber_id, new.requested_at)
        change = store.add_change(
            connection,
            subscriber_id=subscriber_id,
            old_email=subscriber.email,
            new_email=new.address,
            old_key=subscriber.key,
            new_key=recipient_key(new.address, secret),
            requested_at=new.requested_at,
            requested_from=new.requested_from,
            form=new.form,
            old_confirmed_at=new.requested_at if new.by_operator else None,
        )
        events.record(connection, new.requested_at, event_subject(subscriber.key), "asked to change the address", {})
    return change


def _refusal(connection: Connection, subscriber: Subscriber, new: NewRequest) -> ChangeRefusal | None:
    if new.address == subscriber.email:
        return ChangeRefusal.SAME
    if new.by_operator:
        return None
    if is_suppressed(connection, subscriber.key):
        return ChangeRefusal.SUPPRESSED
    counts = (
        store.count_requests(connection, subscriber.id, new.requested_at - period) < most
        for period, most in REQUEST_LIMITS
    )
    return None if all(counts) else ChangeRefusal.TOO_OFTEN


def queue_emails(engine: Engine, number: int, now: datetime, secret: bytes) -> tuple[Kind, ...]:
    """Queue the emails of a request, once. Returns their kinds, which whoever asked must not learn."""
    with transaction(engine) as connection:
        change = store.change_with(connection, number)
        if change is None or change.subscriber_id is None:
            return ()
        subscriber = subscribers.by_id(connection, change.subscriber_id, lock=True)
        if subscriber is None or not store.set_asked(connection, number, now):
            return ()
        queued = []
        if change.old_confirmed_at is None and queue(connection, Kind.OLD_ADDRESS, subscriber, subscriber.key, now):
            queued.append(Kind.OLD_ADDRESS)
        if kind := _ask_new_address(connection, change, subscriber, secret, now):
            queued.append(kind)
    return tuple(queued)


def _ask_new_address(
    connection: Connection, change: AddressChange, subscriber: Subscriber, secret: bytes, now: datetime
) -> Kind | None:
    """Queue what the new address gets, within the limits on emails that strangers cause; None for nothing."""
    mailbox = mailbox_of(change.new_email, secret)
    keys = keys_of(connection, mailbox.key, mailbox.folded_key)
    if not may_be_asked(connection, keys):
        return None
    other = subscribers.by_key(connection, mailbox.key)
    is_taken = other is not None and other.id != subscriber.id and other.status is Status.CONFIRMED
    kind = Kind.ADDRESS_TAKEN if is_taken else Kind.NEW_ADDRESS
    if not within_limits(connection, kind, mailbox.key, keys, now):
        return None
    remember_spelling(connection, mailbox)
    to = other if is_taken and other else subscriber
    return kind if queue(connection, kind, to, mailbox.key, now) else None


def queue(connection: Connection, kind: Kind, subscriber: Subscriber, key: str, now: datetime) -> bool:
    """Queue an email about a change of address to the address behind `key`."""
    today = now.astimezone(UTC).date()
    return any(
        queue_delivery(connection, NewDelivery(kind, today + days, key, subscriber.id, now), now) is not None
        for days in _DAYS
    )


def queue_left_over(engine: Engine, secret: bytes, now: datetime) -> int:
    """Queue the emails of requests whose web process ended before it could; returns how many requests."""
    with read_only(engine) as connection:
        numbers = store.left_over(connection, now - LEFT_OVER_AFTER)
    for number in numbers:
        try:
            queue_emails(engine, number, now, secret)
        except DATABASE_AWAY:
            raise
        except Exception as problem:  # the others must not wait for it
            log.exception("the emails of a change of address could not be queued", problem=problem_of(problem))
    return len(numbers)


def end_old_requests(engine: Engine, now: datetime) -> None:
    """End the requests that were not confirmed in time, and forget the addresses that they named."""
    with transaction(engine) as connection:
        store.end_old(connection, now)
