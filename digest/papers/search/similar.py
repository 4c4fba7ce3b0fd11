"""Finds papers that share a paper's distinctive words. Both databases give the same result.

Finding them takes too long for a page, so a background job stores them for every paper.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Select, bindparam, func, select, text, true

from digest.database.dialect import in_list, insert_or_change
from digest.database.engine import read_only, transaction
from digest.database.fixed import rows_of
from digest.database.tables import papers, similar_papers
from digest.papers.paper import Paper, paper_from
from digest.papers.search.tables import paper_words
from digest.papers.search.tokenizer import STOPS, words_of

if TYPE_CHECKING:  # or every command would load numpy, which takes a tenth of a second
    from numpy.typing import NDArray

MOST_WORDS = 20
_TITLE_WEIGHT = 3  # times; a paper's title tells what it is about
_MAX_COUNT = 4  # of a word: further repetitions add nothing
_TOO_COMMON = 0.3  # of all papers
_RARE = 0.02  # of all papers; rarer words count no more, or the oddest word would decide alone
_MIN_SHARED = 3  # words in common
_STORED = 8  # similar papers of each paper; more than a page shows, since some may be withdrawn
_RENEWED_AFTER = timedelta(days=7)  # later papers may be more similar
_IN_LISTS = ("id", "title", "authors", "organization", "published_at", "listed_at")  # columns
_BATCH = 500  # papers that are stored in one transaction


# Each word is looked up in the index by itself, so that no paper has to be read.
_PAPERS_WITH = {
    "sqlite": """SELECT word.value AS word, json_group_array(paper_index.rowid) AS numbers
        FROM json_each(:words) AS word JOIN paper_index ON paper_index MATCH '"' || word.value || '"'
        GROUP BY word.value""",
    "postgresql": """SELECT word.value AS word, json_agg(paper_words.id) AS numbers
        FROM jsonb_array_elements_text(CAST(:words AS jsonb)) AS word
        JOIN paper_words ON paper_words.words @@ CAST('''' || word.value || '''' AS tsquery) GROUP BY word.value""",
}


class SimilarPapers:
    """An index of the archive's words, to find the papers similar to many papers. Lookups are kept."""

    def __init__(self, connection: Connection) -> None:
        import numpy as np

        present = select(paper_words.c.id, paper_words.c.paper_id).join(papers).where(papers.c.withdrawn_at.is_(None))
        self._papers: dict[int, str] = {row.id: row.paper_id for row in connection.execute(present)}
        self._is_present = np.zeros(max(self._papers, default=0) + 1, bool)
        self._is_present[list(self._papers)] = True
        self._total = connection.execute(select(func.count()).select_from(paper_words)).scalar_one()
        self._papers_with: dict[str, NDArray[np.int64]] = {}  # numbers of the papers that contain a word

    def like(self, connection: Connection, batch: Iterable[Paper], limit: int) -> dict[str, list[str]]:
        """The ids of the papers most similar to each, most similar first, by the id of each."""
        counts = {paper.id: words_in(paper) for paper in batch}
        self._look_up(connection, {word for words in counts.values() for word in words})
        return {paper_id: self._most_similar(paper_id, words, limit) for paper_id, words in counts.items()}

    def _look_up(self, connection: Connection, words: Iterable[str]) -> None:
        import numpy as np

        missing = sorted(set(words) - self._papers_with.keys())
        self._papers_with |= dict.fromkeys(missing, np.zeros(0, np.int64))
        query = text(_PAPERS_WITH[connection.dialect.name])
        for row in connection.execute(query, {"words": json.dumps(missing)}):
            numbers = json.loads(row.numbers) if isinstance(row.numbers, str) else row.numbers
            self._papers_with[row.word] = np.array(numbers, np.int64)

    def _most_similar(self, paper_id: str, counts: Mapping[str, float], limit: int) -> list[str]:
        import numpy as np

        weights = characteristic(counts, {word: len(self._papers_with[word]) for word in counts}, self._total)
        if not weights:
            return []
        numbers = [self._papers_with[word] for word in weights]
        # As whole thousandths, sums are the same in any order.
        thousandths = np.repeat([round(weight * 1000) for weight in weights.values()], list(map(len, numbers)))
        everywhere, papers_of_archive = np.concatenate(numbers), len(self._is_present)
        totals = np.bincount(everywhere, thousandths, papers_of_archive)[:papers_of_archive]
        shared = np.bincount(everywhere, minlength=papers_of_archive)[:papers_of_archive]
        candidates = np.flatnonzero((shared >= min(_MIN_SHARED, len(weights))) & self._is_present)
        best = np.sort(totals[candidates])[-limit - 1 :]  # one more: the paper itself
        kept = candidates[totals[candidates] >= best[0]] if len(best) else candidates
        ranked = sorted((-totals[number], self._papers[number]) for number in kept.tolist())
        return [similar for _total, similar in ranked if similar != paper_id][:limit]


def papers_like(connection: Connection, paper: Paper, limit: int) -> list[Paper]:
    """The papers of the archive most similar to `paper`, most similar first."""
    order = SimilarPapers(connection).like(connection, [paper], limit)[paper.id]
    rows = connection.execute(select(papers).where(papers.c.id.in_(order)))
    return sorted(map(paper_from, rows), key=lambda similar: order.index(similar.id))


def stored_similar_papers(connection: Connection, paper_id: str, limit: int) -> list[Paper]:
    """The papers most similar to a paper, most similar first; none before the background job has been there.

    They are without their text and their links, which no list of titles shows.
    """
    rows = rows_of(connection, _stored_for(connection.dialect.name), {"id": paper_id})
    similar = sorted(rows, key=lambda row: row.similar.index(row.id))[:limit]
    return [
        Paper(
            row.id,
            row.title,
            authors=tuple(row.authors),
            organization=row.organization,
            published_at=row.published_at,
            listed_at=row.listed_at,
        )
        for row in similar
    ]


@cache
def _stored_for(dialect: str) -> Select[Any]:
    each = func.jsonb_array_elements_text if dialect == "postgresql" else func.json_each
    ids = each(similar_papers.c.similar).table_valued("value")
    return (
        select(*(papers.c[name] for name in _IN_LISTS), similar_papers.c.similar)
        .select_from(similar_papers.join(ids, true()).join(papers, papers.c.id == ids.c.value))
        .where(similar_papers.c.paper_id == bindparam("id"), papers.c.withdrawn_at.is_(None))
    )


def store_similar_papers(engine: Engine, now: datetime) -> int:
    """Store the similar papers of those that have none stored, or had them a week ago. Returns their number."""
    renewed = now - _RENEWED_AFTER
    due = (
        select(papers.c.id)
        .outerjoin(similar_papers)
        .where(similar_papers.c.computed_at.is_(None) | (similar_papers.c.computed_at < renewed))
        .order_by(papers.c.first_seen_at.desc(), papers.c.id)
    )
    with read_only(engine) as connection:
        ids = list(connection.scalars(due))
        archive = SimilarPapers(connection) if ids else None
    for start in range(0, len(ids), _BATCH):
        with read_only(engine) as connection:
            selected = in_list(connection, papers.c.id, ids[start : start + _BATCH])
            batch = [paper_from(row) for row in connection.execute(select(papers).where(selected))]
            similar = archive.like(connection, batch, _STORED) if archive else {}
        rows = [{"paper_id": key, "similar": similar[key], "computed_at": now} for key in sorted(similar)]
        with transaction(engine) as connection:
            connection.execute(insert_or_change(connection, similar_papers, ["paper_id"]), rows)
    return len(ids)


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
