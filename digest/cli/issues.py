"""Commands about issues: publish, explain."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.lookup import key_of, open_database, stored_issue
from digest.cli.options import AsOf, Day, DryRun, Json, the_day, the_instant
from digest.cli.say import NotReady, answer, complain, table
from digest.issues.selection import reason_of
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.issues.issue import Issue
    from digest.issues.selection import Selection

Rows = Annotated[int, typer.Option("--limit", min=1, help="How many papers to show.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    for command in (publish, explain):
        app.command(rich_help_panel="Papers and issues")(command)


def publish(day: Day = None, as_of: AsOf = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Cut the issue of a date and queue its mails; an issue that is there already stays as it is."""
    from digest import hints, wiring
    from digest.issues.publish import NothingToCut, draft
    from digest.issues.publish import publish as cut
    from digest.store.migrate import migrate

    now = the_instant(as_of)
    date_ = the_day(day, now)
    if not dry_run:
        migrate(settings().database)
    engine = open_database()
    if dry_run:
        ranked = draft(engine, wiring.plan(settings()), now)
        rows = [("rank", "score", "paper", "title")]
        rows += [(str(r.rank), f"{r.score:.3f}", r.paper.id, r.paper.title[:70]) for r in ranked[:25]]
        document = [{"rank": r.rank, "score": r.score, "paper": r.paper.id, "terms": r.terms} for r in ranked]
        return answer(as_json, document, lambda: table(rows))
    try:
        done = cut(engine, wiring.plan(settings()), date_, now)
    except NothingToCut as reason:
        complain(f"No issue was cut, and nothing was changed. {reason}", 1)
    hints.hint(settings().redis_url.get_secret_value())
    what = "cut now" if done.created else "was cut before; nothing was changed"
    line = f"Issue of {done.date}: {what}. {done.papers} papers, {done.candidates} mails queued. {done.note}"
    return answer(as_json, asdict(done), lambda: [line.rstrip()])


def explain(
    day: Day = None,
    subscriber: Annotated[str | None, typer.Option(help="A reader: their list, as it was frozen.")] = None,
    limit: Rows = 25,
    as_json: Json = False,
) -> None:
    """Every number that put the papers of an issue, or of one reader's mail, in their places."""
    from digest import clock

    engine = open_database()
    issue = stored_issue(engine, the_day(day, clock.now()))
    if subscriber is not None:
        chosen = _their_selection(engine, issue.date, subscriber)
        document = {"issue": issue.date, "subscriber": subscriber, "papers": _picked(issue, chosen)}
        return answer(as_json, document, lambda: _picked_lines(issue, chosen))
    document = {
        "issue": issue.date,
        "cut_at": issue.cut_at,
        "formula": issue.formula,
        "weights": issue.weights,
        "note": issue.note,
        "papers": [
            {"rank": r.rank, "paper": r.paper.id, "title": r.paper.title, "score": r.score, "terms": r.terms}
            for r in issue.papers
        ],
    }
    return answer(as_json, document, lambda: _ranked_lines(issue, limit))


def _their_selection(engine: "Engine", day: date, address: str) -> "Selection":
    from digest.mail.message import Kind
    from digest.store.database import reading
    from digest.store.deliveries import find

    key = key_of(address)
    with reading(engine) as connection:
        delivery = find(connection, Kind.DIGEST, day, key)
    if delivery is None or delivery.selection is None:
        raise NotReady(f"No list was frozen for {address} on {day}: their mail was not due, not begun, or skipped.")
    return delivery.selection


def _picked(issue: "Issue", selection: "Selection") -> list[dict[str, object]]:
    ranked = {r.paper.id: r for r in issue.papers}
    return [
        {"paper": pick.paper_id, "reason": reason_of(r, pick.why), "rank": r.rank, "score": r.score, "terms": r.terms}
        for pick in selection.picks
        if (r := ranked[pick.paper_id])
    ]


def _picked_lines(issue: "Issue", selection: "Selection") -> Iterator[str]:
    ranked = {r.paper.id: r for r in issue.papers}
    rows = [("rank", "score", "paper", "why")]
    rows += [
        (
            str(ranked[p.paper_id].rank),
            f"{ranked[p.paper_id].score:.3f}",
            p.paper_id,
            reason_of(ranked[p.paper_id], p.why),
        )
        for p in selection.picks
    ]
    yield from table(rows)
    yield f"{selection.left_out} papers of the issue were left out: this reader already got them."


def _ranked_lines(issue: "Issue", limit: int) -> Iterator[str]:
    weights = ", ".join(f"{name} {value:g}" for name, value in issue.weights.items())
    yield f"Issue of {issue.date}, cut {_minute(issue.cut_at)}; formula “{issue.formula}” with {weights}"
    if issue.note:
        yield issue.note
    names = list(issue.papers[0].terms) if issue.papers else []
    rows = [("rank", *names, "paper")]
    rows += [(str(r.rank), *(f"{r.terms[name]:.4g}" for name in names), r.paper.id) for r in issue.papers[:limit]]
    yield from table(rows)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
