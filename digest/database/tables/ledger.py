"""The ledger of messages, what limits sending, and events."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)

from digest.database.columns import partial_index, table
from digest.database.dialect import Code, Id, Instant, Json

BY_PEOPLE = {
    "postgresql": "(detail ->> 'through') IS NOT NULL",
    "sqlite": "json_extract(detail, '$.through') IS NOT NULL",
}
_WAITING = "state IN ('queued', 'uncertain')"
REFUSED = "state = 'refused'"
REASONS_TO_LEAVE = "what = 'said why they left'"
UNSENT = "state IN ('refused', 'expired', 'skipped', 'quarantined')"
# Deliveries of an issue that wait again: after an attempt, or for a later time than they were due.
AGAIN = f"{_WAITING} AND issue_id IS NOT NULL AND (state = 'uncertain' OR attempts > 0 OR next_attempt_at > due_at)"

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
    Column("picks", LargeBinary),  # the papers chosen, as issues/selection/picks.py packs them
    # In place of them: what earlier versions stored, and what is known of messages sent after a backup.
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
    partial_index(
        "ix_deliveries_due", "next_attempt_at", "id", "issue_id", where=f"{_WAITING} AND issue_id IS NOT NULL"
    ),
    partial_index("ix_deliveries_asked_for", "next_attempt_at", "id", where=f"{_WAITING} AND issue_id IS NULL"),
    partial_index("ix_deliveries_held", "worker", where="state IN ('claimed', 'sending')"),
    # Counts these few of an issue. Most deliveries that wait were never tried and become due by the schedule.
    partial_index(
        "ix_deliveries_again", "issue_id", "state", "attempts", "next_attempt_at", "finished_at", where=AGAIN
    ),
    # Lists what was not sent of one issue, and of all.
    partial_index("ix_deliveries_unsent", "state", "issue_id", "id", where=UNSENT),
    partial_index("ix_deliveries_unsent_of_all", "state", "id", where=UNSENT),
    # The newest refusals, and their codes, without reading the rows.
    partial_index("ix_deliveries_refused", "finished_at", "id", "reply_enhanced", where=REFUSED),
    # Counts what belongs to no issue, without reading the rows.
    partial_index("ix_deliveries_requested", "kind", "state", "reason", "attempts", where="issue_id IS NULL"),
    # A block range index: the rows of an issue lie together, and a B-tree takes longer at each change of a row.
    Index("ix_deliveries_issue", "issue_id", postgresql_using="brin"),
)

# The bytes of a message without an issue, while it may have to be sent again.
messages = table(
    "messages",
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# The sums of an issue's deliveries in final states, kept by the transactions that change them (ledger/totals.py).
issue_totals = table(
    "issue_totals",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),  # the sums are those of all parts: each database session has its own
    Column("state", Code(20), primary_key=True),
    Column("reason", Code(80), primary_key=True),  # for skipped deliveries, else ""
    Column("deliveries", Integer, nullable=False),  # below 0 for what has left the state
    Column("last_at", Instant),  # when the last of them got this state
)

# The number of deliveries that become due at each instant, as the cut of an issue planned it.
issue_schedule = table(
    "issue_schedule",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("deliveries", Integer, nullable=False),
)

# The domains with the most confirmed subscribers, the only ones that `reply_counts` names.
destinations = table(
    "destinations",
    Column("domain", Code(254), primary_key=True),
    Column("subscribers", Integer, nullable=False),
)

# The replies of mail servers to messages.
reply_counts = table(
    "reply_counts",
    Column("day", Date, primary_key=True),
    Column("domain", Code(254), primary_key=True),  # one of `destinations` at that time, or "other"
    Column("reply", Code(4), primary_key=True),  # ReplyClass in digest/ledger/replies.py
    Column("replies", Integer, nullable=False),
)

# Destinations that get no messages at present, with the reason: scope is a domain, or "*" for all (circuit breaker).
pauses = table(
    "pauses",
    Column("scope", Code(254), primary_key=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant),  # null: until the operator resumes it
    Column("reason", Text, nullable=False),  # the reply of the server, or the operator's reason
    Column("failures", Integer, nullable=False),  # in a row; 0 after a success
    Column("by", Code(80)),  # the person who paused; null or "": the throttle
    Column("refusing", Json, nullable=False),  # the domain of each refusal of a recipient that may be about us
)

# The number of messages a day, for the warm-up of a new sending domain.
sent_days = table(
    "sent_days",
    Column("day", Date, primary_key=True),
    Column("mails", Integer, nullable=False),
)

# The number of messages that someone asked for, by intervals of the last hour.
sent_requests = table(
    "sent_requests",
    Column("since", Instant, primary_key=True),
    Column("mails", Integer, nullable=False),
)

events = table(
    "events",
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("subject", Code(80), nullable=False, index=True),  # "issue:2026-11-23", "subscriber:<key>", "source:arxiv"
    Column("what", Code(40), nullable=False),
    Column("detail", Json, nullable=False),
    partial_index("ix_events_reasons_to_leave", "at", where=REASONS_TO_LEAVE),
    # Actions of people: {"by": name, "through": "shell", "console" or "api"}.
    Index(
        "ix_events_by_people",
        "id",
        postgresql_where=text(BY_PEOPLE["postgresql"]),
        sqlite_where=text(BY_PEOPLE["sqlite"]),
    ),
)
