"""The next issue as this process last computed it. It takes seconds to rank a large pool and to count everybody.

Pages use it for some seconds, and then until a newer one is ready. They apply choices to it at once.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Engine

from digest import clock
from digest.database.engine import problem_of, read_only
from digest.issues.editing import (
    IssueChoices,
    RankedPool,
    choices_for,
    choices_of,
    imagined_issue,
    list_of,
    pool_days,
    ranked_pool,
)
from digest.issues.issue import Issue, Plan
from digest.issues.publish import Reach, reach_of
from digest.ledger.kinds import IssueKind
from digest.papers.paper import RankedPaper

log = structlog.get_logger()

T = TypeVar("T")
_FIRST, _LATER = 2.0, 0.1  # seconds that a page waits for something that was never computed, and for something newer


@dataclass(frozen=True, slots=True)
class Computed(Generic[T]):
    """A value, when it was computed, and for which date."""

    value: T
    at: datetime
    day: date


@dataclass
class _Kept(Generic[T]):
    """The newest value of one computation, which runs at most once at a time."""

    lasts: timedelta
    newest: Computed[T] | None = None
    running: "Future[None] | None" = None
    lock: Lock = field(default_factory=Lock)

    def get(self, pool: ThreadPoolExecutor, day: date, compute: Callable[[], T]) -> Computed[T] | None:
        """The value for `day`, computed again in the background if it is old; None if that takes too long."""
        with self.lock:
            kept = self.newest if self.newest and self.newest.day == day else None
            if kept and clock.now() - kept.at < self.lasts:
                return kept
            if self.running is None or self.running.done():
                self.running = pool.submit(self._compute, day, compute)
            running = self.running
        wait_for([running], _LATER if kept else _FIRST)
        newest = self.newest
        return newest if newest and newest.day == day else None

    def _compute(self, day: date, compute: Callable[[], T]) -> None:
        at = clock.now()
        try:
            self.newest = Computed(compute(), at, day)
        except Exception as problem:  # noqa: BLE001 - the page says that there is nothing, and the next one tries again
            log.warning("the next issue could not be computed", problem=problem_of(problem))


class Forecast:
    """The ranked pool and the reach of the next issue."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="forecast")
        self._pool: _Kept[RankedPool] = _Kept(timedelta(seconds=20))
        self._issues: dict[IssueKind, _Kept[Issue]] = {
            kind: _Kept(timedelta(minutes=1)) for kind in (IssueKind.DAILY, IssueKind.WEEKLY)
        }
        self._reach: _Kept[Reach] = _Kept(timedelta(minutes=1))
        # The last list, after what it was made of.
        self._list: tuple[RankedPool, IssueChoices, tuple[tuple[RankedPaper, ...], int]] | None = (
            None  # and what it was made of
        )

    def pool(self, engine: Engine, plan: Plan, day: date, choices: IssueChoices) -> Computed[RankedPool] | None:
        """The ranked pool, computed anew if a choice has added a paper to it since."""
        compute = partial(_rank, engine, plan, day)
        kept = self._pool.get(self._threads, day, compute)
        if kept and kept.value.lacks({*choices.pinned, *choices.returned}):
            self._pool.newest = None
            return self._pool.get(self._threads, day, compute) or kept
        return kept

    def papers(self, pool: RankedPool, choices: IssueChoices, plan: Plan) -> tuple[tuple[RankedPaper, ...], int]:
        """The result of list_of(), kept: with a large pool it takes a tenth of a second."""
        last = self._list
        if last is None or last[0] is not pool or last[1] != choices:
            self._list = last = (pool, choices, list_of(pool, choices, plan))
        return last[2]

    def issue(self, engine: Engine, plan: Plan, kind: IssueKind, day: date) -> Computed[Issue] | None:
        """The daily or the weekly issue of `day` as it would be cut now."""
        return self._issues[kind].get(self._threads, day, partial(_imagine, engine, plan, kind, day))

    def reach(self, engine: Engine, plan: Plan, day: date) -> Computed[Reach] | None:
        return self._reach.get(self._threads, day, partial(_count, engine, plan, day))


_of_engine: "WeakKeyDictionary[Engine, Forecast]" = WeakKeyDictionary()


def forecast_of(engine: Engine) -> Forecast:
    """The one of this process."""
    return _of_engine.setdefault(engine, Forecast())


def _rank(engine: Engine, plan: Plan, day: date) -> RankedPool:
    with read_only(engine) as connection:
        choices = choices_for(choices_of(connection, day), day, pool_days(IssueKind.DAILY, plan))
        return ranked_pool(connection, plan, IssueKind.DAILY, choices, clock.now())


def _imagine(engine: Engine, plan: Plan, kind: IssueKind, day: date) -> Issue:
    with read_only(engine) as connection:
        return imagined_issue(connection, plan, kind, day, clock.now())


def _count(engine: Engine, plan: Plan, day: date) -> Reach:
    with read_only(engine) as connection:
        return reach_of(connection, plan, day, clock.now())
