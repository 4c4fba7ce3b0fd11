"""Subscribers, their consent and feedback, and addresses that get no message."""

from sqlalchemy import Boolean, CheckConstraint, Column, Date, Double, ForeignKey, Index, Integer, Text

from digest.database.columns import partial_index, table
from digest.database.dialect import Code, Id, Instant, Json

subscribers = table(
    "subscribers",
    Column("id", Id, primary_key=True),
    Column("email", Code(254), nullable=False, index=True),
    Column("key", Code(32), nullable=False, unique=True),
    Column("status", Code(20), nullable=False),
    Column("topics", Json, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("categories", Json, nullable=False),
    Column("authors", Json, nullable=False),
    Column("labs", Json, nullable=False),
    Column("muted_topics", Json, nullable=False),
    Column("muted_words", Json, nullable=False),
    Column("surprise", Boolean, nullable=False),
    Column("balance", Code(10), nullable=False),
    Column("papers", Integer, nullable=False),
    Column("full_lists", Boolean, nullable=False),
    Column("frequency", Code(10), nullable=False),
    Column("weekdays", Integer, nullable=False),  # bit 0 = Monday
    Column("zone", Code(64), nullable=False),
    Column("hour", Integer, nullable=False),
    Column("paused_until", Date),
    Column("language", Code(20), nullable=False),  # BCP 47; "" is the operator's
    Column("link_version", Integer, nullable=False),  # of their links, except those to unsubscribe
    Column("requested_at", Instant, nullable=False),
    Column("requested_from", Code(64), nullable=False),
    Column("form", Code(40), nullable=False),
    Column("confirmed_at", Instant),
    Column("confirmed_from", Code(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    CheckConstraint("status IN ('pending', 'confirmed', 'unsubscribed')", name="status"),
    CheckConstraint("frequency IN ('daily', 'weekly')", name="frequency"),
    CheckConstraint("balance IN ('best', 'both', 'mine', 'only')", name="balance"),
    CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
    CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays"),
    Index("ix_subscribers_status", "status", "id"),  # also lists those with a status in the order of their numbers
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

suppressions = table(
    "suppressions",
    Column("key", Code(32), primary_key=True),  # recipient_key(): survives erasure, names nobody
    Column("reason", Code(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("source", Code(20), nullable=False),  # how it arrived: "smtp", "maildir", …; "" if a person did it
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),  # the scheduler lifts it then; null: never
    Index("ix_suppressions_created", "created_at", "key"),
    partial_index("ix_suppressions_expiring", "expires_at", where="expires_at IS NOT NULL"),
)

# Progress of unfinished imports, so that they continue after an interruption.
imports = table(
    "imports",
    Column("name", Code(64), primary_key=True),  # hash of the file and of the options
    Column("begun_at", Instant, nullable=False),
    Column("rows", Integer, nullable=False),  # rows that are done
    Column("counts", Json, nullable=False),  # of these, by outcome
)

# Subscribers by day (UTC), as the scheduler counted them last: too many to count for each page.
subscriber_days = table(
    "subscriber_days",
    Column("day", Date, primary_key=True),
    Column("signed_up", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Column("left", Integer, nullable=False),  # of those who had confirmed
    Column("counted_at", Instant, nullable=False),  # the same in every row
)

# Addresses that reach the mailbox of another one, for the limits on messages to one mailbox (mailboxes.py).
spellings = table(
    "spellings",
    Column("recipient", Code(32), primary_key=True),  # recipient_key(): names nobody
    Column("mailbox", Code(32), nullable=False, index=True),  # the key of the address that stands for all of them
)

# The limits on requests for an email (admission.py). A bucket that is full has no row.
buckets = table(
    "buckets",
    Column("key", Code(32), primary_key=True),  # keyed hash of a network, a domain, …
    Column("full_at", Double, nullable=False),  # seconds since 1970: all databases add numbers in the same way
)

# Requests for an email, from the answer of the page until they are carried out (form_requests.py).
form_requests = table(
    "form_requests",
    Column("id", Code(32), primary_key=True),
    Column("kind", Code(20), nullable=False),  # of the message that is asked for
    Column("email", Code(254), nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("requested_from", Code(64), nullable=False),
    Column("form", Code(40), nullable=False),
    Column("zone", Code(64), nullable=False),
    Column("language", Code(20), nullable=False),
)

# Requests to change a subscriber's address (address_change/): one is open at most. Those carried out are kept,
# without the addresses once the subscriber is erased: a report may still come about a message to the old address.
address_changes = table(
    "address_changes",
    Column("id", Id, primary_key=True),  # links hold it
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="SET NULL"), index=True),
    Column("old_email", Code(254), nullable=False),  # "" once erased
    Column("new_email", Code(254), nullable=False),  # "" once erased, or ended without a change
    Column("old_key", Code(32), nullable=False, index=True),
    Column("new_key", Code(32), nullable=False, index=True),
    Column("requested_at", Instant, nullable=False),
    Column("requested_from", Code(64), nullable=False),
    Column("form", Code(40), nullable=False),
    Column("asked_at", Instant),  # when the emails were queued; null until then
    Column("old_confirmed_at", Instant),
    Column("new_confirmed_at", Instant),
    Column("confirmed_from", Code(64), nullable=False),  # by the new address
    Column("changed_at", Instant),
    Column("ended_at", Instant),  # cancelled, replaced or too old
    partial_index("ix_address_changes_open", "requested_at", where="changed_at IS NULL AND ended_at IS NULL"),
)
