"""The command explain: every number behind an issue or a subscriber's list, and the effect of other weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import key_of, open_database, reading, stored_issue
from digest.cli.options import Day, OfKind, day_of, weight_option
from digest.cli.output import NotReady, answer, table, with_json
from digest.ledger.kinds import IssueKind
from digest.text import minute_of

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.explain import Move
    from digest.issues.issue import Issue


@with_json
def explain(
    day: Day = None,
    kind: OfKind = IssueKind.DAILY,
    subscriber: Annotated[str | None, typer.Option(help="Address: the list this subscriber was sent.")] = None,
    what_if: Annotated[
        list[Any] | None,
        weight_option("--what-if", "WEIGHT=VALUE", "Show the ranks that this weight would change."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Papers of an issue to show.")] = 25,
) -> None:
    """Show what the ranks of an issue are made of, or the list that one subscriber was sent. --json: every number."""
    from digest.issues.explain import BadWeight

    issue, changes = stored_issue(day_of(day), kind, whole=True), dict(what_if or [])
    try:
        if subscriber is None:
            return _explain_issue(issue, changes, limit)
        return _explain_mail(issue, subscriber, changes)
    except BadWeight as problem:
        raise typer.BadParameter(str(problem), param_hint="--what-if") from None


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
        "whole_pool": not issue.is_shrunk,
        "papers": [
            {"rank": r.rank, "paper": r.paper.id, "title": r.paper.title, "score": r.score, "terms": r.terms.as_dict()}
            for r in issue.papers
        ],
    }
    shown = [move for move in moves if (move.after or limit) <= limit]
    lines = (_issue_lines(document, limit), _what_if_lines(changes, shown))
    answer(document | _what_if(changes, moves), lambda: chain(*lines))


def _issue_lines(document: Mapping[str, Any], limit: int) -> Iterator[str]:
    which = "" if document["kind"] == IssueKind.DAILY else f" ({document['kind']})"
    cut = minute_of(document["cut_at"])
    weights = _listed(document["weights"], "g")
    yield f"Issue of {document['issue']}{which}, cut {cut}; formula “{document['formula']}” with {weights}"
    if document["note"]:
        yield document["note"]
    if not document["whole_pool"]:
        yield "Of the papers beyond its best, only those that someone was sent are still kept."
    papers = document["papers"][:limit]
    parts = [_parts(paper["terms"]) for paper in papers]
    rows = [
        (paper["rank"], f"{paper['score']:.3f}", paper["paper"], _listed(own, "+.3g"))
        for paper, own in zip(papers, parts, strict=True)
    ]
    yield from table([("rank", "score", "paper", "its parts, the largest first"), *rows], sentences=True)
    if names := list(dict.fromkeys(name for own in parts for name in own)):
        yield from ("", *table([("part of the score", "what it is"), *((name, _label(name)) for name in names)]))
        yield "What they are computed from is in the document of --json."


def _parts(terms: Mapping[str, float]) -> dict[str, float]:
    """The parts of the score, largest first; issues of earlier formulas may have none."""
    from digest.papers.score_terms import CONTRIBUTION

    parts = {name.removeprefix(CONTRIBUTION): terms[name] for name in terms if name.startswith(CONTRIBUTION)}
    return {name: parts[name] for name in sorted(parts, key=lambda name: -abs(parts[name])) if round(parts[name], 4)}


def _label(name: str) -> str:
    from digest.web.public.score_labels import part_label

    return part_label(name)


# --- one subscriber's list ---


def _explain_mail(issue: "Issue", address: str, changes: Mapping[str, float]) -> None:
    from digest.issues.explain import explain_list
    from digest.issues.reasons import reason_of
    from digest.issues.selection import CachedIssue, Pool

    explained = explain_list(open_database(), CachedIssue(issue, Pool(issue)), key_of(address), changes)
    if explained is None:
        _explain_nothing(issue, address)
        return
    selection, ranked = explained.chosen.selection, {r.paper.id: r for r in issue.pool}
    document = {
        "issue": issue.date,
        "kind": issue.kind,
        "subscriber": address,
        "state": explained.chosen.state,
        "same_now": explained.same,
        "since_then": explained.since_then,
        "left_out": selection.left_out,
        "own": explained.own,
        "since": selection.since,
        "papers": [
            {
                "place": number,
                "paper": pick.paper_id,
                "title": r.paper.title,
                "reason": reason_of(r, issue.kind, pick.why),
                "score": pick.score,
                "terms": pick.terms,
                "ranking": {"rank": r.rank, "score": r.score, "terms": r.terms.as_dict()},
            }
            for number, pick in enumerate(selection.picks, start=1)
            for r in [ranked[pick.paper_id]]
        ],
    }
    lines = (_mail_lines(document), _what_if_lines(changes, explained.moves))
    answer(document | _what_if(changes, explained.moves), lambda: chain(*lines))


def _explain_nothing(issue: "Issue", address: str) -> None:
    """Raises NotReady unless the message was skipped, which has a reason."""
    from digest.issues.explain import why_no_list

    with reading() as connection:
        why = why_no_list(connection, issue.id, key_of(address))
    if not why:
        raise NotReady(f"No list was frozen for {address} on {issue.date}: their message was not due or not begun.")
    document = {"issue": issue.date, "kind": issue.kind, "subscriber": address, "state": "skipped", "why": why}
    answer(document, lambda: [f"There is no list for {address} on {issue.date}: {why}."])


def _mail_lines(document: Mapping[str, Any]) -> Iterator[str]:
    for paper in document["papers"]:
        yield f"{paper['place']:>2}. {paper['paper']}  {paper['title'][:80]}"
        yield f"    {paper['reason']}"
        if terms := paper["terms"]:
            yield f"    score {paper['score']:g} = {' '.join(f'{value:+g} {name}' for name, value in terms.items())}"
        ranking = paper["ranking"]
        parts = _listed(_parts(ranking["terms"]), "+.3g")
        yield f"    rank {ranking['rank']} of the issue with a score of {ranking['score']:.3f}: {parts}"
    own = f"{document['own']} of {len(document['papers'])} papers"
    yield f"{own} match what this subscriber follows or liked; the others are the issue's best."
    if document["since"]:
        yield f"No email went out from {document['since']} on, since too few papers were worth it."
    yield f"{document['left_out']} papers of the issue were left out: this subscriber already got them."
    if document["same_now"] is not None:
        yield "The list would be the same now." if document["same_now"] else "The list would differ now."
    if since_then := document["since_then"]:
        yield f"{since_then[0].upper()}{since_then[1:]}."


# --- other weights ---


def _what_if(changes: Mapping[str, float], moves: "Sequence[Move]") -> dict[str, Any]:
    return {"what_if": {"weights": changes, "moves": [asdict(move) for move in moves]}} if changes else {}


def _what_if_lines(changes: Mapping[str, float], moves: "Sequence[Move]") -> Iterator[str]:
    if changes and not moves:
        yield f"With {_listed(changes, 'g')} every rank would be the same."
    elif changes:
        yield f"With {_listed(changes, 'g')}:"
        yield from table(
            [("was", "would be", "paper"), *((m.before or "-", m.after or "-", m.paper_id) for m in moves)]
        )


def _listed(numbers: Mapping[str, float], precision: str) -> str:
    return ", ".join(f"{name} {value:{precision}}" for name, value in numbers.items())
