"""How much may be sent: what the operator allows, and how many messages a window holds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from digest.mail.delivery.outcome import Outcome, Receipt

MAX_WAIT = timedelta(seconds=5)  # a message that has to wait for longer is requeued

_MAX_WINDOW = 50
# Two windows are in flight, and a message is begun within two seconds or not at all.
_SLOW_SECONDS, _FAST_SECONDS = 1.0, 0.5
_TROUBLE = (Outcome.SENDER_ERROR, Outcome.NOT_ATTEMPTED)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows. Rates are messages a second of all workers together; 0 means no limit."""

    rate: float = 0.0
    domain_rates: Mapping[str, float] = field(default_factory=dict)  # "*" applies to any other domain on its own
    warm_up_from: date | None = None
    warm_up_first_day: int = 500

    def domain_rate(self, domain: str) -> float:
        return self.domain_rates.get(domain) or self.domain_rates.get("*", 0.0)

    def day_limit(self, day: date) -> int | None:
        """How many messages a day (UTC) of a warm-up takes, a third more each day. None: no limit."""
        if self.warm_up_from is None or day < self.warm_up_from:
            return None
        days = min((day - self.warm_up_from).days, 100)  # by then the limit is astronomical
        return round(self.warm_up_first_day * (4 / 3) ** days)


class WindowSize:
    """How many messages the next window of a worker holds.

    A small window bounds how many are marked as being sent when a worker dies with its machine, and how long one can
    take after its last check. It starts at one and grows while all goes well, like TCP and Postfix.
    """

    def __init__(self) -> None:
        self.messages = 1

    def adapt(self, seconds: float, receipts: Sequence[Receipt]) -> None:
        """To how long the last window took and what became of it."""
        if any(receipt.outcome in _TROUBLE for receipt in receipts):
            self.messages = 1
        elif seconds > _SLOW_SECONDS:
            self.messages = max(1, self.messages // 2)
        elif seconds < _FAST_SECONDS:
            self.messages = min(_MAX_WINDOW, self.messages * 2)


def domain_of(address: str) -> str:
    """The destination of a message."""
    return address.rpartition("@")[2].lower()
