"""Every table, for SQLite and PostgreSQL alike. Migrations in alembic/ follow this file; a test compares them."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)

from digest.database.columns import metadata, partial_index, table
from digest.database.dialect import Code, Id, Instant, Json

__all__ = ["metadata"]

_WAITING = "state IN ('queued', 'uncertain')"

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

issues = table(
    "issues",
    Column("id", Id, primary_key=True),
    Column("kind", Code(20), nullable=False),
    Column("date", Date, nullable=False),
    Column("cut_at", Instant, nullable=False),
    Column("status", Code(20), nullable=False),
    Column("formula", Code(40), nullable=False),
    Column("weights", Json, nullable=False),
    Column("settings", Json, nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("note", Text, nullable=False),
    UniqueConstraint("kind", "date"),
    CheckConstraint("status IN ('running', 'paused', 'cancelled')", name="status"),
)

issue_papers = table(
    "issue_papers",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("paper_id", Code(80), nullable=False, index=True),
    Column("score", Float, nullable=False),
    Column("terms", Json, nullable=False),
    Column("paper", Json, nullable=False),  # the paper as it was at the cut
    Column("late_days", Integer, nullable=False),
)

subscribers = table(
    "subscribers",
    Column("id", Id, primary_key=True),
    Column("email", Code(254), nullable=False),
    Column("key", Code(32), nullable=False, unique=True),
    Column("status", Code(20), nullable=False, index=True),
    Column("topics", Json, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("categories", Json, nullable=False),
    Column("authors", Json, nullable=False),
    Column("labs", Json, nullable=False),
    Column("muted_topics", Json, nullable=False),
    Column("muted_words", Json, nullable=False),
    Column("surprise", Boolean, nullable=False),
    Column("papers", Integer, nullable=False),
    Column("frequency", Code(10), nullable=False),
    Column("weekdays", Integer, nullable=False),  # bit 0 = Monday
    Column("zone", Code(64), nullable=False),
    Column("hour", Integer, nullable=False),
    Column("paused_until", Date),
    Column("language", Code(20), nullable=False),  # BCP 47; "" is the operator's
    Column("requested_at", Instant, nullable=False),
    Column("requested_from", Code(64), nullable=False),
    Column("form", Code(40), nullable=False),
    Column("confirmed_at", Instant),
    Column("confirmed_from", Code(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    CheckConstraint("status IN ('pending', 'confirmed', 'unsubscribed')", name="status"),
    CheckConstraint("frequency IN ('daily', 'weekly')", name="frequency"),
    CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
    CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays"),
)

# The consents of subscribers other than the current one, which is in their row: earlier ones, and a request that waits
# for its confirmation. Someone else may have made it, so it changes nothing before.
consents = table(
    "consents",
    Column("id", Id, primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("requested_at", Instant, nullable=False),
    Column("requested_from", Code(64), nullable=False),
    Column("form", Code(40), nullable=False),
    Column("confirmed_at", Instant),
    Column("confirmed_from", Code(64), nullable=False),
)

# The last feedback of a subscriber on a paper; without a foreign key, so that it outlives a withdrawn paper.
opinions = table(
    "opinions",
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("paper_id", Code(80), primary_key=True),
    Column("said", Code(10), nullable=False),
    Column("at", Instant, nullable=False),
    CheckConstraint("said IN ('more', 'less', 'read')", name="said"),
)

# The effect of feedback on the papers of an issue, as of the cut.
tastes = table(
    "tastes",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("affinity", Json, nullable=False),  # {paper id: -1 to 1}
    Column("kin", Json, nullable=False),  # {paper id: title of a liked paper}
    Column("words", Json, nullable=False),  # the strongest of the subscriber's profile, to show to them
)

# A single vote per subscriber: `recipient` is recipient_key(), the same after deleting and subscribing again.
# No foreign key to papers: suggesting a paper is a vote for it, even before the paper is looked up.
reader_votes = table(
    "reader_votes",
    Column("paper_id", Code(80), primary_key=True),
    Column("recipient", Code(32), primary_key=True, index=True),
    Column("at", Instant, nullable=False),
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

suppressions = table(
    "suppressions",
    Column("key", Code(32), primary_key=True),  # recipient_key(): survives erasure, names nobody
    Column("reason", Code(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# The ledger: each row is a message to a recipient. All transitions are in digest/ledger.
deliveries = table(
    "deliveries",
    Column("id", Id, primary_key=True),
    Column("kind", Code(20), nullable=False),
    Column("occasion", Code(20), nullable=False),  # ISO date
    Column("recipient", Code(32), nullable=False),  # recipient_key()
    # No foreign keys: issues are never deleted (checking it a million times is a third of a fan-out), and the ledger
    # outlives its subscribers.
    Column("issue_id", Id),
    Column("subscriber_id", Id),  # null once erased
    Column("due_at", Instant, nullable=False),
    Column("next_attempt_at", Instant, nullable=False),
    Column("state", Code(20), nullable=False),
    Column("reason", Code(80), nullable=False),  # of a skip, expiry or quarantine
    Column("attempts", Integer, nullable=False),  # answers that said "later"
    Column(
        "crashes", Integer, nullable=False
    ),  # workers that died with it, so that a message that kills workers is stopped
    Column("worker", Code(80), nullable=False),  # who claimed it
    Column("lease_until", Instant),  # by the database's clock
    Column("selection", Json),  # {"picks": [[paper id, reason], ...], "left_out": n, "language": tag, "first": true?}
    Column("message_id", Code(200), nullable=False),
    Column("sha256", Code(64), nullable=False),  # of the bytes that went on the wire last
    Column("composed_at", Instant),  # its Date; null: never claimed, or composed by a version that wrote due_at
    Column("in_doubt", Boolean, nullable=False),  # an attempt may have arrived: only the same bytes may go again
    Column("reply_code", Integer),
    Column("reply_enhanced", Code(12), nullable=False),
    Column("reply_text", Text, nullable=False),
    Column("finished_at", Instant),
    Column("created_at", Instant, nullable=False),
    # The recipient comes first, so that this index also finds all messages to a subscriber.
    UniqueConstraint("recipient", "kind", "occasion"),
    CheckConstraint(
        "state IN ('queued','claimed','sending','accepted','refused','expired','skipped','quarantined','uncertain')",
        name="state",
    ),
    # Messages that a person requested are claimed before those of an issue, and so have an index of their own.
    # Thousands are due at the same instant: without `id` each claim would sort them all.
    partial_index("ix_deliveries_due", "next_attempt_at", "id", where=f"{_WAITING} AND issue_id IS NOT NULL"),
    partial_index("ix_deliveries_asked_for", "next_attempt_at", "id", where=f"{_WAITING} AND issue_id IS NULL"),
    partial_index("ix_deliveries_held", "worker", where="state IN ('claimed', 'sending')"),
    # A block range index: the rows of an issue lie together, and a B-tree takes longer at each change of a row.
    Index("ix_deliveries_issue", "issue_id", postgresql_using="brin"),
)

# An issue's rendered cards and layout in one language: a retry after a change of the templates sends the same message.
fragments = table(
    "fragments",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("language", Code(20), primary_key=True),
    Column("content", Text, nullable=False),  # JSON of Fragments in mail/compose/fragments.py
)

# The bytes of a message without an issue, while it may have to be sent again.
messages = table(
    "messages",
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# Destinations that get no messages at present, with the reason: scope is a domain, or "*" for all (circuit breaker).
pauses = table(
    "pauses",
    Column("scope", Code(254), primary_key=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant),  # null: until the operator resumes it
    Column("reason", Text, nullable=False),  # the reply of the server, or the operator's reason
    Column("failures", Integer, nullable=False),  # in a row; 0 after a success
)

# The number of messages a day, for the warm-up of a new sending domain.
sent_days = table(
    "sent_days",
    Column("day", Date, primary_key=True),
    Column("mails", Integer, nullable=False),
)

events = table(
    "events",
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("subject", Code(80), nullable=False, index=True),  # "issue:2026-11-23", "subscriber:<key>", "source:arxiv"
    Column("what", Code(40), nullable=False),
    Column("detail", Json, nullable=False),
)
