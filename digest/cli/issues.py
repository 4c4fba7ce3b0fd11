"""The command publish."""

from dataclasses import asdict

from digest import clock
from digest.cli.lookup import hint_workers, migrated_database, open_database
from digest.cli.options import AsOf, Day, DryRun, day_of
from digest.cli.output import answer, complain, table, with_json
from digest.settings import settings


@with_json
def publish(day: Day = None, as_of: AsOf = None, dry_run: DryRun = False) -> None:
    """Cut the issue of a date and queue its deliveries. An existing issue stays as it is."""
    from digest import wiring
    from digest.issues.publish import NothingToCut, draft
    from digest.issues.publish import publish as cut

    now, plan = as_of or clock.now(), wiring.plan(settings())
    if dry_run:
        ranked = draft(open_database(), plan, now)
        rows = [(str(r.rank), f"{r.score:.3f}", r.paper.id, r.paper.title[:70]) for r in ranked[:25]]
        document = [{"rank": r.rank, "score": r.score, "paper": r.paper.id, "terms": r.terms.as_dict()} for r in ranked]
        return answer(document, lambda: table([("rank", "score", "paper", "title"), *rows]))
    try:
        done = cut(migrated_database(), plan, day_of(day, now), now)
    except NothingToCut as reason:
        complain(f"No issue was cut and nothing changed. {reason}", 1)
    hint_workers()
    what = "cut now" if done.created else "was cut before; nothing changed"
    also = "".join(f" {kind}: {count} deliveries." for kind, count in done.also.items())
    line = f"Issue of {done.date}: {what}. {done.papers} papers, {done.candidates} deliveries queued.{also} {done.note}"
    return answer(asdict(done), lambda: [line.rstrip()])
