"""The command publish."""

from dataclasses import asdict

import typer

from digest.cli.lookup import open_database
from digest.cli.options import AsOf, Day, DryRun, day_of
from digest.cli.output import answer, complain, table, with_json
from digest.settings import settings


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Papers and issues")(with_json(publish))


def publish(day: Day = None, as_of: AsOf = None, dry_run: DryRun = False) -> None:
    """Cut the issue of a date and queue its deliveries. An existing issue stays as it is."""
    from digest import clock, hints, wiring
    from digest.database.migrate import migrate
    from digest.issues.publish import NothingToCut, draft
    from digest.issues.publish import publish as cut

    now = as_of or clock.now()
    date_ = day_of(day, now)
    if not dry_run:
        migrate(settings().database)
    engine = open_database()
    if dry_run:
        ranked = draft(engine, wiring.plan(settings()), now)
        rows = [("rank", "score", "paper", "title")]
        rows += [(str(r.rank), f"{r.score:.3f}", r.paper.id, r.paper.title[:70]) for r in ranked[:25]]
        document = [{"rank": r.rank, "score": r.score, "paper": r.paper.id, "terms": r.terms.as_dict()} for r in ranked]
        return answer(document, lambda: table(rows))
    try:
        done = cut(engine, wiring.plan(settings()), date_, now)
    except NothingToCut as reason:
        complain(f"No issue was cut and nothing changed. {reason}", 1)
    hints.hint(settings().redis_url.get_secret_value())
    what = "cut now" if done.created else "was cut before; nothing changed"
    also = "".join(f" {kind}: {count} deliveries." for kind, count in done.also.items())
    line = f"Issue of {done.date}: {what}. {done.papers} papers, {done.candidates} deliveries queued.{also} {done.note}"
    return answer(asdict(done), lambda: [line.rstrip()])
