"""The commands papers pin, remove, postpone and undo, which change an issue before its cut."""

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import open_database, reading
from digest.cli.options import DryRun, date_option, operator
from digest.cli.output import complain, report, shortened, with_json

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.editing import EditorialChoice
    from digest.papers.paper import Paper

_MOST = 5  # papers that an error names
_TITLE = 60  # columns

papers = typer.Typer(help="Change the next issue before its cut. To see it: digest upcoming", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="PAPER", help="Id of a paper, or the beginning of its title or address.")]
Day = Annotated[date | None, date_option("--date --issue", "Date of the issue.", "the next issue")]
Until = Annotated[date, date_option("--until", "First date that may have it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; upcoming, the console and its log show it.")]


@papers.command()
@with_json
def pin(paper: Named, day: Day = None, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Put a paper at the top of an issue, whatever its rank."""
    _choose("pinned", paper, day, reason, dry_run)


@papers.command()
@with_json
def remove(paper: Named, day: Day = None, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Keep a paper out of an issue, for everyone. The next one may have it; to keep it out for longer: postpone."""
    _choose("removed", paper, day, reason, dry_run)


@papers.command()
@with_json
def postpone(paper: Named, until: Until, day: Day = None, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Keep a paper out of all issues before a date. From then on it counts as new."""
    _choose("postponed", paper, day, reason, dry_run, until)


@papers.command()
@with_json
def undo(paper: Named, day: Day = None, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Take back what was chosen about a paper for an issue."""
    from digest.issues import editing

    named, day = _paper(paper), _next_issue(day)
    try:
        undone = editing.undo(open_database(), day, named.id, clock.now(), reason, dry_run)
    except editing.BadChoice as problem:
        complain(f"Nothing changed: {problem}", 2)
    document = {"issue": day, "paper": named.id, "undone": asdict(undone) if undone else None, "dry_run": dry_run}
    line = f"Nothing changed: nothing was chosen about {named.id} for the issue of {day}."
    if undone:
        no_longer = "would no longer be" if dry_run else "is no longer"
        line = f"{_title(named)} {no_longer} {_what(undone)} for the issue of {day}."
    report(document, line)


def _choose(what: str, text: str, day: date | None, reason: str, dry_run: bool, until: date | None = None) -> None:
    from digest.issues import editing

    named, day, reason = _paper(text), _next_issue(day), " ".join(reason.split())[: editing.LONGEST_REASON]
    wanted = editing.EditorialChoice(day, named.id, editing.Choice(what), operator(), clock.now(), reason, until)
    try:
        changed = editing.choose(open_database(), wanted, dry_run)
    except editing.BadChoice as problem:
        complain(f"Nothing changed: {problem}", 2)
    document = asdict(wanted) | {"title": named.title, "changed": changed, "dry_run": dry_run}
    is_ = "would be" if dry_run else "is"
    lines = [
        f"{_title(named)} {is_} {_what(wanted)} for the issue of {day}.",
        f"To undo it: digest papers undo {named.id} --date {day}",
    ]
    if not changed:
        lines = [f"Nothing changed: {named.id} is {_what(wanted)} for the issue of {day} already."]
    report(document, *lines)


def _what(choice: "EditorialChoice") -> str:
    return f"{choice.choice} to {choice.until}" if choice.until else str(choice.choice)


def _title(paper: "Paper") -> str:
    return f"“{shortened(' '.join(paper.title.split()), _TITLE)}” ({paper.id})"


def _paper(text: str) -> "Paper":
    """The paper that `text` names. Ends the command, with a list if it could be several."""
    from digest.papers.search import papers_named

    with reading() as connection:
        found = papers_named(connection, text, _MOST + 1)
    if len(found) == 1:
        return found[0]
    if not found:
        complain(f"No paper has the id {text!r}, or a title or address that begins so. To find it: digest search", 2)
    more = "\n  …" if len(found) > _MOST else ""
    listed = "".join(f"\n  {paper.id}  {shortened(paper.title, _TITLE)}" for paper in found[:_MOST])
    return complain(f"Several papers begin with {text!r}; name one by its id:{listed}{more}", 2)


def _next_issue(day: date | None) -> date:
    from digest.issues.publish import next_day

    with reading() as connection:
        return day or next_day(connection, clock.now())
