"""Subscribers' libraries: the entries that they brought, the papers behind them that no source has listed, and the
papers that they saved for later.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, Text, UniqueConstraint

from digest.database.columns import partial_index, table
from digest.database.dialect import Code, Id, Instant, Json

library_entries = table(
    "library_entries",
    Column("id", Id, primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("name", Code(80), nullable=False),  # the same for every way to write the same entry
    Column("title", Text, nullable=False),  # as the subscriber's file has it; "" for a number or address
    Column("abstract", Text, nullable=False),  # of the file, until the entry is looked up
    Column("doi", Code(200), nullable=False),  # "" for none, and for a paper of arXiv
    Column("paper_id", Code(80), index=True),  # in `papers` or `library_papers`; before it is looked up, a guess
    Column("state", Code(10), nullable=False),
    Column("problem", Code(20), nullable=False),  # why there is no paper
    Column("at", Instant, nullable=False),  # of this state
    Column("tried_at", Instant),  # when a service last did not answer a request for it
    UniqueConstraint("subscriber_id", "name"),
    CheckConstraint("state IN ('waiting', 'matched', 'missing')", name="state"),
    partial_index("ix_library_entries_waiting", "subscriber_id", "id", where="state = 'waiting'"),
)

# Papers for profiles alone: no issue, page or search has them. Deleted with the last entry that they belong to.
library_papers = table(
    "library_papers",
    Column("id", Code(80), primary_key=True),
    Column("title", Text, nullable=False),
    Column("abstract", Text, nullable=False),
    Column("categories", Json, nullable=False),
)

# A library at Zotero that is being read, or was read last.
zotero_libraries = table(
    "zotero_libraries",
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Code(20), nullable=False),
    Column("next_item", Integer, nullable=False),
    Column("state", Code(10), nullable=False),
    Column("at", Instant, nullable=False),  # of this state
    CheckConstraint("state IN ('waiting', 'read', 'failed')", name="state"),
)

# The services that did not answer lately: each is asked again `until` then, later after each failure in a row.
library_pauses = table(
    "library_pauses",
    Column("service", Code(20), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Instant, nullable=False),
)

# The papers that subscribers saved for later; without a foreign key to papers, so that one outlives a deleted paper.
saved_papers = table(
    "saved_papers",
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("paper_id", Code(80), primary_key=True),
    Column("saved_at", Instant, nullable=False),
)
