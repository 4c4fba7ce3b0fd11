"""Changes of address, without the pages."""

from datetime import datetime

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.ledger.kinds import Kind
from digest.subscribers import store
from digest.subscribers.address_change.asking import NewRequest, queue_emails, request_change
from digest.subscribers.address_change.change import AddressChange, ChangeOutcome, Side
from digest.subscribers.address_change.confirming import confirm_change
from digest.subscribers.subscriber import Subscriber, recipient_key
from tests.support.scenario import SECRET

OLD, NEW = "ada@old.example", "ada@new.example"


def ask(engine: Engine, subscriber: Subscriber, at: datetime, address: str = NEW) -> AddressChange:
    """A request that was taken, whose emails are not queued yet."""
    change = request_change(engine, subscriber.id, NewRequest(address, at, "client", "test"), SECRET)
    assert isinstance(change, AddressChange), change
    return change


def mailed(engine: Engine, change: AddressChange) -> tuple[Kind, ...]:
    """The kinds of email that are queued for a request."""
    return queue_emails(engine, change.id, change.requested_at, SECRET)


def change_address(engine: Engine, subscriber: Subscriber, at: datetime, address: str = NEW) -> AddressChange:
    """A change that both addresses have confirmed."""
    change = ask(engine, subscriber, at, address)
    assert confirm_change(engine, change.id, Side.OLD, at, "") is ChangeOutcome.WAITING
    assert confirm_change(engine, change.id, Side.NEW, at, "") is ChangeOutcome.CHANGED
    return change


def somebody(engine: Engine, address: str) -> Subscriber | None:
    """Who has this address."""
    with read_only(engine) as connection:
        return store.by_key(connection, recipient_key(address, SECRET))
