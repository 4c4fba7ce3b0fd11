"""The command that brings issues out: publish."""

from dataclasses import asdict

import typer

from digest.cli.lookup import open_database
from digest.cli.options import AsOf, Day, DryRun, Json, the_day, the_instant
from digest.cli.output import answer, complain, table
from digest.settings import settings


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Papers and issues")(publish)


def publish(day: Day = None, as_of: AsOf = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Cut the issue of a date and queue its mails; an issue that is there already stays as it is."""
    from digest import hints, wiring
    from digest.database.migrate import migrate
    from digest.issues.publish import NothingToCut, draft
    from digest.issues.publish import publish as cut

    now = the_instant(as_of)
    date_ = the_day(day, now)
    if not dry_run:
        migrate(settings().database)
    engine = open_database()
    if dry_run:
        ranked = draft(engine, wiring.plan(settings()), now)
        rows = [("rank", "score", "paper", "title")]
        rows += [(str(r.rank), f"{r.score:.3f}", r.paper.id, r.paper.title[:70]) for r in ranked[:25]]
        document = [{"rank": r.rank, "score": r.score, "paper": r.paper.id, "terms": r.terms.as_dict()} for r in ranked]
        return answer(as_json, document, lambda: table(rows))
    try:
        done = cut(engine, wiring.plan(settings()), date_, now)
    except NothingToCut as reason:
        complain(f"No issue was cut, and nothing was changed. {reason}", 1)
    hints.hint(settings().redis_url.get_secret_value())
    what = "cut now" if done.created else "was cut before; nothing was changed"
    also = "".join(f" {kind}: {count} mails." for kind, count in done.also.items())
    line = f"Issue of {done.date}: {what}. {done.papers} papers, {done.candidates} mails queued.{also} {done.note}"
    return answer(as_json, asdict(done), lambda: [line.rstrip()])
