"""The command explain: every number behind an issue or a subscriber's list, and the effect of other weights."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import key_of, open_database, stored_issue
from digest.cli.options import Day, OfKind, day_of
from digest.cli.output import NotReady, answer, table, with_json
from digest.issues.reasons import reason_of
from digest.ledger.kinds import IssueKind

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.issues.explain import Explained, Move
    from digest.issues.issue import Issue
    from digest.papers.paper import RankedPaper


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Papers and issues")(with_json(explain))


def explain(
    day: Day = None,
    kind: OfKind = IssueKind.DAILY,
    subscriber: Annotated[str | None, typer.Option(help="Address: the list this subscriber was sent.")] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option("--what-if", metavar="WEIGHT=VALUE", help="Show the ranks that this weight would change."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Papers of an issue to show.")] = 25,
) -> None:
    """Show every number behind the ranks of an issue, or behind the list that one subscriber was sent."""
    from digest.issues.explain import BadWeight

    engine = open_database()
    issue = stored_issue(engine, day_of(day), kind)
    changes = _weights(what_if or [])
    try:
        if subscriber is None:
            return _explain_issue(issue, changes, limit)
        return _explain_mail(engine, issue, subscriber, changes)
    except BadWeight as problem:
        raise typer.BadParameter(str(problem), param_hint="--what-if") from None


def _weights(given: list[str]) -> dict[str, float]:
    changes = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            changes[name.strip()] = float(value)
        except ValueError:
            raise typer.BadParameter(f"{text!r}: write lateness=0.5", param_hint="--what-if") from None
    return changes


# --- an issue ---


def _explain_issue(issue: "Issue", changes: Mapping[str, float], limit: int) -> None:
    from digest.issues.explain import moved, with_weights

    other = with_weights(issue, changes)
    moves = moved([ranked.paper.id for ranked in issue.papers], [ranked.paper.id for ranked in other.papers])
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
    answer(document | _what_if(changes, moves), lambda: _issue_lines(issue, changes, moves, limit))


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
    yield from _what_if_lines(changes, [move for move in moves if (move.after or limit) <= limit])


# --- one subscriber's list ---


def _explain_mail(engine: "Engine", issue: "Issue", address: str, changes: Mapping[str, float]) -> None:
    from digest.issues.explain import explain_list
    from digest.issues.selection import CachedIssue, Pool

    explained = explain_list(engine, CachedIssue(issue, Pool(issue)), key_of(address), changes)
    if explained is None:
        raise NotReady(
            f"No list was frozen for {address} on {issue.date}: their mail was not due, not begun, or skipped."
        )
    document = {
        "issue": issue.date,
        "kind": issue.kind,
        "subscriber": address,
        "state": explained.chosen.state,
        "same_now": explained.same,
        "since_then": explained.since_then,
        "left_out": explained.chosen.selection.left_out,
        "papers": _papers(issue, explained),
    }
    answer(document | _what_if(changes, explained.moves), lambda: _mail_lines(issue, explained, changes))


def _papers(issue: "Issue", explained: "Explained") -> list[dict[str, Any]]:
    ranked = {r.paper.id: r for r in issue.papers}
    return [
        {
            "place": rank,
            "paper": pick.paper_id,
            "title": r.paper.title,
            "reason": reason_of(r, issue.kind, pick.why),
            "score": pick.score,
            "terms": pick.terms,
            "ranking": {"rank": r.rank, "score": r.score, "terms": r.terms.as_dict()},
        }
        for rank, pick in enumerate(explained.chosen.selection.picks, start=1)
        if (r := ranked[pick.paper_id])
    ]


def _mail_lines(issue: "Issue", explained: "Explained", changes: Mapping[str, float]) -> Iterator[str]:
    ranked = {r.paper.id: r for r in issue.papers}
    for rank, pick in enumerate(explained.chosen.selection.picks, start=1):
        r = ranked[pick.paper_id]
        yield f"{rank:>2}. {pick.paper_id}  {r.paper.title[:80]}"
        yield f"    {reason_of(r, issue.kind, pick.why)}"
        if terms := pick.terms:
            yield f"    score {pick.score:g} = {' '.join(f'{value:+g} {name}' for name, value in terms.items())}"
        yield f"    rank {r.rank} of the issue: {_ranking_terms(r)}"
    yield f"{explained.chosen.selection.left_out} papers of the issue were left out: this subscriber already got them."
    if explained.same is not None:
        yield "The list would be the same now." if explained.same else "The list would differ now."
    if explained.since_then:
        yield f"{explained.since_then[0].upper()}{explained.since_then[1:]}."
    yield from _what_if_lines(changes, list(explained.moves))


def _ranking_terms(ranked: "RankedPaper") -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in ranked.terms.as_dict().items())


# --- other weights ---


def _what_if(changes: Mapping[str, float], moves: "tuple[Move, ...]") -> dict[str, Any]:
    if not changes:
        return {}
    return {"what_if": {"weights": dict(changes), "moves": [asdict(move) for move in moves]}}


def _what_if_lines(changes: Mapping[str, float], moves: "list[Move]") -> Iterator[str]:
    if not changes:
        return
    weights = ", ".join(f"{name} {value:g}" for name, value in changes.items())
    if not moves:
        yield f"With {weights} every rank would be the same."
        return
    yield f"With {weights}:"
    yield from table([("was", "would be", "paper"), *((m.before or "-", m.after or "-", m.paper_id) for m in moves)])
