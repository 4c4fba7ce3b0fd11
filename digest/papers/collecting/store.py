"""SQL for the runs of the sources and the validators of their answers."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, insert, select

from digest.database.dialect import insert_or_change
from digest.database.engine import read_only
from digest.database.tables import collections, validators
from digest.papers.collecting.runs import COMPLETE, History, ListFacts, SourceHealth, SourceRun
from digest.papers.sources.source import Remembered, Validator

HISTORY_DAYS = 28
_RUN = TypeAdapter(SourceRun)
_FACTS = TypeAdapter(ListFacts)


def record_run(connection: Connection, run: SourceRun) -> None:
    """Store a run. A repeated run replaces it, unless it only reports that nothing changed."""
    same = (
        (collections.c.source == run.source)
        & (collections.c.day == run.day)
        & (collections.c.started_at == run.started_at)
    )
    if run.facts.unchanged and connection.execute(select(collections.c.id).where(same)).first():
        return
    connection.execute(delete(collections).where(same))
    facts = _FACTS.dump_python(run.facts, mode="json", exclude_defaults=True)
    connection.execute(insert(collections).values(asdict(run) | {"outcome": str(run.outcome), "facts": facts}))


def last_runs(
    connection: Connection,
    until: datetime | None = None,
    sources: Collection[str] | None = None,
    since: datetime | None = None,
) -> list[SourceRun]:
    """The latest run of all sources, or of these, for their latest day, from `since` to `until`, by source name."""
    newest = func.row_number().over(
        partition_by=collections.c.source,
        order_by=(collections.c.day.desc(), collections.c.started_at.desc(), collections.c.id.desc()),
    )
    runs = select(collections, newest.label("number"))
    if until is not None:
        runs = runs.where(collections.c.started_at <= until, collections.c.day <= until.date())
    if since is not None:
        runs = runs.where(collections.c.started_at >= since)
    if sources is not None:  # others may have been read before the operator changed the setting
        runs = runs.where(collections.c.source.in_(sources))
    ranked = runs.subquery()
    query = select(ranked).where(ranked.c.number == 1).order_by(ranked.c.source)
    return [_run(row) for row in connection.execute(query)]


def first_run_at(connection: Connection, sources: Collection[str]) -> datetime | None:
    """When the first of these sources was read for the first time."""
    first = select(func.min(collections.c.started_at))  # for each by itself, which its index answers
    instants = (connection.execute(first.where(collections.c.source == name)).scalar() for name in sources)
    return min(filter(None, instants), default=None)


def newest_runs(connection: Connection, source: str, until: datetime, limit: int) -> list[SourceRun]:
    """The runs of a source that began last, newest first."""
    query = select(collections).where(collections.c.source == source, collections.c.started_at <= until)
    newest = query.order_by(collections.c.started_at.desc(), collections.c.id.desc()).limit(limit)
    return [_run(row) for row in connection.execute(newest)]


def last_successes(connection: Connection, sources: Collection[str]) -> dict[str, datetime]:
    """The start of the last run of each source that brought a usable answer."""
    worked = select(collections.c.started_at).where(collections.c.outcome != str(SourceHealth.FAILING))
    newest = worked.order_by(collections.c.started_at.desc()).limit(1)
    found = ((name, connection.execute(newest.where(collections.c.source == name)).scalar()) for name in sources)
    return {name: at for name, at in found if at is not None}


def last_complete(connection: Connection, source: str, since: date) -> dict[date, datetime]:
    """The time of the last complete reading, for each day from `since` on."""
    query = (
        select(collections.c.day, func.max(collections.c.started_at).label("at"))
        .where(collections.c.source == source, collections.c.day >= since)
        .where(collections.c.outcome.in_(map(str, COMPLETE)))
        .group_by(collections.c.day)
    )
    return {row.day: row.at for row in connection.execute(query)}


def history(connection: Connection, source: str, day: date, now: datetime) -> History:
    """The earlier runs of `source`, each as it stood when its own day was as old as `day` is at `now`."""
    same_day = (
        select(collections)
        .where(_usable(source), collections.c.day == day, collections.c.started_at <= now)
        .order_by(collections.c.started_at.desc(), collections.c.id.desc())
        .limit(1)
    )
    row = connection.execute(same_day).one_or_none()
    ids = _runs_of_earlier_days(connection, source, day, now) if day == now.date() else []
    earlier = select(collections).where(collections.c.id.in_(ids)).order_by(collections.c.day.desc())
    return History(_run(row) if row else None, [_run(run) for run in connection.execute(earlier)])


def _runs_of_earlier_days(connection: Connection, source: str, day: date, now: datetime) -> list[int]:
    """The ids of each earlier day's last run up to this time of the day."""
    age, since = now - datetime.combine(day, time(), UTC), timedelta(days=HISTORY_DAYS)
    query = (
        select(collections.c.id, collections.c.day, collections.c.started_at)
        .where(_usable(source), collections.c.day < day, collections.c.papers > 0)
        .where(collections.c.day >= day - since, collections.c.started_at >= now - since)
        .order_by(collections.c.started_at, collections.c.id)
    )
    latest = {
        row.day: row.id
        for row in connection.execute(query)
        if row.started_at <= datetime.combine(row.day, time(), UTC) + age
    }
    return list(latest.values())


def _usable(source: str) -> ColumnElement[bool]:
    return (collections.c.source == source) & (collections.c.outcome != str(SourceHealth.FAILING))


def keep_validators(connection: Connection, values: Mapping[str, Validator], fetched_at: datetime) -> None:
    """Store the validators by address, in the transaction that stores the papers they came with."""
    rows = [{"url": url, **asdict(value), "fetched_at": fetched_at} for url, value in values.items() if len(url) <= 500]
    if rows:
        connection.execute(insert_or_change(connection, validators, ["url"]), rows)


def remembered_by(engine: Engine) -> Remembered:
    """A lookup of stored validators, for the sources."""

    def validator(url: str) -> Validator | None:
        with read_only(engine) as connection:
            query = select(validators.c.etag, validators.c.last_modified).where(validators.c.url == url)
            row = connection.execute(query).one_or_none()
        return Validator(row.etag, row.last_modified) if row else None

    return validator


def _run(row: Row[Any]) -> SourceRun:
    return _RUN.validate_python(row._asdict())
