"""Run the sources and keep what they list. One source that fails never stops another, nor one record the rest."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread

from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.papers.collecting.collection import COMPLETE, Collected, SourceHealth
from digest.papers.collecting.health import Judgement, judge
from digest.papers.collecting.history import before
from digest.papers.community import settle
from digest.papers.sources.source import (
    Remembered,
    Source,
    SourceResult,
    SourceUnavailable,
    Validator,
    has_past_days,
    shows_votes,
)
from digest.papers.store import (
    Listing,
    keep_papers,
    keep_validators,
    keep_votes,
    last_complete,
    record_collection,
    validator,
    withdraw,
)

__all__ = [
    "ANY_TIME",
    "Collected",
    "Source",
    "SourceAnswer",
    "SourceHealth",
    "ask",
    "collect",
    "collect_recent",
    "remembered_by",
    "store",
]

Progress = Callable[[str], None]
# Days of the pool before yesterday: their papers still gain votes, so these are observed each hour (a little less, so
# that a reading each half hour does not miss it by a second); a list without votes can only have gained a late paper.
_VOTES_AGAIN = timedelta(minutes=50)
_LIST_AGAIN = timedelta(hours=3)
_GIVE_UP_AFTER = 2  # failing days of one source in a row
ANY_TIME = 86_400.0  # seconds


def _silence(_line: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """What a source said of one day, or why it said nothing."""

    source: str
    day: date
    findings: SourceResult
    problem: str = ""


def collect(
    engine: Engine, sources: Sequence[Source], day: date, now: datetime, progress: Progress = _silence
) -> tuple[Collected, ...]:
    """Read the list of `day` from every source, as observed at `now`. The same `now` again changes nothing."""
    return tuple(store(engine, ask(source, day, now), now, progress) for source in sources)


def collect_recent(
    engine: Engine,
    sources: Sequence[Source],
    now: datetime,
    pool_days: int,
    progress: Progress = _silence,
    patience: float = ANY_TIME,
) -> tuple[Collected, ...]:
    """Read today and yesterday, and of the other days of the pool those whose votes are to be observed again.

    All sources at once; after `patience` seconds what came is stored, and a source that has not answered for today is
    recorded as failing.
    """
    until = time.monotonic() + patience
    answers: SimpleQueue[SourceAnswer | str] = SimpleQueue()
    days = {source.name: _days(engine, source, now, pool_days) for source in sources}
    for source in sources:
        Thread(target=_ask_all, args=(source, days[source.name], now, answers), daemon=True).start()
    done = [store(engine, answer, now, progress) for answer in _until(until, answers, len(sources))]
    answered = {(run.source, run.day) for run in done}
    for source in sources:
        if (source.name, now.date()) not in answered:
            silent = SourceAnswer(source.name, now.date(), SourceResult(), f"no answer within {patience:.0f} seconds")
            done.append(store(engine, silent, now, progress))
    order = [source.name for source in sources]
    return tuple(sorted(done, key=lambda run: (order.index(run.source), -run.day.toordinal())))


def ask(source: Source, day: date, now: datetime) -> SourceAnswer:
    """What the source says; nothing that it raises goes further."""
    try:
        return SourceAnswer(source.name, day, source.fetch(day, now))
    except SourceUnavailable as problem:
        return SourceAnswer(source.name, day, SourceResult(), str(problem))
    except Exception as error:  # noqa: BLE001 - a source may be another package's, and must not stop the others
        said = (str(error).splitlines() or [""])[0][:200]
        return SourceAnswer(
            source.name, day, SourceResult(), f"the source itself failed: {type(error).__name__}: {said}"
        )


def store(
    engine: Engine, answer: SourceAnswer, now: datetime, progress: Progress = _silence, seen_at: datetime | None = None
) -> Collected:
    """Keep what a source said, and how it went. `seen_at`: when its papers count as first seen, if not `now`."""
    source, day, findings = answer.source, answer.day, answer.findings
    with transaction(engine) as connection:
        if answer.problem:
            verdict = Judgement(SourceHealth.FAILING, answer.problem)
        else:
            verdict = judge(source, day, now, findings, before(connection, source, day, now))
        new = keep_papers(connection, Listing(source, seen_at or now, findings.papers))
        keep_votes(connection, findings.votes)
        withdraw(connection, findings.withdrawn, now)
        settle(connection, [paper.id for paper in findings.papers], findings.refused)
        unreadable = tuple(findings.unreadable)
        run = Collected(
            source, day, now, verdict.outcome, verdict.papers, new, unreadable, verdict.message, verdict.facts
        )
        record_collection(connection, run)
        if verdict.outcome in COMPLETE:
            # Otherwise "unchanged" would hide next time what could not be read this time.
            keep_validators(connection, findings.validators, now)
    progress(f"{source} {day}: {verdict.message}")
    return run


def remembered_by(engine: Engine) -> Remembered:
    """What servers said last, looked up in the database."""

    def look(url: str) -> Validator | None:
        with read_only(engine) as connection:
            return validator(connection, url)

    return look


def _days(engine: Engine, source: Source, now: datetime, pool_days: int) -> list[date]:
    """Newest first, so that what matters most is there soonest.

    The pool begins in the middle of one more day, whose later papers are still in it. Unread, it is left alone.
    """
    if not has_past_days(source):
        return [now.date()]
    pool = [now.date() - timedelta(days=back) for back in range(pool_days + 1)]
    with read_only(engine) as connection:
        read = last_complete(connection, source.name, pool[-1])
    again = _VOTES_AGAIN if shows_votes(source) else _LIST_AGAIN
    unread = [day for day in pool[:-1] if day not in read]
    return [day for day in pool if day in pool[:2] or day in unread or (day in read and now - read[day] >= again)]


def _ask_all(source: Source, days: Sequence[date], now: datetime, answers: "SimpleQueue[SourceAnswer | str]") -> None:
    """In a thread of its own; the source's name at the end says that no more comes."""
    failures = 0
    for day in days:
        answer = ask(source, day, now)
        answers.put(answer)
        failures = failures + 1 if answer.problem else 0
        if failures == _GIVE_UP_AFTER:
            break
    answers.put(source.name)


def _until(until: float, answers: "SimpleQueue[SourceAnswer | str]", sources: int) -> Iterator[SourceAnswer]:
    """The answers as they come, until all sources have ended or time is up."""
    while sources:
        try:
            answer = answers.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            return
        if isinstance(answer, SourceAnswer):
            yield answer
        else:
            sources -= 1
