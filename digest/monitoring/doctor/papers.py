"""Checks of the sources and of today's issue."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from digest.database.engine import read_only
from digest.issues.publish import date_to_cut
from digest.issues.store import issue_dates
from digest.monitoring.doctor.finding import Finding
from digest.papers.collecting import SourceRun, last_runs, lost_touch, source_title
from digest.settings import Settings


def papers(engine: Engine, settings: Settings, now: datetime) -> Iterator[Finding]:
    """A finding for each configured source, and one for the issue."""
    try:
        with read_only(engine) as connection:
            runs = {run.source: run for run in last_runs(connection, now)}
            dates = issue_dates(connection, 1)
    except SQLAlchemyError:
        return  # reported by the check of the database
    for name in settings.sources:
        yield _source(name, runs.get(name), now)
    if not settings.sources:
        yield Finding("sources", False, "none is chosen", "Set DIGEST_SOURCES; papers come from sources only.")
    today = date_to_cut(now, settings.cut_at)
    late = today is not None and dates[:1] != [today]
    newest = f"newest is of {dates[0]}" if dates else "none yet"
    yield Finding("issue", not late, newest, "Is the scheduler running? Or run: digest publish" if late else "")


def _source(name: str, run: SourceRun | None, now: datetime) -> Finding:
    what = f"source {name}"
    if run is None:
        return Finding(what, False, "never read", "The scheduler reads it; or run: digest collect")
    read = f"list of {run.day:%A %Y-%m-%d}, read {run.started_at:%Y-%m-%d %H:%M} UTC"
    state = f"{run.outcome}. {source_title(name)}, {read}: {run.message}"
    if lost_touch(run, now):
        return Finding(what, False, state, "That is long ago. Is the scheduler running? Or run: digest collect")
    return Finding(what, not run.advice, state, run.advice)
