"""Papers, the votes and runs of their sources, and the papers that subscribers suggest and vote for."""

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, Integer, Text

from digest.database.columns import partial_index, table
from digest.database.dialect import Code, Id, Instant, Json

papers = table(
    "papers",
    Column("id", Code(80), primary_key=True),
    Column("title", Text, nullable=False),
    Column("abstract", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("authors", Json, nullable=False),
    Column("organization", Text, nullable=False),
    Column("submitter", Text, nullable=False),
    Column("categories", Json, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("published_at", Instant),
    Column("listed_at", Instant, index=True),
    Column("url", Text, nullable=False),
    Column("code_url", Text, nullable=False),
    Column("project_url", Text, nullable=False),
    Column("sources", Json, nullable=False),  # names of the sources that showed it
    Column("first_seen_at", Instant, nullable=False, index=True),
    Column("last_seen_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),  # when a source first reported the paper as withdrawn
    Column("withdrawn_by", Code(40)),  # that source
    partial_index("ix_papers_withdrawn", "id", where="withdrawn_at IS NOT NULL"),  # so that a search skips these few
)

votes = table(
    "votes",
    Column("paper_id", ForeignKey("papers.id", ondelete="CASCADE"), primary_key=True),
    Column("source", Code(40), primary_key=True),
    Column("observed_at", Instant, primary_key=True),
    Column("upvotes", Integer, nullable=False),
    Column("comments", Integer, nullable=False),
    Column("stars", Integer),
)

# The papers most similar to each, which a background job computes.
similar_papers = table(
    "similar_papers",
    Column("paper_id", ForeignKey("papers.id", ondelete="CASCADE"), primary_key=True),
    Column("similar", Json, nullable=False),  # ids, most similar first
    Column("computed_at", Instant, nullable=False, index=True),
)

# The validators of the last answer for each address, for conditional requests (RFC 9110 §13).
validators = table(
    "validators",
    Column("url", Code(500), primary_key=True),
    Column("etag", Text, nullable=False),
    Column("last_modified", Text, nullable=False),
    Column("fetched_at", Instant, nullable=False),
)

collections = table(
    "collections",
    Column("id", Id, primary_key=True),
    Column("source", Code(40), nullable=False),
    Column("day", Date, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("outcome", Code(20), nullable=False),  # SourceHealth in papers/collecting/runs.py
    Column("papers", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("unreadable", Json, nullable=False),  # [{"place", "reason"}]
    Column("message", Text, nullable=False),
    Column("facts", Json, nullable=False),  # ListFacts in papers/collecting/runs.py
    Index("ix_collections_source_started", "source", "started_at"),
    Index("ix_collections_source_day", "source", "day"),
)

# Papers that subscribers suggested: looked up at their source before they are listed.
suggestions = table(
    "suggestions",
    Column("paper_id", Code(80), primary_key=True),
    Column("recipient", Code(32), nullable=False, index=True),  # "" once erased
    Column("at", Instant, nullable=False),
    Column("state", Code(10), nullable=False),
    Column("message", Text, nullable=False),  # why it was refused
    CheckConstraint("state IN ('waiting', 'listed', 'refused')", name="state"),
)

# A single vote per subscriber: `recipient` is recipient_key(), the same after deleting and subscribing again.
# No foreign key to papers: suggesting a paper is a vote for it, even before the paper is looked up.
reader_votes = table(
    "reader_votes",
    Column("paper_id", Code(80), primary_key=True),
    Column("recipient", Code(32), primary_key=True, index=True),
    Column("at", Instant, nullable=False),
)

# Summaries of papers by a language model. No foreign key: the requests of a month count even if the paper is deleted.
model_summaries = table(
    "model_summaries",
    Column("paper_id", Code(80), primary_key=True),
    Column("language", Code(20), primary_key=True),
    Column("state", Code(10), nullable=False),
    Column("text", Text, nullable=False),  # "" until it is ready; then it never changes
    Column("model", Text, nullable=False),
    Column("problem", Text, nullable=False),  # why it is not ready; "" for one that is being written
    Column("requests", Integer, nullable=False),  # sent for it
    Column("asked_at", Instant, nullable=False, index=True),  # the last of them
    CheckConstraint("state IN ('asked', 'ready', 'unusable', 'failed')", name="state"),
)
