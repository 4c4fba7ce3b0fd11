"""Reports of receivers about the sender's domain as a whole: DMARC (RFC 7489) and TLS (RFC 8460)."""

from sqlalchemy import Column, Index, Integer, Text, UniqueConstraint

from digest.database.columns import table
from digest.database.dialect import Code, Id, Instant, Json

domain_reports = table(
    "domain_reports",
    Column("id", Id, primary_key=True),
    Column("taken_in_at", Instant, nullable=False),
    Column("kind", Code(10), nullable=False),  # "dmarc" or "tls"
    Column("reporter", Text, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("domain", Code(254), nullable=False),
    Column("begins_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("passed", Integer, nullable=False),  # messages, or connections
    Column("failed", Integer, nullable=False),
    Column("failures", Json, nullable=False),  # by source address, or by cause
    UniqueConstraint("kind", "reporter", "report_id", "domain"),
    Index("ix_domain_reports_ends_at", "ends_at", "id"),
    Index("ix_domain_reports_domain", "domain", "ends_at"),
)
