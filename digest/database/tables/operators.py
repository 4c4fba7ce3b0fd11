"""The people who run the installation, their sessions in the console, and the tokens of programs."""

from sqlalchemy import CheckConstraint, Column, ForeignKey

from digest.database.columns import table
from digest.database.dialect import Code, Id, Instant, Json

operators = table(
    "operators",
    Column("name", Code(60), primary_key=True),
    Column("role", Code(10), nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("link_hash", Code(64), unique=True),  # SHA-256 of the link to sign in; null once used
    Column("link_until", Instant),
    # A link that was asked for on the page, apart from the other: a stranger who asks for one must not replace that.
    Column("mailed_hash", Code(64), unique=True),
    Column("mailed_until", Instant),
    Column("email", Code(254)),  # to which it is mailed; null: none is
    CheckConstraint("role IN ('viewer', 'operator')", name="role"),
)

sessions = table(
    "sessions",
    Column("hash", Code(64), primary_key=True),  # SHA-256 of the id in the cookie
    Column("operator", ForeignKey("operators.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),  # up to ten minutes ago while the session is in use
)

# The tokens with which programs use the API (monitoring/api_tokens.py).
api_tokens = table(
    "api_tokens",
    Column("id", Id, primary_key=True),
    Column("name", Code(60), nullable=False, unique=True),  # in the operators' log; never used again
    Column("hash", Code(64), nullable=False, unique=True),  # SHA-256 of the token
    Column("begins", Code(12), nullable=False),  # its first characters, to recognise it
    Column("scopes", Json, nullable=False),
    Column("created_by", Code(80), nullable=False),  # an operator, whose tokens end with their access
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("last_used_at", Instant),  # up to an hour before the last use
    Column("revoked_at", Instant),
)
