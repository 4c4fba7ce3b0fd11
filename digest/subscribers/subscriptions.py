"""The actions on a subscription, each in one transaction. Messages are queued here, never sent.

Confirming queues an issue as well: issues/first_issue.py.
"""

from collections.abc import Callable, Collection
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.ledger.kinds import Kind, Status, SuppressionReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.subscribers import erasing, store
from digest.subscribers.mailboxes import (
    Mailbox,
    keys_of,
    mailbox_of,
    may_be_asked,
    remember_spelling,
    within_limits,
)
from digest.subscribers.subscriber import Consent, Preferences, Subscriber, event_subject
from digest.subscribers.suppressions import is_suppressed, lift, suppress, suppression_of

PENDING_FOR = timedelta(days=7)
UNDO_WITHIN = timedelta(hours=1)
UNSUBSCRIBED = "unsubscribed"
SAID_WHY = "said why they left"
_PREFERENCES = tuple(field.name for field in fields(Preferences))


Admit = Callable[[Connection], None]  # raises if the request is beyond a limit


def subscribe(
    engine: Engine,
    address: str,
    consent: Consent,
    secret: bytes,
    preferences: Preferences | None = None,
    admit: Admit = lambda _: None,
) -> bool:
    """Ask a normalised address to confirm; True if a message was queued, which whoever typed it must not learn.

    `preferences` apply to a new address only, so that nobody can change those of another person. A request changes
    nothing about someone who has confirmed before until it is confirmed; refusals by the mail server may be over.
    """
    with transaction(engine) as connection:
        admit(connection)
        return _ask(connection, mailbox_of(address, secret), consent, preferences or Preferences()) is not None


def _ask(connection: Connection, mailbox: Mailbox, consent: Consent, preferences: Preferences) -> Kind | None:
    """Return the kind of message that was queued."""
    queued, key = None, mailbox.key
    keys = keys_of(connection, key, mailbox.folded_key)
    if may_be_asked(connection, keys):
        if within_limits(connection, Kind.CONFIRMATION, key, keys, consent.requested_at):
            store.add_pending(connection, mailbox.address, key, preferences, consent)
        queued = _ask_to_confirm(connection, mailbox, consent)
    detail = {"form": consent.form, "mail": str(queued or "")}
    _record_request(connection, key, "asked to subscribe", consent.requested_at, detail)
    return queued


def _ask_to_confirm(connection: Connection, mailbox: Mailbox, consent: Consent) -> Kind | None:
    subscriber = store.by_key(connection, mailbox.key, lock=True)
    if subscriber is None:  # deleted at this moment, or not stored since it could not be asked
        return None
    is_refused = is_suppressed(connection, mailbox.key)
    kind = Kind.ALREADY if subscriber.status is Status.CONFIRMED and not is_refused else Kind.CONFIRMATION
    if kind is Kind.CONFIRMATION and subscriber.status is not Status.PENDING:
        store.add_request(connection, subscriber.id, consent)
    return kind if _queue_within_limits(connection, kind, subscriber, consent.requested_at, mailbox) else None


def confirm_again(engine: Engine, subscriber_id: int, now: datetime) -> bool:
    """Queue another confirmation email, within the limits, for someone whose link has expired; True if it was."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        queued = (
            subscriber is not None
            and _may_confirm(connection, subscriber)
            and _queue_within_limits(connection, Kind.CONFIRMATION, subscriber, now)
        )
        if subscriber and queued:
            _record(connection, subscriber.key, "asked for another confirmation", now)
    return queued


def why_suppressed(engine: Engine, subscriber: Subscriber) -> SuppressionReason | None:
    """Why no message would be sent to them, whatever their status."""
    with read_only(engine) as connection:
        return suppression_of(connection, subscriber.key)


def may_confirm(engine: Engine, subscriber: Subscriber) -> bool:
    """True if a request to subscribe waits for its confirmation."""
    with read_only(engine) as connection:
        return _may_confirm(connection, subscriber)


def _may_confirm(connection: Connection, subscriber: Subscriber) -> bool:
    return subscriber.status is Status.PENDING or store.open_request(connection, subscriber.id) is not None


def change_preferences(engine: Engine, subscriber_id: int, preferences: Preferences, now: datetime) -> bool:
    """Store new preferences, which apply from the next issue on. False for a deleted subscriber."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None:
            return False
        before, after = subscriber.preferences, _with_end_of_pause(subscriber.preferences, preferences, now)
        changed = [name for name in _PREFERENCES if getattr(before, name) != getattr(after, name)]
        if changed:
            store.set_preferences(connection, subscriber_id, after)
            _record(connection, subscriber.key, "changed preferences", now, {"fields": changed})
    return True


