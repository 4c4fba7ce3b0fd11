"""What a source listed before: what papers/collecting/health.py compares a run with."""

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, select

from digest.database.tables import collections
from digest.papers.collecting.collection import SourceHealth
from digest.papers.collecting.health import Before
from digest.papers.store import collected

DAYS = 28


def before(connection: Connection, source: str, day: date, now: datetime) -> Before:
    """The earlier lists of `source`, each as it stood when its own day was as old as `day` is at `now`."""
    same_day = (
        select(collections)
        .where(collections.c.source == source, collections.c.day == day, collections.c.started_at <= now)
        .where(collections.c.outcome != str(SourceHealth.FAILING))
        .order_by(collections.c.started_at.desc(), collections.c.id.desc())
        .limit(1)
    )
    found = connection.execute(same_day).one_or_none()
    ids = _of_earlier_days(connection, source, day, now) if day == now.date() else []
    earlier = select(collections).where(collections.c.id.in_(ids)).order_by(collections.c.day.desc())
    runs = [collected(row) for row in connection.execute(earlier)]
    return Before(collected(found) if found else None, [run.papers for run in runs], [run.facts for run in runs])


def _of_earlier_days(connection: Connection, source: str, day: date, now: datetime) -> list[int]:
    """The numbers of the runs that were the last at this hour of their day and brought papers."""
    age = now - datetime.combine(day, time(), UTC)
    query = (
        select(collections.c.id, collections.c.day, collections.c.started_at)
        .where(collections.c.source == source, collections.c.day < day, collections.c.papers > 0)
        .where(collections.c.day >= day - timedelta(days=DAYS), collections.c.started_at >= now - timedelta(days=DAYS))
        .where(collections.c.outcome != str(SourceHealth.FAILING))
        .order_by(collections.c.started_at, collections.c.id)
    )
    latest = {
        row.day: row.id
        for row in connection.execute(query)
        if row.started_at <= datetime.combine(row.day, time(), UTC) + age
    }
    return list(latest.values())
