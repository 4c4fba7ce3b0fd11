"""The command explain: every number behind an issue, or behind one reader's mail, and what other weights would do."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import key_of, open_database, stored_issue
from digest.cli.options import Json, Which, the_day
from digest.cli.output import NotReady, answer, table
from digest.issues.reasons import reason_of
from digest.ledger.kinds import IssueKind

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.issues.explain import Explained, Move
    from digest.issues.issue import Issue
    from digest.papers.paper import RankedPaper


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Papers and issues")(explain)


def explain(
    day: Annotated[
        str | None, typer.Option("--issue", "--date", metavar="DATE", help="The issue; today's when left out.")
    ] = None,
    kind: Which = IssueKind.DAILY,
    subscriber: Annotated[str | None, typer.Option(help="A reader's address: the list that they were sent.")] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option("--what-if", metavar="WEIGHT=VALUE", help="Another weight: which places it would change."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many papers of an issue to show.")] = 25,
    as_json: Json = False,
) -> None:
    """Every number that put the papers of an issue, or of the mail that one reader was sent, in their places."""
    from digest import clock
    from digest.issues.explain import BadWeight

    engine = open_database()
    issue = stored_issue(engine, the_day(day, clock.now()), kind)
    changes = _weights(what_if or [])
    try:
        if subscriber is None:
            return _explain_issue(issue, changes, limit, as_json)
        return _explain_mail(engine, issue, subscriber, changes, as_json)
    except BadWeight as problem:
        raise typer.BadParameter(str(problem), param_hint="--what-if") from None


def _weights(said: list[str]) -> dict[str, float]:
    changes = {}
    for one in said:
        name, _, value = one.partition("=")
        try:
            changes[name.strip()] = float(value)
        except ValueError:
            raise typer.BadParameter(f"{one!r} is not WEIGHT=VALUE, as lateness=0.5", param_hint="--what-if") from None
    return changes


# --- an issue ---


def _explain_issue(issue: "Issue", changes: Mapping[str, float], limit: int, as_json: bool) -> None:
    from digest.issues.explain import moved, with_weights

    other = with_weights(issue, changes)
    moves = moved([one.paper.id for one in issue.papers], [one.paper.id for one in other.papers])
    document = {
        "issue": issue.date,
        "kind": issue.kind,
        "cut_at": issue.cut_at,
        "formula": issue.formula,
        "weights": issue.weights,
        "note": issue.note,
        "papers": [
            {"rank": r.rank, "paper": r.paper.id, "title": r.paper.title, "score": r.score, "terms": r.terms.as_dict()}
            for r in issue.papers
        ],
    }
    answer(as_json, document | _what_if(changes, moves), lambda: _issue_lines(issue, changes, moves, limit))


def _issue_lines(issue: "Issue", changes: Mapping[str, float], moves: "tuple[Move, ...]", limit: int) -> Iterator[str]:
    weights = ", ".join(f"{name} {value:g}" for name, value in issue.weights.items())
    which = "" if issue.kind == IssueKind.DAILY else f" ({issue.kind})"
    cut = f"{issue.cut_at:%Y-%m-%d %H:%M} UTC"
    yield f"Issue of {issue.date}{which}, cut {cut}; formula “{issue.formula}” with {weights}"
    if issue.note:
        yield issue.note
    shown = [(r, r.terms.as_dict()) for r in issue.papers[:limit]]
    names = list(dict.fromkeys(name for _, terms in shown for name in terms))
    rows = [("rank", *names, "paper")]
    rows += [
        (str(r.rank), *(f"{terms[name]:.4g}" if name in terms else "" for name in names), r.paper.id)
        for r, terms in shown
    ]
    yield from table(rows)
    yield from _what_if_lines(changes, [one for one in moves if (one.after or limit) <= limit])


# --- a mail ---


def _explain_mail(engine: "Engine", issue: "Issue", address: str, changes: Mapping[str, float], as_json: bool) -> None:
    from digest.issues.explain import explain_list
    from digest.issues.selection import CachedIssue, Pool

    found = explain_list(engine, CachedIssue(issue, Pool(issue)), key_of(address), changes)
    if found is None:
        raise NotReady(
            f"No list was frozen for {address} on {issue.date}: their mail was not due, not begun, or skipped."
        )
    document = {
        "issue": issue.date,
        "kind": issue.kind,
        "subscriber": address,
        "state": found.chosen.state,
        "same_now": found.same,
        "since_then": found.since_then,
        "left_out": found.chosen.selection.left_out,
        "papers": _papers(issue, found),
    }
    answer(as_json, document | _what_if(changes, found.moves), lambda: _mail_lines(issue, found, changes))


def _papers(issue: "Issue", found: "Explained") -> list[dict[str, Any]]:
    ranked = {r.paper.id: r for r in issue.papers}
    return [
        {
            "place": place,
            "paper": pick.paper_id,
            "title": r.paper.title,
            "reason": reason_of(r, issue.kind, pick.why),
            "score": pick.score,
            "terms": pick.terms,
            "ranking": {"rank": r.rank, "score": r.score, "terms": r.terms.as_dict()},
        }
        for place, pick in enumerate(found.chosen.selection.picks, start=1)
        if (r := ranked[pick.paper_id])
    ]


def _mail_lines(issue: "Issue", found: "Explained", changes: Mapping[str, float]) -> Iterator[str]:
    ranked = {r.paper.id: r for r in issue.papers}
    for place, pick in enumerate(found.chosen.selection.picks, start=1):
        r = ranked[pick.paper_id]
        yield f"{place:>2}. {pick.paper_id}  {r.paper.title[:80]}"
        yield f"    {reason_of(r, issue.kind, pick.why)}"
        if terms := pick.terms:
            yield f"    score {pick.score:g} = {' '.join(f'{value:+g} {name}' for name, value in terms.items())}"
        yield f"    rank {r.rank} of the issue: {_ranking_terms(r)}"
    yield f"{found.chosen.selection.left_out} papers of the issue were left out: this reader already got them."
    if found.same is not None:
        yield "The list would be the same now." if found.same else "The list would be another now."
    if found.since_then:
        yield f"{found.since_then[0].upper()}{found.since_then[1:]}."
    yield from _what_if_lines(changes, list(found.moves))


def _ranking_terms(ranked: "RankedPaper") -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in ranked.terms.as_dict().items())


# --- other weights ---


def _what_if(changes: Mapping[str, float], moves: "tuple[Move, ...]") -> dict[str, Any]:
    if not changes:
        return {}
    return {"what_if": {"weights": dict(changes), "moves": [asdict(one) for one in moves]}}


def _what_if_lines(changes: Mapping[str, float], moves: "list[Move]") -> Iterator[str]:
    if not changes:
        return
    said = ", ".join(f"{name} {value:g}" for name, value in changes.items())
    if not moves:
        yield f"With {said} every place would be the same."
        return
    yield f"With {said}:"
    yield from table([("was", "would be", "paper"), *((m.before or "-", m.after or "-", m.paper_id) for m in moves)])