def _with_end_of_pause(before: Preferences, after: Preferences, now: datetime) -> Preferences:
    """Keep the date on which a pause ended, from which the next cut knows who gets a catch-up issue."""
    if before.paused_until is None or after.paused_until is not None:
        return after
    return replace(after, paused_until=min(before.paused_until, now.astimezone(ZoneInfo(after.zone)).date()))


def unsubscribe(engine: Engine, subscriber_id: int, now: datetime, how: str, goodbye: bool = False) -> bool:
    """End a subscription; queued messages are skipped when they are due. False when it had ended already.

    With `goodbye`, subscribers who had confirmed get a last message, within the limits. An address
    whose request was not confirmed is suppressed, so that it is not asked again when someone enters it.
    """
    with transaction(engine) as connection:
        return end_subscription(connection, subscriber_id, now, how, goodbye)


def end_subscription(
    connection: Connection, subscriber_id: int, now: datetime, how: str, goodbye: bool = False
) -> bool:
    """Like unsubscribe(), within a transaction."""
    subscriber = store.by_id(connection, subscriber_id, lock=True)
    if subscriber is None:
        return False
    ended = store.set_unsubscribed(connection, subscriber_id, now)
    withdrawn = store.withdraw_request(connection, subscriber_id)
    if not ended and not withdrawn:
        return False
    was_confirmed = ended and subscriber.status is Status.CONFIRMED
    if not was_confirmed or withdrawn:
        suppress(connection, subscriber.key, SuppressionReason.ASKED, "", now)
    _record(connection, subscriber.key, UNSUBSCRIBED, now, {"how": how})
    if goodbye and was_confirmed and not is_suppressed(connection, subscriber.key):
        _queue_within_limits(connection, Kind.GOODBYE, subscriber, now)
    return True


def unsubscribe_confirmed(engine: Engine, subscriber_ids: Collection[int], now: datetime, how: str) -> Collection[int]:
    """Do as unsubscribe() for many, in one transaction that waits for no other. Returns those it did; the rest have no
    subscription, have more to end than that, or are being changed: unsubscribe() them one by one.
    """
    with transaction(engine) as connection:
        keys = store.unsubscribe_confirmed(connection, subscriber_ids, now)
        events.record_each(connection, now, [event_subject(key) for key in keys.values()], UNSUBSCRIBED, {"how": how})
    return keys


