"""Pauses, sources, endpoints of webhooks, Redis and disks, as the status of an installation shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, takewhile
from pathlib import Path

import redis
from sqlalchemy import Connection

from digest.hints import QUEUE
from digest.ledger import events
from digest.mail.pauses import BREAKS_AT, EVERYTHING, Pause, all_pauses, event_subject
from digest.mail.policy_codes import with_meaning
from digest.monitoring.heartbeats import Heartbeat, free_space
from digest.monitoring.webhooks.endpoints import all_endpoints, backlogs
from digest.papers.collecting import SourceHealth, SourceRun, lost_touch, newest_runs, source_title

_RUNS = 60  # of a source: a reading has up to 31 runs, for as many days
_REDIS_SECONDS = 1.0
_UNACKNOWLEDGED = "unacked"  # where Celery keeps the hints that workers have taken
_EVENTS = 20  # of a pause, newest first


@dataclass(frozen=True, slots=True)
class PauseStatus:
    """A pause of all sending or of one domain. The circuit breaker's lasts until a trial succeeds."""

    domain: str  # "" for all sending
    since: datetime
    until: datetime | None  # the next attempt; None: until someone resumes it
    reason: str
    by: str  # the operator's name; "" if it was not recorded, or nobody did it
    is_by_hand: bool
    is_breaker: bool


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The last reading of a source."""

    name: str
    title: str
    read_at: datetime | None  # None: never
    outcome: SourceHealth | None
    message: str
    advice: str
    failures: int  # readings in a row, up to now
    failing_since: datetime | None
    is_out_of_touch: bool  # the last reading is too old to tell anything


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """An endpoint of webhooks, and the events that it did not get."""

    id: int
    host: str
    is_disabled: bool
    disabled_why: str
    failing_since: datetime | None
    pending: int
    failed: int
    oldest_at: datetime | None  # when the oldest pending one happened


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The hints in Redis. `problem`: why it cannot be read; "" otherwise."""

    is_set: bool
    hints: int = 0
    taken: int = 0  # by workers, which have not finished them
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a data folder, which holds the workers' journals and the SQLite database."""

    host: str  # "" for this machine
    folder: str
    free: float  # share
    free_bytes: int


def read_pauses(connection: Connection, now: datetime) -> tuple[PauseStatus, ...]:
    """The pauses in force, all sending first, and a breaker that waits for its trial."""
    rows = [pause for pause in all_pauses(connection) if pause.is_in_force(now) or _is_breaker(pause)]
    rows.sort(key=lambda pause: (pause.scope != EVERYTHING, pause.scope))
    return tuple(
        PauseStatus(
            "" if pause.scope == EVERYTHING else pause.scope,
            pause.since,
            pause.until,
            pause.reason if pause.until is None else with_meaning(pause.reason),
            _paused_by(connection, pause) if pause.until is None else "",
            pause.until is None,
            _is_breaker(pause),
        )
        for pause in rows
    )


def _is_breaker(pause: Pause) -> bool:
    return pause.scope == EVERYTHING and pause.until is not None and pause.failures >= BREAKS_AT


def _paused_by(connection: Connection, pause: Pause) -> str:
    stops = (
        event for event in events.latest(connection, _EVENTS, event_subject(pause.scope)) if event.what == "stopped"
    )
    newest = next(stops, None)
    return str(newest.detail.get("by", "")) if newest else ""


def read_sources(connection: Connection, names: Sequence[str], now: datetime) -> tuple[SourceStatus, ...]:
    return tuple(_source(name, newest_runs(connection, name, now, _RUNS), now) for name in names)


def _source(name: str, runs: Sequence[SourceRun], now: datetime) -> SourceStatus:
    """From its runs, newest first. A reading has a run for each day that it read."""
    title = source_title(name)
    if not runs:
        return SourceStatus(name, title, None, None, "never read", "", 0, None, False)
    latest = max(
        (run for run in runs if run.day <= now.date()), key=lambda run: (run.day, run.started_at), default=runs[0]
    )
    readings = [(at, list(group)) for at, group in groupby(runs, key=lambda run: run.started_at)]
    failed = [at for at, group in takewhile(lambda reading: _has_failed(reading[1]), readings)]
    return SourceStatus(
        name,
        title,
        runs[0].started_at,
        latest.outcome,
        latest.message,
        latest.advice,
        len(failed),
        failed[-1] if failed else None,
        lost_touch(latest, now),
    )


def _has_failed(runs: Sequence[SourceRun]) -> bool:
    return all(run.outcome is SourceHealth.FAILING for run in runs)


def read_queue(url: str) -> QueueStatus:
    if not url:
        return QueueStatus(False)
    seconds = {"socket_connect_timeout": _REDIS_SECONDS, "socket_timeout": _REDIS_SECONDS}
    try:
        with redis.Redis.from_url(url, **seconds) as client:
            pipeline = client.pipeline(transaction=False)
            hints, taken = pipeline.llen(QUEUE).hlen(_UNACKNOWLEDGED).execute()
    except redis.RedisError as problem:
        return QueueStatus(True, problem=str(problem) or type(problem).__name__)
    return QueueStatus(True, hints, taken)


def disks(folder: Path, processes: Sequence[Heartbeat], host: str) -> tuple[Disk, ...]:
    """The disk of this machine's data folder, and those that processes on other machines report."""
    here = free_space(folder)
    return (Disk("", here["folder"], here["free"], here["free_bytes"]), *_elsewhere(processes, host))


def _elsewhere(processes: Sequence[Heartbeat], host: str) -> Iterator[Disk]:
    others = {each.host: each.detail for each in processes if each.host != host and "free" in each.detail}
    for name, detail in sorted(others.items()):
        yield Disk(name, str(detail["folder"]), float(detail["free"]), int(detail["free_bytes"]))


def read_endpoints(connection: Connection, now: datetime) -> tuple[EndpointStatus, ...]:
    """Counts what waits for each endpoint, by an index."""
    endpoints = all_endpoints(connection, now)
    counts = backlogs(connection, endpoints)
    return tuple(
        EndpointStatus(
            each.id,
            each.host,
            each.disabled_at is not None,
            each.disabled_why,
            each.failing_since,
            counts[each.id].pending,
            counts[each.id].failed,
            counts[each.id].oldest_at,
        )
        for each in endpoints
    )
