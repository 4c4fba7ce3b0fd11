"""The points at which processes are killed: statements, commits, writes, callbacks and entries of the journal."""

from collections import Counter
from functools import cache
from random import Random
from zlib import crc32

_BUCKETS = (12, 60, 300)  # there are about 280 places
STEPS = {"sql": 150, "commit": 40, "write": 60, "callback": 250, "journal": 120}
KINDS = tuple(STEPS)


class CrashPlan:
    """Chooses, from a seed, the points of one run at which a process dies.

    Half of the crashes strike the n-th point of a kind, the others the n-th visit of one of a few places, which are
    others in each run, so that a place which is passed once is hit as often as one that is passed a hundred times.
    """

    def __init__(self, seed: int, crashes: int) -> None:
        self._rng = Random(seed)
        self._left = crashes
        self.visits: Counter[str] = Counter()
        self.crashed: Counter[str] = Counter()
        self._countdown: int | None = None
        self._kind = ""
        self._bucket: int | None = None
        self._salt = self._buckets = 1
        self._is_over = False
        self._next()

    def _next(self) -> None:
        self._countdown = self._bucket = None
        if self._left <= 0:
            return
        self._left -= 1
        if self._rng.random() < 0.5:
            self._kind = self._rng.choice(KINDS)
            self._countdown = self._rng.randint(1, STEPS[self._kind])
        else:
            self._salt, self._buckets = self._rng.randrange(1, 2**32, 2), self._rng.choice(_BUCKETS)
            self._bucket = self._rng.randrange(self._buckets)
            self._countdown = self._rng.choice((1, 1, 1, 2, 3, 5, 8))

    def hurry(self) -> None:
        """If nobody has died yet, somebody does within the next few steps."""
        if not self.crashed and not self._is_over:
            self._left += 1
            self._next()
            self._kind, self._bucket, self._countdown = "", None, self._rng.randint(1, 20)

    @property
    def is_missing(self) -> bool:
        """True until somebody has died."""
        return not self.crashed

    def end(self) -> None:
        """No more crashes in this run, once there has been one."""
        self._is_over = True

    def strikes(self, process: str, kind: str, place: str) -> bool:
        """Return True if the process dies here."""
        name, number = _named(process, kind, place)
        self.visits[name] += 1
        if self._countdown is None or (self._is_over and self.crashed):
            return False
        if self._bucket is not None:
            if (number * self._salt >> 12) % self._buckets != self._bucket:
                return False
        elif self._kind and kind != self._kind:
            return False
        self._countdown -= 1
        if self._countdown:
            return False
        self.crashed[name] += 1
        self._next()
        return True

    def fraction(self) -> float:
        """Return the part of a torn write that was written, from 0 to 1."""
        return self._rng.random()


@cache
def _named(process: str, kind: str, place: str) -> tuple[str, int]:
    """The name of a point, and a number that is the same in each run."""
    name = f"{process.partition('-')[0]}: {kind} {place}"
    return name, crc32(name.encode())
