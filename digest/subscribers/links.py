"""The link that opens a subscriber's data, and the end of the links that they have got so far."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Engine

from digest.ledger import events
from digest.ledger.kinds import Kind
from digest.ledger.queueing import NewDelivery, count_mails, queue_delivery
from digest.subscribers import store
from digest.subscribers.subscriber import event_subject
from digest.subscribers.suppressions import is_suppressed

# As long as the link works, so that whoever cannot get another one has one that does. Strangers are limited more
# (subscriptions.mail_link); this one is only for those who hold a link of the subscriber.
_ONE_A = timedelta(hours=24)


class LinkRequest(StrEnum):
    """The outcome of a request for a fresh link."""

    QUEUED = "queued"
    REPEATED = "repeated"  # one was queued within the last day
    SUPPRESSED = "suppressed"  # the address gets no email


def mail_fresh_link(engine: Engine, subscriber_id: int, now: datetime) -> LinkRequest:
    """Queue the email with the link to their data, whether or not they are subscribed."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or is_suppressed(connection, subscriber.key):
            return LinkRequest.SUPPRESSED
        new = NewDelivery(Kind.LINK, now.astimezone(UTC).date(), subscriber.key, subscriber.id, now)
        is_repeated = count_mails(connection, Kind.LINK, [subscriber.key], now - _ONE_A) > 0
        if is_repeated or queue_delivery(connection, new, now) is None:
            return LinkRequest.REPEATED
        events.record(connection, now, event_subject(subscriber.key), "asked for the link", {"mail": str(Kind.LINK)})
    return LinkRequest.QUEUED


def revoke_links(engine: Engine, subscriber_id: int, now: datetime) -> None:
    """End all links of a subscriber so far, except those to unsubscribe."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is not None:
            store.revoke_links(connection, subscriber_id)
            events.record(connection, now, event_subject(subscriber.key), "revoked links", {})
