"""The command search."""

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import reading
from digest.cli.options import date_option
from digest.cli.output import NotReady, answer, table, with_json

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.papers.paper import Paper
    from digest.papers.search import Results


def _or_help(context: typer.Context, words: list[str] | None) -> list[str] | None:
    if "-h" in (words or ()):
        typer.echo(context.get_help())
        raise typer.Exit
    return words


Words = Annotated[
    list[str] | None,
    typer.Argument(help='Words, "an exact phrase", -without, an author, an arXiv id or address.', callback=_or_help),
]
Rows = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Papers to show.")]
Category = Annotated[str, typer.Option(help="Only these arXiv categories: cs.CL, or cs for all of cs.*.")]
Since = Annotated[date | None, date_option("--from", "Listed or published from this day on.")]
Until = Annotated[date | None, date_option("--to", "Listed or published up to this day.")]
Like = Annotated[str | None, typer.Option(metavar="PAPER_ID", help="Papers similar to this one.")]

# -word excludes a word and is not an option; click would read -h inside such a word as one. Alone it asks for help.
SETTINGS = {"ignore_unknown_options": True, "help_option_names": ["--help"]}


@with_json
def search(
    words: Words = None,
    limit: Rows = 10,
    category: Category = "",
    since: Since = None,
    until: Until = None,
    like: Like = None,
) -> None:
    """Find papers by words, authors or id, or papers similar to one."""
    from digest.papers import search as archive

    if options := [word for word in words or () if re.match("--.", word)]:
        raise typer.BadParameter("no such option", param_hint=options[0])
    if like is not None:
        if words:
            raise typer.BadParameter("give words or a paper, not both", param_hint="--like")
        return _like(like, limit)
    if not words:
        raise typer.BadParameter("give words to search for, or --like PAPER_ID", param_hint="WORDS")
    text = words[0] if len(words) == 1 else " ".join(f'"{word}"' if " " in word else word for word in words)
    query = archive.parse_query(text)
    if query == archive.Query():
        problem = f"{text!r} has no letter or digit to search for; give a word, an author or an arXiv id"
        raise typer.BadParameter(problem, param_hint="WORDS")
    with reading() as connection:
        results = archive.search(connection, query, archive.Filters(category, since, until), limit)
    hits = [_described(hit.paper) | {"votes": hit.votes, "score": hit.score} for hit in results.hits]
    document = {"query": text, "total": results.total, "any_word": results.any_word, "papers": hits}
    return answer(document, lambda: _lines(results))


def _like(paper_id: str, limit: int) -> None:
    from digest.papers.paper import paper_id_of
    from digest.papers.search import papers_like
    from digest.papers.store import paper

    with reading() as connection:
        stored = paper(connection, paper_id) or paper(connection, paper_id_of(paper_id) or "")
        if stored is None:
            raise NotReady(f"{paper_id} is not in the archive. Try: digest search {paper_id}")
        papers = papers_like(connection, stored.paper, limit)
    rows = [("paper", "title"), *((similar.id, similar.title) for similar in papers)]
    answer({"like": stored.paper.id, "papers": [_described(similar) for similar in papers]}, lambda: table(rows))


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
        return ["No papers found."]
    rows = [("votes", "paper", "title")]
    rows += [(str(hit.votes), hit.paper.id, hit.paper.title) for hit in results.hits]
    what = "have some of the words; none has all" if results.any_word else "found"
    return [*table(rows), f"{results.total} {what}"]
