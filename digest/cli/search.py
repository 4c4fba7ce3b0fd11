"""The command that looks for papers in the archive."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import open_database
from digest.cli.options import Json
from digest.cli.output import NotReady, answer, table

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.papers.paper import Paper
    from digest.papers.search import Hit, Results

Words = Annotated[
    list[str] | None, typer.Argument(help='Words, "an exact phrase", -without, an author, an arXiv id or address.')
]
Rows = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many papers to show.")]
Category = Annotated[str, typer.Option(help="Only papers of this arXiv category: cs.CL, or cs for all of cs.*.")]
Since = Annotated[
    str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="Listed or published from this day on.")
]
Until = Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Listed or published up to this day.")]
Like = Annotated[str | None, typer.Option(metavar="PAPER_ID", help="Papers like this one, instead of words.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's command to `app`."""
    # -word is no option here; -h would be taken out of a word that holds an h.
    app.command(
        rich_help_panel="Papers and issues",
        context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    )(search)


def search(
    words: Words = None,
    limit: Rows = 10,
    category: Category = "",
    since: Since = None,
    until: Until = None,
    like: Like = None,
    as_json: Json = False,
) -> None:
    """Find papers in the archive by words, authors or id, or papers like a known one."""
    from digest.database.engine import read_only
    from digest.papers.search import Filters, parse_query
    from digest.papers.search import search as look

    if like is not None:
        if words:
            raise typer.BadParameter("give words or a paper, not both", param_hint="--like")
        return _like(like, limit, as_json)
    if not words:
        raise typer.BadParameter("give words to look for, or --like PAPER_ID", param_hint="WORDS")
    filters = Filters(category, _day(since, "--from"), _day(until, "--to"))
    text = words[0] if len(words) == 1 else " ".join(f'"{word}"' if " " in word else word for word in words)
    with read_only(open_database()) as connection:
        results = look(connection, parse_query(text), filters, limit)
    document = {"query": text, "total": results.total, "any_word": results.any_word}
    return answer(as_json, document | {"papers": [_found(hit) for hit in results.hits]}, lambda: _lines(results))


def _like(paper_id: str, limit: int, as_json: bool) -> None:
    from digest.database.engine import read_only
    from digest.papers.paper import arxiv_id
    from digest.papers.search import papers_like
    from digest.papers.store import paper

    with read_only(open_database()) as connection:
        known = paper(connection, arxiv_id(paper_id) or paper_id)
        if known is None:
            raise NotReady(f"{paper_id} is not in the archive; digest search {paper_id} shows what comes near.")
        papers = papers_like(connection, known.paper, limit)
    rows = [("paper", "title"), *((one.id, one.title[:90]) for one in papers)]
    answer(as_json, {"like": known.paper.id, "papers": [_described(one) for one in papers]}, lambda: table(rows))


def _found(hit: "Hit") -> dict[str, Any]:
    return _described(hit.paper) | {"votes": hit.votes, "score": hit.score}


def _described(paper: "Paper") -> dict[str, Any]:
    day = paper.listed_at or paper.published_at
    return {
        "paper": paper.id,
        "title": paper.title,
        "authors": list(paper.authors),
        "categories": list(paper.categories),
        "day": day.date() if day else None,
    }


def _lines(results: "Results") -> list[str]:
    if not results.hits:
        return ["No paper was found."]
    rows = [("votes", "paper", "title")]
    rows += [(str(hit.votes), hit.paper.id, hit.paper.title[:90]) for hit in results.hits]
    said = "have some of the words; none has all" if results.any_word else "found"
    return [*table(rows), f"{results.total} {said}"]


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date; write 2026-11-23", param_hint=option) from None
