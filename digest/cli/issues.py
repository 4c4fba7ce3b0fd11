"""The commands publish and upcoming."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import hint_workers, migrated_database, open_database, reading
from digest.cli.options import AsOf, Day, DryRun, day_of
from digest.cli.output import answer, complain, progress, table, with_json
from digest.cli.watching import long_work
from digest.ledger.kinds import IssueStatus
from digest.settings import settings
from digest.text import minute_of

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.publish import Published, Upcoming
    from digest.papers.paper import RankedPaper

Force = Annotated[bool, typer.Option("--force", help="Cut the issue even if the date is not today.")]


@with_json
def publish(day: Day = None, as_of: AsOf = None, force: Force = False, dry_run: DryRun = False) -> None:
    """Cut the issue of a date and queue its deliveries. An existing issue stays as it is."""
    from digest import wiring
    from digest.issues.publish import NothingToCut, best_papers, count_recipients
    from digest.issues.publish import publish as cut
    from digest.issues.summaries import summarise

    now, plan = as_of or clock.now(), wiring.plan(settings())
    day, today = day_of(day, now), now.date()
    if dry_run:
        count = count_recipients(open_database(), plan, day, now)
        outlook = "was cut before" if count is None else f"would be mailed to {count} of the subscribers"
        progress(f"The issue of {day} {outlook}.")
        with reading() as connection:
            ranked = best_papers(connection, plan, day, now)
        rows = [(r.rank, f"{r.score:.3f}", r.paper.id, r.paper.title) for r in ranked[:25]]
        return answer(list(map(_described, ranked)), lambda: table([("rank", "score", "paper", "title"), *rows]))
    count = count_recipients(migrated_database(), plan, day, now) if day != today and not force else None
    if count is not None:
        reach = f"its issue would be mailed to {count} of the subscribers"
        complain(f"{day} is not today ({today}, UTC), and {reach}. To cut it all the same, add --force", 2)
    try:
        with long_work(f"Cutting the issue of {day}"):
            summarise(migrated_database(), plan, wiring.summaries(settings()), day, lambda: now)
            done = cut(migrated_database(), plan, day, now)
    except NothingToCut as reason:
        complain(f"No issue was cut and nothing changed. {reason}", 1)
    hint_workers()
    return answer(asdict(done), lambda: [_line(done).rstrip()])


@with_json
def upcoming(limit: Annotated[int, typer.Option("--limit", min=1, help="Papers to show.")] = 10) -> None:
    """Show the next issue as it would be now: when it is cut, for how many, and its best papers. Changes nothing."""
    from digest import wiring
    from digest.issues.publish import upcoming as foreseen

    coming = foreseen(open_database(), wiring.plan(settings()), clock.now())
    document = {
        "issue": coming.date,
        "cut_at": coming.cut_at,
        "subscribers": coming.reach.subscribers,
        "left_out": dict(coming.reach.left_out),
        "also": coming.reach.also,
        "papers": [_described(ranked) for ranked in coming.papers],
        "choices": [asdict(choice) for choice in coming.choices],
    }
    answer(document, lambda: _upcoming_lines(coming, limit))


def _upcoming_lines(coming: "Upcoming", limit: int) -> Iterator[str]:
    when = "cut" if coming.cut_at > clock.now() else "was due to be cut"
    yield (
        f"The issue of {coming.date} {'is ' if when == 'cut' else ''}{when} at {minute_of(coming.cut_at)}; "
        f"as of now, {coming.reach.subscribers} subscribers get an email."
    )
    for kind in coming.reach.also:
        yield f"Some of them get the {kind} issue of that date instead."
    for reason, count in coming.reach.left_out.items():
        yield f"Left out on that day: {count} ({reason})."
    yield from _choice_lines(coming)
    if not coming.papers:
        yield "It has no papers so far."
        return
    rows = [
        ("pinned" if ranked.terms.is_pinned else ranked.score_rank, f"{ranked.score:.3f}", ranked.paper.id, title)
        for ranked in coming.papers
        for title in [ranked.paper.title]
    ]
    yield f"Its best papers, of {len(rows)}, as the votes are now:"
    yield from table([("rank", "score", "paper", "title"), *rows[:limit]])


def _choice_lines(coming: "Upcoming") -> Iterator[str]:
    """Name each change of the list, with its operator and reason."""
    for choice in coming.choices:
        what = f"postponed to {choice.until}" if choice.until else str(choice.choice)
        why = f": {choice.reason}" if choice.reason else ""
        yield f"{choice.paper_id} was {what} by {choice.by} at {minute_of(choice.at)}{why}."


def _described(ranked: "RankedPaper") -> dict[str, object]:
    return {
        "rank": ranked.rank,
        "pinned": ranked.terms.is_pinned,
        "score": ranked.score,
        "paper": ranked.paper.id,
        "title": ranked.paper.title,
        "terms": ranked.terms.as_dict(),
    }


def _line(done: "Published") -> str:
    if done.status is IssueStatus.CANCELLED:
        return f"Issue of {done.date}: was cut before and is cancelled; nothing is queued, and a date is cut only once."
    what = "cut now" if done.created else "was cut before; nothing changed"
    queued = "deliveries queued" if done.created else "deliveries queued then"
    also = "".join(f" {kind}: {count} deliveries." for kind, count in done.also.items())
    return f"Issue of {done.date}: {what}. {done.papers} papers, {done.candidates} {queued}.{also} {done.note}"
