"""Papers like another one: what shares the words that set it apart. The same on both databases."""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, func, select, text

from digest.database.tables import papers
from digest.papers.paper import Paper
from digest.papers.search.similarity import characteristic, words_in
from digest.papers.search.tables import paper_words
from digest.papers.store import paper_in

_SHARED = 3  # words at least, of up to likeness.MOST_WORDS

# Each word is looked up in the index by itself, so that no paper has to be opened.
_PAPERS_WITH = {
    "sqlite": """SELECT word.key AS word, count(*) AS papers
        FROM json_each(:words) AS word JOIN paper_index ON paper_index MATCH '"' || word.key || '"'
        GROUP BY word.key""",
    "postgresql": """SELECT word.key AS word, count(*) AS papers
        FROM jsonb_each(CAST(:words AS jsonb)) AS word
        JOIN paper_words ON paper_words.words @@ CAST('''' || word.key || '''' AS tsquery) GROUP BY word.key""",
}
_LIKEST = {
    "sqlite": """SELECT paper_words.paper_id, sum(word.value) AS weight
        FROM json_each(:words) AS word JOIN paper_index ON paper_index MATCH '"' || word.key || '"'
        JOIN paper_words ON paper_words.id = paper_index.rowid
        JOIN papers ON papers.id = paper_words.paper_id AND papers.withdrawn_at IS NULL
        WHERE paper_words.paper_id <> :paper_id GROUP BY paper_words.paper_id HAVING count(*) >= :shared
        ORDER BY weight DESC, paper_words.paper_id LIMIT :limit""",
    "postgresql": """SELECT paper_words.paper_id, sum(CAST(word.value AS float)) AS weight
        FROM jsonb_each_text(CAST(:words AS jsonb)) AS word
        JOIN paper_words ON paper_words.words @@ CAST('''' || word.key || '''' AS tsquery)
        JOIN papers ON papers.id = paper_words.paper_id AND papers.withdrawn_at IS NULL
        WHERE paper_words.paper_id <> :paper_id GROUP BY paper_words.paper_id HAVING count(*) >= :shared
        ORDER BY weight DESC, paper_words.paper_id LIMIT :limit""",
}


def papers_like(connection: Connection, paper: Paper, limit: int) -> list[Paper]:
    """The papers of the archive that share the most of what sets `paper` apart, likest first."""
    counts = words_in(paper)
    among = connection.execute(select(func.count()).select_from(paper_words)).scalar_one()
    weights = characteristic(counts, _papers_with(connection, counts), among)
    return _likest(connection, paper.id, weights, limit) if weights else []


def _papers_with(connection: Connection, words: Mapping[str, float]) -> dict[str, int]:
    query = text(_PAPERS_WITH[connection.dialect.name])
    return {row.word: row.papers for row in connection.execute(query, {"words": json.dumps(words)})}


def _likest(connection: Connection, paper_id: str, weights: Mapping[str, float], limit: int) -> list[Paper]:
    query = text(_LIKEST[connection.dialect.name])
    given = {
        # In steps of a thousandth of a whole number, sums are the same in any order.
        "words": json.dumps({word: round(weight * 1000) for word, weight in weights.items()}),
        "paper_id": paper_id,
        "shared": min(_SHARED, len(weights)),
        "limit": limit,
    }
    order = [row.paper_id for row in connection.execute(query, given)]
    found = {row.id: paper_in(row) for row in connection.execute(select(papers).where(papers.c.id.in_(order)))}
    return [found[like] for like in order]
