"""Failed messages, and the state that they leave for an address."""

from sqlalchemy import CheckConstraint, Column, Date, Double, Index, Integer, Text, UniqueConstraint

from digest.database.columns import partial_index, table
from digest.database.dialect import Code, Id, Instant, Json

HELD = "effect = 'held'"  # until an operator ends the freeze of automatic suppression
LATE = "way <> 'smtp'"  # not refused in the SMTP session

# Each failure once: refusals in SMTP sessions, which the ledger has too, and reports that were proved by a token.
# Deliveries may be deleted earlier.
bounces = table(
    "bounces",
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),  # when it was processed
    Column("delivery_id", Id, nullable=False),
    Column("recipient", Code(32), nullable=False),  # recipient_key()
    Column("subscriber_id", Id),  # null once erased
    Column("kind", Code(10), nullable=False),
    Column("status", Code(12), nullable=False),  # "5.1.1"; "" if the report has none
    Column("text", Text, nullable=False),  # the server's text; "" once erased
    Column("reporter", Code(120), nullable=False),
    Column("way", Code(20), nullable=False),  # how it arrived: "maildir", "imap", …
    Column("effect", Code(20), nullable=False),
    CheckConstraint("kind IN ('hard', 'soft', 'complaint')", name="kind"),
    UniqueConstraint("delivery_id", "kind"),
    Index("ix_bounces_at", "at"),
    partial_index("ix_bounces_late", "at", "id", "kind", "status", where=LATE),
    Index("ix_bounces_recipient", "recipient", "id"),
    partial_index("ix_bounces_held", "id", where=HELD),
)

# Addresses that failed lately and are not suppressed.
failing = table(
    "failing",
    Column("recipient", Code(32), primary_key=True),
    Column("score", Double, nullable=False),  # for soft failures, on `scored_on`
    Column("scored_on", Date, nullable=False),
    Column("first_look_at", Instant),  # the first hard failure of an address that had worked
    Index("ix_failing_scored", "scored_on"),
)

# Numbers of reports by day, including those that changed or proved nothing.
bounce_counts = table(
    "bounce_counts",
    Column("day", Date, primary_key=True),
    Column("kind", Code(10), primary_key=True),
    Column("about", Code(10), primary_key=True),  # RefusalClass
    Column("proof", Code(10), primary_key=True),  # "proved", "repeated", "unproved", "unknown" or "mismatch"
    Column("reports", Integer, nullable=False),
)

# The freeze of automatic suppression, and the failures that lead to it. Has one row.
suppression_guard = table(
    "suppression_guard",
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1
    Column("frozen_at", Instant),  # null: not frozen
    Column("why", Text, nullable=False),
    Column("counts", Json, nullable=False),  # failures by interval of the last hour
    Column("domain", Code(254), nullable=False),  # of the last failures in a row
    Column("in_a_row", Integer, nullable=False),
    Column("failed_at", Instant),  # the last failure
    Column("subscribers", Integer, nullable=False),  # confirmed, at `counted_at`
    Column("counted_at", Instant),
)
