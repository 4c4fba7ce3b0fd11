"""Limits on the emails that anyone can cause to one mailbox, however its address is spelled.

A provider may deliver many addresses to one mailbox: with dots, with a tag, under another domain. The ledger keeps them
apart, since they are different subscribers; these limits count them together.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from digest.database.dialect import insert_new
from digest.database.tables import spellings
from digest.ledger.kinds import RULES, Kind, SuppressionReason
from digest.ledger.queueing import count_mails
from digest.subscribers.addresses import folded
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import refused_at, suppression_of

# So that nobody can flood an inbox through the forms: at most one such message in a day and three in a month, and six
# confirmations in a year, which a stranger can cause for any address.
MAIL_LIMITS = ((timedelta(hours=24), 1), (timedelta(days=30), 3))
CONFIRMATION_LIMITS = (*MAIL_LIMITS, (timedelta(days=365), 6))


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A normalised address with its recipient key, and the key of the address that stands for its mailbox."""

    address: str
    key: str
    folded_key: str


def mailbox_of(address: str, secret: bytes) -> Mailbox:
    """The mailbox of a normalised address."""
    key, other = recipient_key(address, secret), folded(address)
    return Mailbox(address, key, key if other == address.casefold() else recipient_key(other, secret))


def keys_of(connection: Connection, key: str, folded_key: str | None = None) -> frozenset[str]:
    """The recipient keys of one mailbox, as far as it was written to; without `folded_key` it is looked up."""
    if folded_key is None:
        stored = connection.execute(select(spellings.c.mailbox).where(spellings.c.recipient == key)).scalar()
        folded_key = stored or key
    others = connection.scalars(select(spellings.c.recipient).where(spellings.c.mailbox == folded_key))
    return frozenset((key, folded_key, *others))


def remember_spelling(connection: Connection, mailbox: Mailbox) -> None:
    """Remember which mailbox an address belongs to, once it is written to."""
    if mailbox.key != mailbox.folded_key:
        new = insert_new(connection, spellings)
        connection.execute(new.values(recipient=mailbox.key, mailbox=mailbox.folded_key))


def within_limits(connection: Connection, kind: Kind, key: str, keys: Collection[str], now: datetime) -> bool:
    """True if a message of this kind may go to `key` now; `keys` are those of its mailbox."""
    limits = list(CONFIRMATION_LIMITS if RULES[kind].asks else MAIL_LIMITS)
    since = refused_at(connection, key)
    if since and not count_mails(connection, kind, keys, since):
        del limits[0]  # the first since then does not wait for tomorrow: the mailbox may be there now
    return all(count_mails(connection, kind, keys, now - period) < most for period, most in limits)


def may_be_asked(connection: Connection, keys: Collection[str]) -> bool:
    """False if the owner of a mailbox, or the operator, wants no message to it, whichever address they named."""
    return all(suppression_of(connection, key) in (None, SuppressionReason.REFUSED) for key in keys)
