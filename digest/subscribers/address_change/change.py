"""A change of address as plain values; touches nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.subscribers.tokens import CONFIRM_FOR, Purpose

OPEN_FOR = CONFIRM_FOR
# Of one subscriber: the second of a day corrects a typing error in the first.
REQUEST_LIMITS = ((timedelta(hours=24), 2), (timedelta(days=30), 4))


class Side(StrEnum):
    """The address that a link was mailed to."""

    OLD = "old"
    NEW = "new"

    @property
    def purpose(self) -> Purpose:
        """The purpose of its link."""
        return Purpose.OLD_ADDRESS if self is Side.OLD else Purpose.NEW_ADDRESS


class ChangeOutcome(StrEnum):
    """The state of a change after one of its addresses has confirmed."""

    WAITING = "waiting"  # for the other address
    CHANGED = "changed"
    TAKEN = "taken"  # the new address has a subscription of its own
    ENDED = "ended"  # cancelled, replaced, too old, or no longer possible


@dataclass(frozen=True, slots=True)
class AddressChange:
    """A request to change an address, and what became of it; the fields are columns."""

    id: int
    subscriber_id: int | None  # None once erased
    old_email: str
    new_email: str
    old_key: str
    new_key: str
    requested_at: datetime
    old_confirmed_at: datetime | None
    new_confirmed_at: datetime | None
    changed_at: datetime | None
    ended_at: datetime | None

    def is_open(self, now: datetime) -> bool:
        """True while it can be confirmed or cancelled."""
        return self.changed_at is None and self.ended_at is None and now < self.requested_at + OPEN_FOR

    def confirmed_at(self, side: Side) -> datetime | None:
        return self.old_confirmed_at if side is Side.OLD else self.new_confirmed_at
