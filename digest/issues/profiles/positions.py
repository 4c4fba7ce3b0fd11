"""SQL for the texts of papers, and for their positions in spaces.

Papers of the archive come first; those that only libraries have are in a table of their own.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select

from digest.database.dialect import in_list, insert_or_change
from digest.database.tables import library_entries, library_papers, opinions, paper_vectors, papers, stale_profiles

_TEXT = (papers.c.title, papers.c.abstract, papers.c.summary, papers.c.keywords)
_LETTERS = (func.length(papers.c.title) + func.length(papers.c.abstract) + func.length(papers.c.summary)).label(
    "letters"
)
_OF_LIBRARIES = (
    library_papers.c.id,
    (func.length(library_papers.c.title) + func.length(library_papers.c.abstract)).label("letters"),
    library_papers.c.title,
    library_papers.c.abstract,
)
_IN_ARCHIVE = select(papers.c.id).where(papers.c.id == library_papers.c.id).exists()


@dataclass(frozen=True, slots=True)
class PaperText:
    """The text by which a paper is placed."""

    text: str
    letters: int  # of which it is made


def count_papers(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(papers)).scalar_one()


def newest_texts(connection: Connection, limit: int) -> dict[str, PaperText]:
    """Return the texts of the papers first seen last, by paper id."""
    query = select(papers.c.id, _LETTERS, *_TEXT).order_by(papers.c.first_seen_at.desc(), papers.c.id)
    return _texts(connection.execute(query.limit(limit)))


def texts_of(connection: Connection, paper_ids: Set[str]) -> dict[str, str]:
    """Return the texts of papers by id; those that are not stored are omitted."""
    query = select(papers.c.id, _LETTERS, *_TEXT).where(in_list(connection, papers.c.id, paper_ids))
    texts = _texts(connection.execute(query))
    own = select(*_OF_LIBRARIES).where(in_list(connection, library_papers.c.id, paper_ids - texts.keys()))
    texts |= _texts_of_libraries(connection.execute(own))
    return {paper_id: paper.text for paper_id, paper in texts.items()}


def unplaced_texts(connection: Connection, space_id: int, since: datetime, limit: int) -> dict[str, PaperText]:
    """Return the papers without a position that an issue or a profile needs, and those whose text has changed."""
    waiting = or_(papers.c.id.in_(_rated_by_stale(opinions)), papers.c.id.in_(_rated_by_stale(library_entries)))
    surfaced = or_(papers.c.first_seen_at >= since, papers.c.listed_at >= since)
    query = select(papers.c.id, _LETTERS, *_TEXT).where(or_(surfaced, waiting))
    texts = _texts(connection.execute(_unplaced(query, space_id, papers.c.id, _LETTERS.element, limit)))
    if len(texts) < limit:
        own = select(*_OF_LIBRARIES).where(~_IN_ARCHIVE, library_papers.c.id.in_(_rated_by_stale(library_entries)))
        own = _unplaced(own, space_id, library_papers.c.id, _OF_LIBRARIES[1].element, limit - len(texts))
        texts |= _texts_of_libraries(connection.execute(own))
    return texts


def _rated_by_stale(rows: Table) -> Select[Any]:
    """Select the papers that profiles which must be computed are made from."""
    joined = select(rows.c.paper_id).join(stale_profiles, stale_profiles.c.subscriber_id == rows.c.subscriber_id)
    return joined.where(rows.c.paper_id.is_not(None))


def _unplaced(
    query: Select[Any], space_id: int, paper_id: ColumnElement[str], letters: ColumnElement[int], limit: int
) -> Select[Any]:
    placed = and_(paper_vectors.c.paper_id == paper_id, paper_vectors.c.space_id == space_id)
    outdated = or_(paper_vectors.c.paper_id.is_(None), paper_vectors.c.letters != letters)
    return query.outerjoin(paper_vectors, placed).where(outdated).order_by(paper_id).limit(limit)


def _texts(rows: Iterable[Any]) -> dict[str, PaperText]:
    return {
        row.id: PaperText(f"{row.title} {row.abstract or row.summary} {' '.join(row.keywords)}", row.letters)
        for row in rows
    }


def _texts_of_libraries(rows: Iterable[Any]) -> dict[str, PaperText]:
    return {row.id: PaperText(f"{row.title} {row.abstract}", row.letters) for row in rows}


def keep_vectors(
    connection: Connection, space_id: int, texts: Mapping[str, PaperText], vectors: Mapping[str, bytes]
) -> None:
    """Store the positions of papers; a new one replaces an earlier one."""
    rows = [
        {"space_id": space_id, "paper_id": paper_id, "letters": texts[paper_id].letters, "vector": vector}
        for paper_id, vector in sorted(vectors.items())
    ]
    if rows:
        connection.execute(insert_or_change(connection, paper_vectors, ["space_id", "paper_id"]), rows)


def vectors_of(connection: Connection, space_id: int, paper_ids: Collection[str]) -> dict[str, bytes]:
    """Return the positions of papers by id; those without one are omitted."""
    query = select(paper_vectors.c.paper_id, paper_vectors.c.vector).where(paper_vectors.c.space_id == space_id)
    wanted = query.where(in_list(connection, paper_vectors.c.paper_id, paper_ids))
    return {row.paper_id: row.vector for row in connection.execute(wanted)}


class LikedPaper(NamedTuple):
    """A paper that someone likes."""

    id: str
    title: str
    vector: bytes


def liked_papers(connection: Connection, space_id: int, paper_ids: Collection[str]) -> list[LikedPaper]:
    """Return papers with a position; those that are no longer stored are omitted."""
    liked: dict[str, LikedPaper] = {}
    for rows in (library_papers, papers):
        query = select(rows.c.id, rows.c.title, paper_vectors.c.vector).join(
            paper_vectors, and_(paper_vectors.c.paper_id == rows.c.id, paper_vectors.c.space_id == space_id)
        )
        found = connection.execute(query.where(in_list(connection, rows.c.id, paper_ids)))
        liked |= {row.id: LikedPaper(*row) for row in found}
    return list(liked.values())
