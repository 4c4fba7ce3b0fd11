"""Reads many past days one after the other. It can be stopped at any time and continues where it stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.papers.collecting.collect import ask, store
from digest.papers.collecting.runs import SourceHealth, SourceRun
from digest.papers.collecting.store import last_complete
from digest.papers.sources.source import Source, has_past_days

_GIVE_UP_AFTER = 3  # failing days of one source in a row
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BackfillStep:
    """One list to read."""

    source: Source
    day: date


@dataclass(slots=True)
class Backfill:
    """The lists to read, oldest day first, and the runs so far."""

    steps: Sequence[BackfillStep]
    complete: int  # lists that were read before and are not read again
    runs: list[SourceRun] = field(default_factory=list)

    @property
    def left(self) -> int:
        """The number of lists that are not read yet or could not be read."""
        return len(self.steps) - sum(run.outcome is not SourceHealth.FAILING for run in self.runs)


def plan_backfill(engine: Engine, sources: Sequence[Source], first: date, last: date, again: bool = False) -> Backfill:
    """The lists from `first` to `last`, both included, that were not yet read completely after their day was over.

    With `again`, all of them. A source that can only be asked about today has none.
    """
    days = [first + _DAY * number for number in range((last - first).days + 1)]
    steps: list[BackfillStep] = []
    for source in filter(has_past_days, sources):
        with read_only(engine) as connection:
            read = {} if again else last_complete(connection, source.name, first)
        steps += [BackfillStep(source, day) for day in days if day not in read or read[day] < _end_of(day)]
    steps.sort(key=lambda step: step.day)
    return Backfill(steps, sum(map(has_past_days, sources)) * len(days) - len(steps))


def run_backfill(
    engine: Engine, backfill: Backfill, clock: Callable[[], datetime], pool_days: int, progress: Callable[[str], None]
) -> None:
    """Read the planned lists, storing each as it arrives. A source that fails for several days is skipped."""
    failures: dict[str, int] = {}
    for number, step in enumerate(backfill.steps, start=1):
        name, now = step.source.name, clock()
        if failures.get(name, 0) >= _GIVE_UP_AFTER:
            continue
        run = store(engine, ask(step.source, step.day, now), now, seen_at=first_seen(step.day, now, pool_days))
        backfill.runs.append(run)
        failures[name] = failures.get(name, 0) + 1 if run.outcome is SourceHealth.FAILING else 0
        progress(f"[{number}/{len(backfill.steps)}] {step.day} {name}: {run.message}")


def first_seen(day: date, now: datetime, pool_days: int) -> datetime:
    """The time at which the papers of a past list count as first seen.

    For a day that is still in the pool: now, so that the next issue has what was missed. For an older day: its end,
    so that a month of history does not flood the next issue. Votes always count from now, when they are observed.
    """
    return now if day >= (now - timedelta(days=pool_days)).date() else _end_of(day) - timedelta(seconds=1)


def _end_of(day: date) -> datetime:
    return datetime.combine(day + _DAY, time(), UTC)
