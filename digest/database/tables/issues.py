"""Issues, what their messages are made of, and subscribers' profiles."""

from sqlalchemy import (
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

from digest.database.columns import table
from digest.database.dialect import Code, Id, Instant, Json

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
    Column("withdrawn_at", Instant),  # since when no page shows it; null: shown
    Column("finished_at", Instant),  # when nothing of it waited for the first time
    Column("space_id", Id),  # of the affinities in its lists; null without any. No foreign key: spaces are replaced
    UniqueConstraint("kind", "date"),
    CheckConstraint("status IN ('running', 'paused', 'cancelled')", name="status"),
)

# Notices to all subscribers, as operators wrote them. The issue that sends one has a copy of its texts.
notices = table(
    "notices",
    Column("id", Id, primary_key=True),
    Column("texts", Json, nullable=False),  # {language: [subject, text]}
    Column("by", Code(80), nullable=False),  # who wrote it
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),  # since when it is to be sent; null: a draft
    Column("issue_id", ForeignKey("issues.id"), unique=True),  # null until its deliveries are queued
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

# An issue's highest ranks by topic, for the topics' pages and feeds.
issue_topics = table(
    "issue_topics",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("topic", Code(20), primary_key=True),
    Column("rank", Integer, primary_key=True),
)

# The papers of an issue beyond its best: a subscriber gets those that meet what they follow or resemble what they like.
pools = table(
    "pools",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False),  # as issues/store.py packs them
)

# Decisions of operators about single papers, before the cut of a date's issues (issues/editing).
editorial_choices = table(
    "editorial_choices",
    Column("issue_date", Date, primary_key=True),
    Column("paper_id", ForeignKey("papers.id", ondelete="CASCADE"), primary_key=True),
    Column("choice", Code(10), nullable=False),
    Column("until", Date),  # of a postponed paper: the first date that may have it
    Column("by", Code(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    CheckConstraint("choice IN ('pinned', 'removed', 'postponed')", name="choice"),
    CheckConstraint("(choice = 'postponed') = (until IS NOT NULL)", name="until"),
    Index("ix_editorial_choices_until", "until"),
)

# An issue's rendered cards and layout in one language: a retry after a change of the templates sends the same message.
fragments = table(
    "fragments",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("language", Code(20), primary_key=True),
    Column("content", Text, nullable=False),  # JSON of Fragments in mail/compose/fragments.py
)

# Further fragments of an issue, rendered when the first message needs them.
cards = table(
    "cards",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("language", Code(20), primary_key=True),
    Column("paper_id", Code(80), primary_key=True),
    Column("content", Text, nullable=False),  # JSON of CardFragments in mail/compose/fragments.py
)

# Spaces in which papers about the same subject are close (issues/profiles/space). The newest ready one is in use.
spaces = table(
    "spaces",
    Column("id", Id, primary_key=True),
    Column("fitted_at", Instant, nullable=False),
    Column("papers", Integer, nullable=False),  # in the archive when it was fitted
    Column("ready_at", Instant),  # when every profile was first computed in it; null before
    Column("spectrum", LargeBinary, nullable=False),  # the part of it that workers need
    Column("content", LargeBinary, nullable=False),  # as issues/profiles/space stores it
)

# The positions of papers in a space: of those that it was fitted on, that someone rated, and that an issue may choose.
paper_vectors = table(
    "paper_vectors",
    Column("space_id", ForeignKey("spaces.id", ondelete="CASCADE"), primary_key=True),
    Column("paper_id", Code(80), primary_key=True),
    Column("letters", Integer, nullable=False),  # of the text; the paper is placed again when that has changed
    Column("vector", LargeBinary, nullable=False),
)

# Subscribers' profiles, computed from their feedback alone and deleted with it.
profiles = table(
    "profiles",
    Column("space_id", ForeignKey("spaces.id", ondelete="CASCADE"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("weights", LargeBinary, nullable=False),
    Column("liked", Text, nullable=False),  # ids of the liked papers, one a line
    Column("from_library", Integer, nullable=False),  # how many of those, the first, are from their library
    Column("shares", LargeBinary, nullable=False),  # of each in the weights: float32
    Column("words", Json, nullable=False),  # the strongest, to show to the subscriber
    Column("computed_at", Instant, nullable=False),
)

# Subscribers whose feedback has changed since their profile was computed.
stale_profiles = table(
    "stale_profiles",
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
)

# The effect of feedback on the papers of an issue of an earlier version, as of the cut.
tastes = table(
    "tastes",
    Column("issue_id", ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("affinity", Json, nullable=False),  # {paper id: -1 to 1}
    Column("kin", Json, nullable=False),  # {paper id: title of a liked paper}
    Column("words", Json, nullable=False),  # the strongest of the subscriber's profile, to show to them
)
