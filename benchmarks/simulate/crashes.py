"""The points at which processes are killed: statements, commits, writes, callbacks and entries of the journal."""

from collections import Counter
from functools import cache
from random import Random

STEPS = {"sql": 150, "commit": 40, "write": 60, "callback": 250, "journal": 120}
KINDS = tuple(STEPS)
_COMMON = 100  # places; those that a run passes for the first time after so many others are the rare ones
_CHANCE, _CHANCE_OF_RARE = 1 / 200, 1 / 50


class CrashPlan:
    """Chooses, from a seed, the points of one run at which a process dies.

    Some crashes strike the n-th point of a kind, the others the first visit of a place, so that a place which is passed
    once is hit as often as one that is passed a hundred times.
    """

    def __init__(self, seed: int, crashes: int) -> None:
        """`crashes`: the number of those that strike the n-th point of a kind."""
        self._rng = Random(seed)
        self._left = crashes
        self.visits: Counter[str] = Counter()
        self.crashed: Counter[str] = Counter()
        self._countdown = 0
        self._kind = ""
        self._is_over = False
        self._next()

    def _next(self) -> None:
        self._countdown = 0
        if self._left > 0:
            self._left -= 1
            self._kind = self._rng.choice(KINDS)
            self._countdown = self._rng.randint(1, STEPS[self._kind])

    def hurry(self) -> None:
        """If nobody has died yet, somebody does within the next few steps."""
        if not self.crashed:
            self._kind, self._countdown = "", self._rng.randint(1, 20)

    @property
    def is_missing(self) -> bool:
        """True until somebody has died."""
        return not self.crashed

    def end(self) -> None:
        """Once somebody has died, others die only at places that are new to this run."""
        self._is_over = True

    def strikes(self, process: str, kind: str, place: str) -> bool:
        """Return True if the process dies here."""
        name = _named(process, kind, place)
        self.visits[name] += 1
        if not (self._is_chosen_as_new(name) or self._is_counted_down(kind)):
            return False
        self.crashed[name] += 1
        return True

    def _is_chosen_as_new(self, name: str) -> bool:
        if self.visits[name] > 1:
            return False
        return self._rng.random() < (_CHANCE if len(self.visits) <= _COMMON else _CHANCE_OF_RARE)

    def _is_counted_down(self, kind: str) -> bool:
        if not self._countdown or (self._is_over and self.crashed) or (self._kind and kind != self._kind):
            return False
        self._countdown -= 1
        if self._countdown:
            return False
        self._next()
        return True

    def fraction(self) -> float:
        """Return the part of a torn write that was written, from 0 to 1."""
        return self._rng.random()


@cache
def _named(process: str, kind: str, place: str) -> str:
    return f"{process.partition('-')[0]}: {kind} {place}"
