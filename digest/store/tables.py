"""Every table, for SQLite and PostgreSQL alike. Migrations in alembic/ follow this file; a test compares them."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware instant; SQLite keeps it as naive UTC text, which sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base's signature
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only INTEGER keys by itself


_WAITING = "state IN ('queued', 'uncertain')"


def _partial_index(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


def _table(name: str, *parts: Any) -> Table:
    # AUTOINCREMENT: the number of an erased reader is never given to another, whose links it would open.
    numbered = any(isinstance(part, Column) and part.name == "id" and part.type is Id for part in parts)
    return Table(name, metadata, *parts, sqlite_autoincrement=numbered)


papers = _table(
    "papers",
    Column("id", String(80), primary_key=True),
    Column("title", Text, nullable=False),
    Column("abstract", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("authors", Json, nullable=False),
    Column("organization", Text, nullable=False),
    Column("categories", Json, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("published_at", Instant),
    Column("listed_at", Instant),
    Column("url", Text, nullable=False),
    Column("code_url", Text, nullable=False),
    Column("project_url", Text, nullable=False),
    Column("sources", Json, nullable=False),  # names of the sources that showed it
    Column("first_seen_at", Instant, nullable=False, index=True),
    Column("last_seen_at", Instant, nullable=False),
)

votes = _table(
    "votes",
    Column("paper_id", ForeignKey("papers.id", ondelete="CASCADE"), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("observed_at", Instant, primary_key=True),
    Column("upvotes", Integer, nullable=False),
    Column("comments", Integer, nullable=False),
    Column("stars", Integer),
)

# What a source last sent for an address, so that the next request can be conditional (RFC 9110 §13).
validators = _table(
    "validators",
    Column("url", String(500), primary_key=True),
    Column("etag", Text, nullable=False),
    Column("last_modified", Text, nullable=False),
    Column("fetched_at", Instant, nullable=False),
)

collections = _table(
    "collections",
    Column("id", Id, primary_key=True),
    Column("source", String(40), nullable=False),
    Column("day", Date, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("outcome", String(20), nullable=False),  # Outcome in papers/collect.py
    Column("papers", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("unreadable", Json, nullable=False),  # [{"place", "reason"}]
    Column("message", Text, nullable=False),
    Index("ix_collections_source_started", "source", "started_at"),
)

issues = _table(
    "issues",
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("date", Date, nullable=False),
    Column("cut_at", Instant, nullable=False),
    Column("status", String(20), nullable=False),
    Column("formula", String(40), nullable=False),
    Column("weights", Json, nullable=False),
    Column("settings", Json, nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("note", Text, nullable=False),
    UniqueConstraint("kind", "date"),
    CheckConstraint("status IN ('running', 'paused', 'cancelled')", name="status"),
)

issue_papers = _table(
    "issue_papers",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("paper_id", String(80), nullable=False, index=True),
    Column("score", Float, nullable=False),
    Column("terms", Json, nullable=False),
    Column("paper", Json, nullable=False),  # the paper as it was at the cut
)

subscribers = _table(
    "subscribers",
    Column("id", Id, primary_key=True),
    Column("email", String(254), nullable=False),
    Column("key", String(32), nullable=False, unique=True),
    Column("status", String(20), nullable=False, index=True),
    Column("topics", Json, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("papers", Integer, nullable=False),
    Column("weekdays", Integer, nullable=False),  # bit 0 = Monday
    Column("zone", String(64), nullable=False),
    Column("hour", Integer, nullable=False),
    Column("paused_until", Date),
    Column("requested_at", Instant, nullable=False),
    Column("requested_from", String(64), nullable=False),
    Column("form", String(40), nullable=False),
    Column("confirmed_at", Instant),
    Column("confirmed_from", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    CheckConstraint("status IN ('pending', 'confirmed', 'unsubscribed')", name="status"),
    CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
    CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays"),
)

suppressions = _table(
    "suppressions",
    Column("key", String(32), primary_key=True),  # recipient_key(): survives erasure, names nobody
    Column("reason", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# The ledger: one row is one mail to one recipient. Transitions live in store/deliveries.py and nowhere else.
deliveries = _table(
    "deliveries",
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("occasion", String(20), nullable=False),  # ISO date
    Column("recipient", String(32), nullable=False),  # recipient_key()
    # No foreign keys: issues are never deleted (checking it a million times is a third of a fan-out), and the ledger
    # outlives its readers.
    Column("issue_id", Id),
    Column("subscriber_id", Id),  # null once erased
    Column("due_at", Instant, nullable=False),
    Column("next_attempt_at", Instant, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", String(80), nullable=False),  # of a skip, expiry or quarantine
    Column("attempts", Integer, nullable=False),  # answers that said "later"
    Column("crashes", Integer, nullable=False),  # workers that died holding it, so that a deadly mail is bounded
    Column("worker", String(80), nullable=False),  # who claimed it
    Column("lease_until", Instant),  # by the database's clock
    Column("selection", Json),  # {"picks": [[paper id, reason], ...], "left_out": n}
    Column("message_id", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),  # of the bytes that went on the wire last
    Column("in_doubt", Boolean, nullable=False),  # an attempt may have arrived: only the same bytes may go again
    Column("reply_code", Integer),
    Column("reply_enhanced", String(12), nullable=False),
    Column("reply_text", Text, nullable=False),
    Column("finished_at", Instant),
    Column("created_at", Instant, nullable=False),
    # The recipient comes first, so that this is also the way to all mails of one reader.
    UniqueConstraint("recipient", "kind", "occasion"),
    CheckConstraint(
        "state IN ('queued','claimed','sending','accepted','refused','expired','skipped','quarantined','uncertain')",
        name="state",
    ),
    # What somebody asked for just now is claimed before an issue's mails, and so has an index of its own.
    # Thousands are due at the same instant: without `id` each claim would sort them all.
    _partial_index("ix_deliveries_due", "next_attempt_at", "id", where=f"{_WAITING} AND issue_id IS NOT NULL"),
    _partial_index("ix_deliveries_asked_for", "next_attempt_at", "id", where=f"{_WAITING} AND issue_id IS NULL"),
    _partial_index("ix_deliveries_held", "worker", where="state IN ('claimed', 'sending')"),
    Index("ix_deliveries_issue", "issue_id"),
)

# An issue's rendered cards and layout in one language: a retry after a change of the templates is the same mail.
fragments = _table(
    "fragments",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("language", String(20), primary_key=True),
    Column("content", Text, nullable=False),  # JSON of Fragments in mail/fragments.py
)

# The bytes of a mail without an issue while it may have to be repeated.
messages = _table(
    "messages",
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# Where no mail is sent at present, and why: scope is a destination domain, or "*" for all (the circuit breaker).
pauses = _table(
    "pauses",
    Column("scope", String(254), primary_key=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant),  # null: until the operator resumes it
    Column("reason", Text, nullable=False),  # the reply of the server, or what the operator said
    Column("failures", Integer, nullable=False),  # in a row; 0 after a success
)

# How many mails a day took, for the warm-up of a new sending domain.
sent_days = _table(
    "sent_days",
    Column("day", Date, primary_key=True),
    Column("mails", Integer, nullable=False),
)

events = _table(
    "events",
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("subject", String(80), nullable=False, index=True),  # "issue:2026-11-23", "subscriber:<key>", "source:arxiv"
    Column("what", String(40), nullable=False),
    Column("detail", Json, nullable=False),
)
