"""Webhooks: the endpoints of other programs, and the outbox of events for them."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Text, UniqueConstraint

from digest.database.columns import partial_index, table
from digest.database.dialect import Code, Id, Instant, Json

webhook_endpoints = table(
    "webhook_endpoints",
    Column("id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("types", Text, nullable=False),  # of events, each between two blanks
    Column("salt", Code(64), nullable=False),  # the secret follows from it and from the secret of the installation
    Column("previous_salt", Code(64)),  # signs as well until `previous_until`
    Column("previous_until", Instant),
    Column("created_by", Code(80), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("disabled_why", Text, nullable=False),
    Column("failures", Integer, nullable=False),  # attempts in a row, up to now
    Column("failing_since", Instant),  # stays when the failures disable it
    Column("resting_until", Instant),
)

# One row for each event and endpoint. It names nobody: an address is read when the event is sent.
webhook_events = table(
    "webhook_events",
    Column("id", Id, primary_key=True),
    Column("endpoint_id", ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("webhook_id", Code(40), nullable=False),  # the header, the same at each attempt
    Column("type", Code(40), nullable=False),
    Column("at", Instant, nullable=False),  # when it happened
    Column("subscriber_id", Id),
    Column("delivery_id", Id),
    Column("data", Json, nullable=False),
    Column("state", Code(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant, nullable=False),
    Column("lease_until", Instant),  # by the database's clock
    Column("attempted_at", Instant),
    Column("status", Integer),  # of the last answer; null: there was none
    Column("answer", Text, nullable=False),  # how the last one begins, or why there was none
    Column("finished_at", Instant),
    UniqueConstraint("webhook_id", "endpoint_id"),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    partial_index("ix_webhook_events_due", "endpoint_id", "next_attempt_at", "id", where="state = 'pending'"),
    partial_index("ix_webhook_events_failed", "endpoint_id", "at", where="state = 'failed'"),
    partial_index("ix_webhook_events_finished", "finished_at", where="finished_at IS NOT NULL"),
    partial_index("ix_webhook_events_subscriber", "subscriber_id", where="subscriber_id IS NOT NULL"),
    Index("ix_webhook_events_endpoint", "endpoint_id", "id"),
)
