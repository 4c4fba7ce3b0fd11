"""The operator's limits of sending. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

_REQUESTED_AN_HOUR = 500  # without a warm-up
_MIN_REQUESTED = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits. Rates are messages a second of all workers together; 0 means no limit."""

    rate: float = 0.0
    domain_rates: Mapping[str, float] = field(default_factory=dict)  # "*" applies to any other domain on its own
    warm_up_from: date | None = None
    warm_up_first_day: int = 500
    requested_an_hour: int | None = None  # None: by the warm-up

    def domain_rate(self, domain: str) -> float:
        return self.domain_rates.get(domain) or self.domain_rates.get("*", 0.0)

    def day_limit(self, day: date) -> int | None:
        """The limit of a day (UTC) in a warm-up, a third more each day. None: no limit."""
        if self.warm_up_from is None or day < self.warm_up_from:
            return None
        days = min((day - self.warm_up_from).days, 100)  # by then the limit is astronomical
        return round(self.warm_up_first_day * (4 / 3) ** days)

    def requested_limit(self, day: date) -> int:
        """The messages an hour that people may ask for: in a warm-up a tenth of the day's limit."""
        if self.requested_an_hour is not None:
            return self.requested_an_hour
        a_day = self.day_limit(day)
        most = max(_REQUESTED_AN_HOUR, self.warm_up_first_day // 10)
        return most if a_day is None else min(max(a_day // 10, _MIN_REQUESTED), most)
