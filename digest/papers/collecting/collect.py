"""Runs the sources and stores what they list. One failing source or bad record never stops the rest."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread

from sqlalchemy import Engine
from sqlalchemy.exc import InternalError

from digest.database.engine import DATABASE_AWAY, read_only, transaction
from digest.papers.collecting.health import rate
from digest.papers.collecting.runs import COMPLETE, SourceHealth, SourceRun
from digest.papers.collecting.store import history, keep_validators, last_complete, record_run
from digest.papers.community import settle
from digest.papers.sources.source import Source, SourceResult, SourceUnavailable, has_past_days, shows_votes
from digest.papers.store import keep_papers, keep_votes, withdraw
from digest.text import one_line

Progress = Callable[[str], None]
# Papers of earlier days in the pool still gain votes, so these are observed every hour (a little less, so that a run
# every half hour does not miss it by a second). A list without votes can only have gained a late paper.
_VOTES_AGAIN = timedelta(minutes=50)
_LIST_AGAIN = timedelta(hours=3)
_GIVE_UP_AFTER = 2  # failing days of one source in a row
ANY_TIME = 86_400.0  # seconds


def _silence(_line: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """A source's result for one day, or the problem that it had instead."""

    source: str
    day: date
    result: SourceResult
    problem: str = ""


def collect(
    engine: Engine, sources: Sequence[Source], day: date, now: datetime, progress: Progress = _silence
) -> tuple[SourceRun, ...]:
    """Read the list of `day` from every source, as observed at `now`. The same `now` again changes nothing."""
    return tuple(store(engine, ask(source, day, now), now, progress) for source in sources)


def collect_recent(
    engine: Engine,
    sources: Sequence[Source],
    now: datetime,
    pool_days: int,
    progress: Progress = _silence,
    patience: float = ANY_TIME,
) -> tuple[SourceRun, ...]:
    """Read today, yesterday, and the other days of the pool whose votes are due, from all sources at once.

    After `patience` seconds, a source without an answer for today is recorded as failing.
    """
    deadline = time.monotonic() + patience
    answers: SimpleQueue[SourceAnswer | None] = SimpleQueue()
    for source in sources:
        days = _due_days(engine, source, now, pool_days)
        Thread(target=_ask_all, args=(source, days, now, answers, deadline), daemon=True).start()
    runs = [store(engine, answer, now, progress) for answer in _until(deadline, answers, len(sources))]
    answered = {(run.source, run.day) for run in runs}
    silent = [source.name for source in sources if (source.name, now.date()) not in answered]
    problem = f"no answer within {patience:.0f} seconds"
    runs += [store(engine, SourceAnswer(name, now.date(), SourceResult(), problem), now, progress) for name in silent]
    order = [source.name for source in sources]
    return tuple(sorted(runs, key=lambda run: (order.index(run.source), -run.day.toordinal())))


def ask(source: Source, day: date, now: datetime) -> SourceAnswer:
    """The source's answer; catches whatever the source raises."""
    try:
        return SourceAnswer(source.name, day, source.fetch(day, now))
    except SourceUnavailable as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a source may be another package's, and must not stop the others
        message = (str(error).splitlines() or [""])[0][:200]
        problem = one_line(f"the source itself failed: {type(error).__name__}: {message}")
    return SourceAnswer(source.name, day, SourceResult(), problem)


def store(
    engine: Engine, answer: SourceAnswer, now: datetime, progress: Progress = _silence, seen_at: datetime | None = None
) -> SourceRun:
    """Store an answer and the run that brought it. `seen_at`: when its papers count as first seen, if not `now`."""
    try:
        run = _store(engine, answer, now, seen_at or now)
    except (*DATABASE_AWAY, InternalError):
        raise
    except Exception as error:
        if answer.problem:
            raise
        # A source may be another package's, and must not stop the others with a record that no database takes.
        problem = f"its records cannot be stored ({type(error).__name__})"
        run = _store(engine, SourceAnswer(answer.source, answer.day, SourceResult(), problem), now, now)
    progress(f"{run.source} {run.day}: {run.message}")
    return run


def _store(engine: Engine, answer: SourceAnswer, now: datetime, seen_at: datetime) -> SourceRun:
    source, day, result = answer.source, answer.day, answer.result
    with transaction(engine) as connection:
        if answer.problem:
            run = SourceRun(source, day, now, SourceHealth.FAILING, 0, 0, (), answer.problem)
        else:
            run = rate(source, day, now, result, history(connection, source, day, now))
        listed = [paper for paper in result.papers if paper.id not in result.withdrawn]
        run = replace(run, new=keep_papers(connection, source, seen_at, listed))
        keep_votes(connection, result.votes)
        withdraw(connection, source, result.withdrawn, now)
        settle(connection, [paper.id for paper in result.papers], result.refused)
        record_run(connection, run)
        if run.outcome in COMPLETE:
            # Otherwise the next "unchanged" would hide what could not be read this time.
            keep_validators(connection, result.validators, now)
    return run


def _due_days(engine: Engine, source: Source, now: datetime, pool_days: int) -> list[date]:
    """The days to read now, newest first, because those matter most.

    The pool starts partway through one more day. That day is read again, but never for the first time.
    """
    if not has_past_days(source):
        return [now.date()]
    pool = [now.date() - timedelta(days=back) for back in range(pool_days + 1)]
    with read_only(engine) as connection:
        read = last_complete(connection, source.name, pool[-1])
    again = _VOTES_AGAIN if shows_votes(source) else _LIST_AGAIN
    return [
        day for day in pool if day in pool[:2] or (day != pool[-1] if day not in read else now - read[day] >= again)
    ]


def _ask_all(
    source: Source,
    days: Sequence[date],
    now: datetime,
    answers: "SimpleQueue[SourceAnswer | None]",
    deadline: float,
) -> None:
    """Put the answers in the queue, then None. Runs in its own thread; begins no day after the deadline."""
    failures = 0
    for day in days:
        answer = ask(source, day, now)
        answers.put(answer)
        failures = failures + 1 if answer.problem else 0
        if failures == _GIVE_UP_AFTER or time.monotonic() > deadline:
            break
    answers.put(None)


def _until(deadline: float, answers: "SimpleQueue[SourceAnswer | None]", sources: int) -> Iterator[SourceAnswer]:
    """The answers as they arrive, until every source has finished or time is up."""
    while sources:
        try:
            answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            return
        if answer:
            yield answer
        else:
            sources -= 1
