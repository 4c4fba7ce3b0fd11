"""Signs of life of the processes."""

from sqlalchemy import CheckConstraint, Column, Integer

from digest.database.columns import table
from digest.database.dialect import Code, Instant, Json

# The last sign of life of each process, by the database's clock. Rows are deleted a day after it.
heartbeats = table(
    "heartbeats",
    Column("role", Code(10), primary_key=True),
    Column("host", Code(64), primary_key=True),
    Column("pid", Integer, primary_key=True, autoincrement=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("stopped_at", Instant),  # when it ended in good order; null while it runs, and after a crash
    Column("version", Code(40), nullable=False),
    Column("detail", Json, nullable=False),  # what the process alone can tell: free disk, its rate
    CheckConstraint("role IN ('worker', 'scheduler', 'web')", name="role"),
)
