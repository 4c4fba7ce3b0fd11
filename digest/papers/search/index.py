"""Updates the search index, in the transaction that writes the paper."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from digest.database.dialect import in_list, insert_or_change
from digest.database.tables import papers
from digest.papers.search.tables import paper_words
from digest.papers.search.tokenizer import words_of

FOLDING = 1  # increased when papers/search/tokenizer.py changes, so that index_all() indexes everything again
_TEXTS = ("title", "authors", "organization", "abstract", "summary", "keywords")
_MAX_WORDS = 5_000  # of a field: a tsvector has positions up to 16,383
_BATCH = 500
_GAP = 100  # positions between two fields, so that no phrase spans both


def index_papers(connection: Connection, rows: Iterable[Mapping[str, Any] | RowMapping]) -> None:
    """Index rows of `papers` (or mappings with its columns), skipping those that have not changed."""
    hashed = {row["id"]: (_hash(row), row) for row in rows}
    selected = in_list(connection, paper_words.c.paper_id, list(hashed))
    query = select(paper_words.c.paper_id, paper_words.c.made_of).where(selected)
    indexed = {row.paper_id: row.made_of for row in connection.execute(query)}
    changed = [
        _indexed(connection.dialect.name, paper_id, made_of, row)
        for paper_id, (made_of, row) in hashed.items()
        if indexed.get(paper_id) != made_of
    ]
    if changed:
        connection.execute(insert_or_change(connection, paper_words, ["paper_id"]), changed)


def index_all(connection: Connection) -> None:
    """Index every paper that has changed or is not indexed."""
    query = select(papers.c.id, *(papers.c[name] for name in _TEXTS)).order_by(papers.c.id)
    for batch in connection.execute(query).mappings().partitions(_BATCH):
        index_papers(connection, batch)


def _hash(row: Mapping[str, Any] | RowMapping) -> str:
    text = json.dumps([FOLDING, *(row[name] for name in _TEXTS)], default=list)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _indexed(dialect: str, paper_id: str, made_of: str, row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    fields = (
        row["title"],
        "\n".join([*row["authors"], row["organization"]]),
        "\n".join([row["abstract"], row["summary"], *row["keywords"]]),
    )
    words = [[word.text for word in words_of(field)][:_MAX_WORDS] for field in fields]
    stored = _tsvector(words) if dialect == "postgresql" else json.dumps([" ".join(field) for field in words])
    return {"paper_id": paper_id, "made_of": made_of, "words": stored}


def _tsvector(fields: Sequence[Sequence[str]]) -> str:
    """The fields as a tsvector literal of PostgreSQL: every word with its positions, weighted A, B, C."""
    positions: dict[str, list[str]] = {}
    position = 0
    for weight, field in zip("ABC", fields, strict=True):
        for word in field:
            position += 1
            positions.setdefault(word, []).append(f"{position}{weight}")
        position += _GAP
    return " ".join(f"'{word}':{','.join(weighted[:250])}" for word, weighted in positions.items())
