"""Watches which issues there are, so that no request has to ask before it shows a page from memory."""

import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from digest.database.engine import read_only
from digest.issues.figures import IssueCounts, count_issues, papers_of_newer_issues

_EVERY = 1.0  # seconds
_AWAY_AFTER = 2.0  # seconds for which the next reading is late


class Edition(NamedTuple):
    """It changes when an issue is cut, cancelled, withdrawn or shown again. 0: the issues were not read yet."""

    number: int = 0
    papers: frozenset[str] = frozenset()  # that the newest issues rank, so that their pages changed too
    since: int = 0  # pages of an earlier number are shown no more: an issue on them may be withdrawn


class EditionWatch:
    """Reads about once a second in a thread of its own, which ends with the process."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic, every: float = _EVERY) -> None:
        self.edition = Edition()
        self.clock = clock
        self._engine = engine
        self._every = every  # seconds
        self._counts: IssueCounts | None = None
        self._read_at = -math.inf
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="edition watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, once a reading that has begun is over; one of a database that does not answer is left alone."""
        self._stopped.set()
        self._thread.join(_AWAY_AFTER)

    @property
    def is_away(self) -> bool:
        """True while the database does not answer."""
        return self.clock() - self._read_at > self._every + _AWAY_AFTER

    def read(self) -> None:
        """Read the issues now; an error of the database leaves everything as it was."""
        try:
            with read_only(self._engine) as connection:
                counts = count_issues(connection)
                if counts != self._counts:
                    newest = self._counts.newest if self._counts else counts.newest
                    self.edition = self._next(counts, papers_of_newer_issues(connection, newest))
        except SQLAlchemyError:
            return
        self._counts, self._read_at = counts, self.clock()

    def _next(self, counts: IssueCounts, papers: frozenset[str]) -> Edition:
        number, before = self.edition.number + 1, self._counts
        is_same = before is None or (counts.withdrawn, counts.withdrawn_at) == (before.withdrawn, before.withdrawn_at)
        return Edition(number, papers, self.edition.since if is_same else number)

    def _watch(self) -> None:
        self.read()
        while not self._stopped.wait(self._every):
            self.read()
