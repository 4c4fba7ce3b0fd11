"""How fast and how much may be sent. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Protocol

MAX_WAIT = timedelta(seconds=5)  # who has to wait for longer goes back to the ledger

EVERYTHING = "*"  # the scope of a pause that holds all mail back: the circuit breaker, or the operator
BREAKS_AT = 5  # failures in a row
NOT_PAUSED = datetime(1970, 1, 1, tzinfo=UTC)  # `until` of what only counts failures; no worker's clock is before it

_ADDRESS = re.compile(r"[^\s<>:,;]+@[^\s<>:,;]+")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows. Rates are mails a second of all workers together."""

    rate: float = 0.0  # 0: no limit
    domain_rates: Mapping[str, float] = field(default_factory=dict)  # "*" is any other domain, each for itself
    warm_up_from: date | None = None
    warm_up_first_day: int = 500

    def domain_rate(self, domain: str) -> float:
        """Mails a second to one destination, 0 for no limit."""
        return self.domain_rates.get(domain) or self.domain_rates.get("*", 0.0)


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing goes to `scope` (a destination domain, or EVERYTHING) until an instant, or None: until it is resumed."""

    scope: str
    since: datetime
    until: datetime | None
    reason: str  # the mail server's reply without addresses, or what the operator said
    failures: int = 0  # in a row

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.until is None or self.until > now


class Bucket(NamedTuple):
    """A rate that several workers keep to together, by its name."""

    name: str
    rate: float  # mails a second
    # Who has to wait at most so many seconds keeps the mail at hand and asks again; for longer it stands in a line.
    patience: float = 0.0


class Take(Protocol):
    """The rates that all workers share; digest/mail/throttle/rates.py has them."""

    def __call__(self, buckets: Sequence[Bucket], mails: Sequence[Sequence[int]]) -> list[float]:
        """Seconds that each mail has to wait, 0 = it may go now. A mail names the buckets that it draws on by their
        place in `buckets`, and goes when all of them have something left. Never raises.
        """
        ...


def domain_of(address: str) -> str:
    """The destination of a mail: what is right of the @, in small letters."""
    return address.rpartition("@")[2].lower()


def without_addresses(reply: str) -> str:
    """Servers like to repeat the address, which belongs neither into a log nor into the events."""
    return _ADDRESS.sub("…", reply)


def day_limit(limits: Limits, day: date) -> int | None:
    """How many mails `day` (UTC) takes in a warm-up: a third more each day, from the first. None: no limit."""
    if limits.warm_up_from is None or day < limits.warm_up_from:
        return None
    days = min((day - limits.warm_up_from).days, 100)  # by then it is beyond all mail there is
    return round(limits.warm_up_first_day * (4 / 3) ** days)
