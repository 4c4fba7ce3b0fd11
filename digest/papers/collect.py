"""Run the sources and keep what they list. One source that fails never stops another, nor one record the rest."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Engine

from digest.papers.collection import COMPLETE, Collected, Outcome
from digest.papers.sources.source import Findings, Remembered, Source, SourceUnavailable, Validator
from digest.store.database import reading, transaction
from digest.store.papers import (
    Listing,
    keep_papers,
    keep_validators,
    keep_votes,
    last_complete,
    record_collection,
    validator,
)

__all__ = ["Collected", "Outcome", "Source", "collect", "collect_recent", "remembered_by"]

Progress = Callable[[str], None]
_OLDER_DAYS_EVERY = timedelta(hours=3)  # their papers are still in the pool, so their votes still count
_GIVE_UP_AFTER = 2  # failing days of one source in a row


def _silence(_line: str) -> None: ...


def collect(
    engine: Engine, sources: Sequence[Source], day: date, now: datetime, progress: Progress = _silence
) -> tuple[Collected, ...]:
    """Read the list of `day` from every source, as observed at `now`. The same `now` again changes nothing."""
    return tuple(_run(engine, source, day, now, progress) for source in sources)


def collect_recent(
    engine: Engine, sources: Sequence[Source], now: datetime, pool_days: int, progress: Progress = _silence
) -> tuple[Collected, ...]:
    """Read today and yesterday, and of the other days of the pool those not read for some hours (or never)."""
    done: list[Collected] = []
    for source in sources:
        failures = 0
        for day in _days(engine, source, now, pool_days):
            run = _run(engine, source, day, now, progress)
            done.append(run)
            failures = failures + 1 if run.outcome is Outcome.FAILING else 0
            if failures == _GIVE_UP_AFTER:
                break
    return tuple(done)


def remembered_by(engine: Engine) -> Remembered:
    """What servers said last, looked up in the database."""

    def look(url: str) -> Validator | None:
        with reading(engine) as connection:
            return validator(connection, url)

    return look


def _days(engine: Engine, source: Source, now: datetime, pool_days: int) -> list[date]:
    """Newest first, so that what matters most is there soonest."""
    pool = [now.date() - timedelta(days=back) for back in range(max(pool_days, 2))]
    with reading(engine) as connection:
        read = last_complete(connection, source.name, pool[-1])
    return [day for day in pool if day in pool[:2] or day not in read or now - read[day] >= _OLDER_DAYS_EVERY]


def _run(engine: Engine, source: Source, day: date, now: datetime, progress: Progress) -> Collected:
    try:
        findings = source.fetch(day, now)
    except SourceUnavailable as problem:
        outcome, findings, message = Outcome.FAILING, Findings(), str(problem)
    else:
        outcome = judge(findings)
        message = _in_words(outcome, findings, day)
    with transaction(engine) as connection:
        new = keep_papers(connection, Listing(source.name, now, findings.papers))
        keep_votes(connection, findings.votes)
        unreadable = tuple(findings.unreadable)
        run = Collected(source.name, day, now, outcome, len(findings.papers), new, unreadable, message)
        record_collection(connection, run)
        if outcome in COMPLETE:
            # Otherwise "unchanged" would hide next time what could not be read this time.
            keep_validators(connection, findings.validators, now)
    progress(f"{source.name} {day}: {message}")
    return run


def judge(findings: Findings) -> Outcome:
    """How a run went that brought an answer."""
    if findings.incomplete or findings.unreadable:
        return Outcome.PARTIAL
    if findings.unchanged:
        return Outcome.UNCHANGED
    return Outcome.FRESH if findings.papers else Outcome.QUIET


def _in_words(outcome: Outcome, findings: Findings, day: date) -> str:
    if outcome is Outcome.UNCHANGED:
        return "nothing changed since it was last read"
    if outcome is Outcome.QUIET:
        return "nothing was listed" + (" (a weekend)" if day.weekday() >= 5 else "")
    listed = f"{len(findings.papers)} paper{'' if len(findings.papers) == 1 else 's'} listed"
    skipped = len(findings.unreadable)
    problems = [f"{skipped} record{'' if skipped == 1 else 's'} could not be read"] if skipped else []
    return "; ".join([listed, *problems, *filter(None, [findings.incomplete])])
