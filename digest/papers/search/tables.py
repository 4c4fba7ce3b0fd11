"""The search index: one table, and what each database adds to it beyond SQLAlchemy.

On PostgreSQL `words` is a tsvector under a GIN index. On SQLite it is a JSON list of three texts (title, authors,
abstract), which triggers copy to the FTS5 table `paper_index` (https://sqlite.org/fts5.html, contentless tables).
Migrations ignore names that begin with `paper_index`.
"""

from sqlalchemy import DDL, Column, ForeignKey, Table, Text, UniqueConstraint, event
from sqlalchemy.dialects.postgresql import TSVECTOR

from digest.database.columns import metadata
from digest.database.dialect import Code, Id

INDEX = "paper_index"

paper_words = Table(
    "paper_words",
    metadata,
    Column("id", Id, primary_key=True),
    Column("paper_id", ForeignKey("papers.id", ondelete="CASCADE"), nullable=False),
    Column("made_of", Code(32), nullable=False),  # hash of the text: an unchanged paper is not indexed again
    Column("words", Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
    UniqueConstraint("paper_id"),
    sqlite_autoincrement=True,
)

# The words are already folded (papers/search/tokenizer.py); `ascii` treats every character beyond ASCII as a letter.
_ADD = """INSERT INTO paper_index(rowid, title, authors, abstract) VALUES (new.id,
 json_extract(new.words, '$[0]'), json_extract(new.words, '$[1]'), json_extract(new.words, '$[2]'));"""
_REMOVE = """INSERT INTO paper_index(paper_index, rowid, title, authors, abstract) VALUES ('delete', old.id,
 json_extract(old.words, '$[0]'), json_extract(old.words, '$[1]'), json_extract(old.words, '$[2]'));"""
ADDITIONS = {  # by dialect; also what the migration runs
    "sqlite": (
        "CREATE VIRTUAL TABLE paper_index USING fts5(title, authors, abstract, content='', tokenize='ascii')",
        f"CREATE TRIGGER paper_index_added AFTER INSERT ON paper_words BEGIN {_ADD} END",
        f"CREATE TRIGGER paper_index_removed AFTER DELETE ON paper_words BEGIN {_REMOVE} END",
        f"CREATE TRIGGER paper_index_changed AFTER UPDATE ON paper_words BEGIN {_REMOVE} {_ADD} END",
    ),
    "postgresql": ("CREATE INDEX paper_index_words ON paper_words USING gin (words)",),
}

for _dialect, _statements in ADDITIONS.items():
    for _statement in _statements:
        event.listen(paper_words, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
