"""The command publish."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import hint_workers, migrated_database, open_database
from digest.cli.options import AsOf, Day, DryRun, day_of
from digest.cli.output import answer, complain, progress, table, with_json
from digest.ledger.kinds import IssueStatus
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.publish import Published

Force = Annotated[bool, typer.Option("--force", help="Cut the issue even if the date is not today.")]


@with_json
def publish(day: Day = None, as_of: AsOf = None, force: Force = False, dry_run: DryRun = False) -> None:
    """Cut the issue of a date and queue its deliveries. An existing issue stays as it is."""
    from digest import wiring
    from digest.issues.publish import NothingToCut, draft, recipients
    from digest.issues.publish import publish as cut

    now, plan = as_of or clock.now(), wiring.plan(settings())
    day, today = day_of(day, now), now.date()
    if dry_run:
        count = recipients(open_database(), plan, day, now)
        outlook = "was cut before" if count is None else f"would be mailed to {count} of the subscribers"
        progress(f"The issue of {day} {outlook}.")
        ranked = draft(open_database(), plan, now)
        rows = [(str(r.rank), f"{r.score:.3f}", r.paper.id, r.paper.title[:70]) for r in ranked[:25]]
        document = [{"rank": r.rank, "score": r.score, "paper": r.paper.id, "terms": r.terms.as_dict()} for r in ranked]
        return answer(document, lambda: table([("rank", "score", "paper", "title"), *rows]))
    count = recipients(migrated_database(), plan, day, now) if day != today and not force else None
    if count is not None:
        reach = f"its issue would be mailed to {count} of the subscribers"
        complain(f"{day} is not today ({today}, UTC), and {reach}. To cut it all the same, add --force", 2)
    try:
        done = cut(migrated_database(), plan, day, now)
    except NothingToCut as reason:
        complain(f"No issue was cut and nothing changed. {reason}", 1)
    hint_workers()
    return answer(asdict(done), lambda: [_line(done).rstrip()])


def _line(done: "Published") -> str:
    if done.status is IssueStatus.CANCELLED:
        return f"Issue of {done.date}: was cut before and is cancelled; nothing is queued, and a date is cut only once."
    what = "cut now" if done.created else "was cut before; nothing changed"
    queued = "deliveries queued" if done.created else "deliveries queued then"
    also = "".join(f" {kind}: {count} deliveries." for kind, count in done.also.items())
    return f"Issue of {done.date}: {what}. {done.papers} papers, {done.candidates} {queued}.{also} {done.note}"