def say_why(engine: Engine, subscriber_id: int, reason: str, words: str, now: datetime) -> bool:
    """Record why a subscriber left, once each time. False when it was recorded before, or they are subscribed."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or subscriber.status is not Status.UNSUBSCRIBED:
            return False
        last = events.latest(connection, 1, event_subject(subscriber.key))
        if last and last[0].what == SAID_WHY:
            return False
        _record(connection, subscriber.key, SAID_WHY, now, {"reason": reason, "words": words})
    return True


def resubscribe(engine: Engine, subscriber_id: int, now: datetime, within: timedelta | None = None) -> bool:
    """Undo unsubscribing after a confirmation; with `within`, only if it was recent. False when nothing changed."""
    since = now - within if within is not None else None
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or suppression_of(connection, subscriber.key) not in (None, SuppressionReason.ASKED):
            return False  # no issue would arrive
        if not store.undo_unsubscribe(connection, subscriber_id, now, since):
            return False
        store.withdraw_request(connection, subscriber_id)
        lift(connection, subscriber.key, SuppressionReason.ASKED)
        _record(connection, subscriber.key, "subscribed again", now)
    return True


def resubscribe_with_consent(engine: Engine, subscriber_id: int, form: str, now: datetime) -> bool:
    """Subscribe someone again who unsubscribed and has told an operator otherwise; `form` says how.

    False when nothing changed.
    """
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or subscriber.status is not Status.UNSUBSCRIBED:
            return False
        if suppression_of(connection, subscriber.key) not in (None, SuppressionReason.ASKED):
            return False  # no issue would arrive
        store.withdraw_request(connection, subscriber_id)
        store.add_request(connection, subscriber_id, Consent(now, requested_from="", form=form[:40]))
        store.set_confirmed(connection, subscriber_id, "operator", now)
        lift(connection, subscriber.key, SuppressionReason.ASKED)
        _record(connection, subscriber.key, "subscribed again", now, {"consented": form})
    return True


def allow_asking(engine: Engine, subscriber_id: int, now: datetime) -> bool:
    """Undo "never email this address again", so that it can be signed up. False when nothing changed."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or not lift(connection, subscriber.key, SuppressionReason.ASKED):
            return False
        _record(connection, subscriber.key, "may be asked again", now)
    return True


def mail_link(engine: Engine, address: str, now: datetime, secret: bytes, admit: Admit = lambda _: None) -> bool:
    """Queue an email with the link to the preferences, within the limits; True if it was queued, as in subscribe()."""
    mailbox = mailbox_of(address, secret)
    with transaction(engine) as connection:
        admit(connection)
        subscriber = store.by_key(connection, mailbox.key, lock=True)
        queued = (
            subscriber is not None
            and subscriber.status is Status.CONFIRMED
            and not is_suppressed(connection, mailbox.key)
            and _queue_within_limits(connection, Kind.LINK, subscriber, now, mailbox)
        )
        detail = {"mail": str(Kind.LINK) if queued else ""}
        _record_request(connection, mailbox.key, "asked for the link", now, detail)
        return queued


def find(engine: Engine, subscriber_id: int) -> Subscriber | None:
    """Read a subscriber; None once deleted."""
    with read_only(engine) as connection:
        return store.by_id(connection, subscriber_id)


def erase(engine: Engine, subscriber_id: int, now: datetime) -> bool:
    """Delete a subscriber; the ledger keeps their deliveries without the address. False when already deleted."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or not erasing.erase_subscriber(connection, subscriber, now):
            return False
    erasing.remove_traces(engine, now, at_once=True)
    return True


def purge_pending(engine: Engine, now: datetime) -> int:
    """Delete those who did not confirm within a week of their first request; return how many."""
    with transaction(engine) as connection:
        deleted = erasing.purge_pending(connection, now - PENDING_FOR)
        if deleted:
            events.record(connection, now, "subscribers", "forgot who never confirmed", {"count": deleted})
    return deleted


def _queue_within_limits(
    connection: Connection, kind: Kind, subscriber: Subscriber, now: datetime, mailbox: Mailbox | None = None
) -> bool:
    """Queue a message that someone asked for; as tomorrow's where the ledger holds the one of today, refused."""
    keys = keys_of(connection, subscriber.key, mailbox.folded_key if mailbox else None)
    if not within_limits(connection, kind, subscriber.key, keys, now):
        return False
    if mailbox is not None:
        remember_spelling(connection, mailbox)
    today = now.astimezone(UTC).date()
    return any(
        queue_delivery(connection, NewDelivery(kind, day, subscriber.key, subscriber.id, now), now) is not None
        for day in (today, today + timedelta(days=1))
    )


def _record_request(connection: Connection, key: str, what: str, now: datetime, detail: dict[str, Any]) -> None:
    """Operators see which address is flooded, and a flood does not fill the table."""
    record = events.record if detail["mail"] else events.record_once_a_day
    record(connection, now, event_subject(key), what, detail)


def _record(connection: Connection, key: str, what: str, now: datetime, detail: dict[str, Any] | None = None) -> None:
    events.record(connection, now, event_subject(key), what, detail or {})
