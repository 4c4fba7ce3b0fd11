"""The faults of the mail server in one run, chosen from its seed."""

from collections import Counter
from dataclasses import dataclass
from random import Random

# By the command at which each happens. A name describes what the server does instead of replying as it should.
FAULTS = {
    "connect": ("refused", "421", "554", "silent", "garbage", "no route", "slow greeting"),
    "EHLO": ("421", "550", "closed", "502"),
    "MAIL": ("421", "451 4.3.2", "452 4.5.3", "550 5.7.1", "closed", "silent", "slow"),
    "RCPT": ("421", "450 4.2.1", "451 4.7.1", "452 4.2.2", "550 5.1.1", "550 5.7.1", "552 5.2.2", "553", "closed"),
    "DATA": ("421", "451", "452", "554 5.7.1", "reset", "slow", "garbage"),
    "body": ("reset", "stalled", "421"),
    "dot": (
        *("421", "451", "452 4.3.1", "550 5.1.1", "550 5.7.1", "552 5.2.3", "554"),  # not accepted
        *("reset after", "closed after", "599 s", "601 s", "trickled", "garbage after", "endless after", "in pieces"),
    ),
    "idle": ("closed", "421 and closed"),
}
# The message was taken, and the client may never learn it.
AMBIGUOUS = {"reset after", "closed after", "601 s", "garbage after", "endless after", "trickled"}
# More often than the others, since the rest of the proof hangs on them.
_OFTEN = (("dot", "reset after"), ("dot", "601 s"), ("MAIL", "421"), ("body", "reset"), ("RCPT", "450 4.2.1"))
_FEWEST = 3  # in a run
_PLACES = tuple((place, name) for place, names in FAULTS.items() for name in names)


@dataclass(slots=True)
class Fault:
    """One fault: at the `nth` time that its place is reached, and the `times` - 1 after it."""

    place: str
    name: str
    nth: int
    times: int = 1


class FaultScript:
    """The faults of one run. `happened` counts them."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        self.happened: Counter[str] = Counter()
        self._reached: Counter[str] = Counter()
        self._is_over = False
        count = rng.choice((3, 4, 4, 5, 6, 8))
        chosen = [rng.choice(_OFTEN) if rng.random() < 0.25 else rng.choice(_PLACES) for _ in range(count)]
        self._faults = [_fault(place, name, rng) for place, name in chosen]
        self._reserve = [_fault(*rng.choice(_OFTEN), rng) for _ in range(6)]

    def at(self, place: str) -> str:
        """Return the fault at this place now; "" for none."""
        self._reached[place] += 1
        if self._is_over and self.happened.total() >= _FEWEST:
            return ""
        number = self._reached[place]
        for fault in self._faults:
            if fault.place == place and fault.nth <= number < fault.nth + fault.times:
                self.happened[f"{place}: {fault.name}"] += 1
                return fault.name
        return ""

    def hurry(self) -> None:
        """If fewer than three faults have happened, more follow at once."""
        missing = _FEWEST - self.happened.total()
        for fault in self._reserve[: max(missing, 0)]:
            taken = {other.nth for other in self._faults if other.place == fault.place}
            fault.nth = self._reached[fault.place] + 1
            while fault.nth in taken:
                fault.nth += 1
            self._faults.append(fault)

    def end(self) -> None:
        """From now on the server does what it should, once three faults have happened."""
        self._is_over = True


def _fault(place: str, name: str, rng: Random) -> Fault:
    if place == "connect":
        return Fault(place, name, rng.randint(1, 4), rng.choice((1, 1, 2, 6)))
    if place in ("EHLO", "idle"):
        return Fault(place, name, rng.randint(1, 4))
    times = 1 if name in AMBIGUOUS else rng.choice((1, 1, 1, 2, 5))
    return Fault(place, name, rng.randint(1, 16), times)
