"""Finds papers that share a paper's distinctive words. Both databases give the same result."""

import json
import math
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, func, select, text

from digest.database.tables import papers
from digest.papers.paper import Paper, paper_from
from digest.papers.search.tables import paper_words
from digest.papers.search.tokenizer import STOPS, words_of

MOST_WORDS = 20
_TITLE_WEIGHT = 3  # times; a paper's title tells what it is about
_MAX_COUNT = 4  # of a word: further repetitions add nothing
_TOO_COMMON = 0.3  # of all papers
_RARE = 0.02  # of all papers; rarer words count no more, or the oddest word would decide alone
_MIN_SHARED = 3  # words in common

# Each word is looked up in the index by itself, so that no paper has to be read.
_PAPERS_WITH = {
    "sqlite": """SELECT word.key AS word, count(*) AS papers
        FROM json_each(:words) AS word JOIN paper_index ON paper_index MATCH '"' || word.key || '"'
        GROUP BY word.key""",
    "postgresql": """SELECT word.key AS word, count(*) AS papers
        FROM jsonb_each(CAST(:words AS jsonb)) AS word
        JOIN paper_words ON paper_words.words @@ CAST('''' || word.key || '''' AS tsquery) GROUP BY word.key""",
}
_MOST_SIMILAR = {
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
    """The papers of the archive most similar to `paper`, most similar first."""
    counts = words_in(paper)
    total = connection.execute(select(func.count()).select_from(paper_words)).scalar_one()
    query = text(_PAPERS_WITH[connection.dialect.name])
    papers_with = {row.word: row.papers for row in connection.execute(query, {"words": json.dumps(counts)})}
    weights = characteristic(counts, papers_with, total)
    return _most_similar(connection, paper.id, weights, limit) if weights else []


def _most_similar(connection: Connection, paper_id: str, weights: Mapping[str, float], limit: int) -> list[Paper]:
    query = text(_MOST_SIMILAR[connection.dialect.name])
    parameters = {
        # As whole thousandths, sums are the same in any order.
        "words": json.dumps({word: round(weight * 1000) for word, weight in weights.items()}),
        "paper_id": paper_id,
        "shared": min(_MIN_SHARED, len(weights)),
        "limit": limit,
    }
    order = [row.paper_id for row in connection.execute(query, parameters)]
    rows = connection.execute(select(papers).where(papers.c.id.in_(order)))
    return sorted(map(paper_from, rows), key=lambda similar: order.index(similar.id))


def words_in(paper: Paper) -> dict[str, float]:
    """Counts each word of the paper, up to _MAX_COUNT; words in the title count more."""
    counts = Counter(word.text for word in words_of(f"{paper.summary}\n{paper.abstract}\n{' '.join(paper.keywords)}"))
    for word in words_of(paper.title):
        counts[word.text] += _TITLE_WEIGHT
    return {
        word: float(min(count, _MAX_COUNT))
        for word, count in counts.items()
        if len(word) > 1 and word not in STOPS and not word.isdecimal()
    }


def characteristic(counts: Mapping[str, float], papers_with: Mapping[str, int], papers: int) -> dict[str, float]:
    """The most distinctive words of words_in() with their weights (tf-idf), heaviest first.

    `papers_with` is how many of all `papers` contain a word. Words in no other paper are left out: they find none.
    """
    weights = {
        word: count * math.log(papers / max(papers_with[word], _RARE * papers))
        for word, count in counts.items()
        if 1 < papers_with.get(word, 0) <= max(_TOO_COMMON * papers, 2)
    }
    return dict(sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS])
