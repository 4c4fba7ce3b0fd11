"""The command `digest collect`: one day, or a backfill of many."""

import sys
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import migrated_database, open_database
from digest.cli.options import AsOf, DryRun, date_option, day_of
from digest.cli.output import NotReady, answer, progress, table, with_json
from digest.cli.watching import long_work
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.papers.collecting import Backfill
    from digest.papers.sources.source import Source

OneDay = Annotated[date | None, date_option("--date --issue", "Day to read.", "today")]
From = Annotated[date | None, date_option("--from", "Backfill: first day.")]
To = Annotated[date | None, date_option("--to", "Backfill: last day.", "yesterday")]
Again = Annotated[bool, typer.Option("--again", help="Backfill: also read days that were read completely before.")]


@with_json
def collect(
    day: OneDay = None,
    as_of: AsOf = None,
    first: From = None,
    last: To = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Read the sources for a date and store papers and votes. Exit code 1 when no source could be read.

    With --from, reads every day up to --to. Ctrl-C stops it; the same command resumes.
    """
    now = as_of or clock.now()
    if first is None and last is None and not again:
        return _one_day(day_of(day, now), now, dry_run)
    if first is None or day is not None or as_of is not None:
        raise typer.BadParameter("a backfill takes --from and --to, not --date or --as-of", param_hint="--from")
    return _many_days(*_span(first, last, now), again, dry_run)


def _one_day(day: date, now: datetime, dry_run: bool) -> None:
    from digest.papers.collecting import collect as read_sources

    engine = _temporary_database() if dry_run else migrated_database()
    runs = read_sources(engine, _sources(engine), day, now, progress)
    heading = ("source", "outcome", "papers", "new", "unreadable", "")
    rows = [
        (
            run.source,
            run.outcome,
            run.papers,
            run.new,
            len(run.unreadable),
            ". ".join(filter(None, (run.message, run.advice))),
        )
        for run in runs
    ]
    answer([asdict(run) for run in runs], lambda: table([heading, *rows], sentences=True))
    if all(run.outcome == "failing" for run in runs):
        progress("No source could be read; stored papers are unchanged.")
        sys.exit(1)


def _many_days(first: date, last: date, again: bool, dry_run: bool) -> None:
    from digest.papers.collecting import plan_backfill, run_backfill

    engine = open_database() if dry_run else migrated_database()
    todo = plan_backfill(engine, _sources(engine), first, last, again)
    stopped = False
    progress(f"{len(todo.steps)} lists to read; {todo.complete} were read before.")
    if not dry_run:
        try:
            with long_work("Reading lists", len(todo.steps)) as advance:
                run_backfill(engine, todo, clock.now, settings().pool_days, advance)
        except KeyboardInterrupt:
            stopped = True
    document = {
        "from": first,
        "to": last,
        "planned": [{"day": step.day, "source": step.source.name} for step in todo.steps],
        "complete": todo.complete,
        "read": [asdict(run) for run in todo.runs],
        "left": todo.left,
        "stopped": stopped,
    }
    answer(document, lambda: [_summary(todo, first, last)])
    if todo.left and not dry_run:
        reason = "Stopped; nothing read so far is lost." if stopped else "Some lists could not be read."
        progress(f"{reason} Run the same command again for the remaining {todo.left}.")
        sys.exit(1)


def _summary(todo: "Backfill", first: date, last: date) -> str:
    papers, new = sum(run.papers for run in todo.runs), sum(run.new for run in todo.runs)
    return (
        f"{first} to {last}: {len(todo.runs)} lists read with {papers} papers, {new} of them new; "
        f"{todo.complete} were complete before, {todo.left} remain."
    )


def _span(begin: date, last: date | None, now: datetime) -> tuple[date, date]:
    end = last or now.date() - timedelta(days=1)
    if begin > end or end > now.date():
        raise typer.BadParameter(f"{begin} to {end} is not a span of days up to today", param_hint="--from")
    return begin, end


def _temporary_database() -> "Engine":
    """In memory, gone when this process ends."""
    from digest.database.engine import connect
    from digest.database.tables import metadata

    engine = connect("sqlite://")
    metadata.create_all(engine)
    return engine


def _sources(engine: "Engine") -> "list[Source]":
    from digest import wiring

    try:
        return wiring.sources(settings(), engine)
    except ValueError as problem:  # an installed package's source that does not work
        raise NotReady(str(problem)) from None
