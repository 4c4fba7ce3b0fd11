"""Keeping the search index: the words of each paper, written in the transaction that writes the paper."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from digest.database.dialect import insert_or_change
from digest.database.tables import papers
from digest.papers.search.tables import paper_words
from digest.papers.search.tokenizer import words_of

FOLDING = 1  # counted up when papers/search/tokenizer.py changes, so that index_all() makes everything anew
_TEXTS = ("title", "authors", "organization", "abstract", "summary", "keywords")
_MOST_WORDS = 5_000  # of a field: a tsvector knows places up to 16,383
_AT_ONCE = 500
_NEAR = 100  # places between two fields, so that no phrase goes across


def index_papers(connection: Connection, rows: Iterable[Mapping[str, Any] | RowMapping]) -> None:
    """Index rows of `papers` (or mappings with its columns); those that are indexed as they are cost nothing more."""
    made_of = {row["id"]: (_hash(row), row) for row in rows}
    ids = list(made_of)
    for some in (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)):
        query = select(paper_words.c.paper_id, paper_words.c.made_of).where(paper_words.c.paper_id.in_(some))
        known = {row.paper_id: row.made_of for row in connection.execute(query)}
        changed = [(paper_id, *made_of[paper_id]) for paper_id in some if known.get(paper_id) != made_of[paper_id][0]]
        if changed:
            connection.execute(
                insert_or_change(connection, paper_words, ["paper_id"]),
                [_indexed(connection.dialect.name, *one) for one in changed],
            )


def index_all(connection: Connection) -> None:
    """Index every paper that is not indexed as it is."""
    query = select(papers.c.id, *(papers.c[name] for name in _TEXTS)).order_by(papers.c.id)
    for some in connection.execute(query).mappings().partitions(_AT_ONCE):
        index_papers(connection, some)


def _hash(row: Mapping[str, Any] | RowMapping) -> str:
    text = json.dumps([FOLDING, *(row[name] for name in _TEXTS)], default=list)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _indexed(dialect: str, paper_id: str, made_of: str, row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    fields = (
        row["title"],
        "\n".join([*row["authors"], row["organization"]]),
        "\n".join([row["abstract"], row["summary"], *row["keywords"]]),
    )
    words = [[word.text for word in words_of(field)][:_MOST_WORDS] for field in fields]
    stored = _tsvector(words) if dialect == "postgresql" else json.dumps([" ".join(field) for field in words])
    return {"paper_id": paper_id, "made_of": made_of, "words": stored}


def _tsvector(fields: Sequence[Sequence[str]]) -> str:
    """The fields as PostgreSQL reads a tsvector: every word with its places, weighted A, B, C."""
    places: dict[str, list[str]] = {}
    place = 0
    for weight, field in zip("ABC", fields, strict=True):
        for word in field:
            place += 1
            places.setdefault(word, []).append(f"{place}{weight}")
        place += _NEAR
    return " ".join(f"'{word}':{','.join(where[:250])}" for word, where in places.items())
