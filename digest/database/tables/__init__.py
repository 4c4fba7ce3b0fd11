"""Every table, for SQLite and PostgreSQL alike. Migrations in alembic/ follow these files; a test compares them."""

from digest.database.columns import metadata
from digest.database.tables.issues import (
    cards,
    fragments,
    issue_papers,
    issue_topics,
    issues,
    paper_vectors,
    pools,
    profiles,
    spaces,
    stale_profiles,
    tastes,
)
from digest.database.tables.ledger import deliveries, events, messages, pauses, sent_days, sent_requests
from digest.database.tables.monitoring import heartbeats
from digest.database.tables.operators import operators, sessions
from digest.database.tables.papers import (
    collections,
    papers,
    reader_votes,
    similar_papers,
    suggestions,
    validators,
    votes,
)
from digest.database.tables.subscribers import (
    buckets,
    consents,
    form_requests,
    opinions,
    spellings,
    subscribers,
    suppressions,
)

__all__ = [
    "buckets",
    "cards",
    "collections",
    "consents",
    "deliveries",
    "events",
    "form_requests",
    "fragments",
    "heartbeats",
    "issue_papers",
    "issue_topics",
    "issues",
    "messages",
    "metadata",
    "operators",
    "opinions",
    "paper_vectors",
    "papers",
    "pauses",
    "pools",
    "profiles",
    "reader_votes",
    "sent_days",
    "sent_requests",
    "sessions",
    "similar_papers",
    "spaces",
    "spellings",
    "stale_profiles",
    "subscribers",
    "suggestions",
    "suppressions",
    "tastes",
    "validators",
    "votes",
]
