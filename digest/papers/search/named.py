"""Finds the paper that somebody means by its id, its address, or how its title begins."""

from sqlalchemy import Connection, select

from digest.database.tables import papers
from digest.papers.paper import Paper, arxiv_id, paper_from, paper_id_of
from digest.papers.search.archive import Filters, search
from digest.papers.search.query import parse_query

_TITLES = 200  # papers whose title or text has the words, among which the title is looked for


def papers_named(connection: Connection, text: str, limit: int) -> list[Paper]:
    """The paper with this id or address; without one those whose address or title begins with `text`."""
    text = " ".join(text.split())[:400]
    ids = {text[:80], arxiv_id(text), paper_id_of(text)} - {None}
    rows = connection.execute(select(papers).where(papers.c.id.in_(ids)).limit(limit)).all()
    if not rows and "://" in text:
        rows = connection.execute(
            select(papers).where(papers.c.url.startswith(text, autoescape=True)).order_by(papers.c.id).limit(limit)
        ).all()
    if rows or not any(map(str.isalnum, text)):
        return [paper_from(row) for row in rows]
    hits = search(connection, parse_query(f'"{text.replace(chr(34), " ")}"'), Filters(), _TITLES).hits
    titles = ((" ".join(hit.paper.title.split()).casefold(), hit.paper) for hit in hits)
    return [paper for title, paper in titles if title.startswith(text.casefold())][:limit]
