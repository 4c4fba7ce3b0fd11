"""Heartbeats of the processes, and backups."""

from sqlalchemy import CheckConstraint, Column, Integer, Text

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

# Problems that were announced or will be, until their end was announced.
alarms = table(
    "alarms",
    Column("name", Code(40), primary_key=True),
    Column("subject", Code(120), primary_key=True),
    Column("level", Code(10), nullable=False),
    Column("text", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("announced", Code(10), nullable=False),  # the level that was; "" for none
    Column("claimed_at", Instant),  # by a process that announces it now
    Column("ended_at", Instant),  # null while the problem is there
)

# Backups of this database. After a restore, the last row is that of the restored backup.
backups = table(
    "backups",
    Column("id", Code(32), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("keys", Json, nullable=False),  # the names of the secret keys, newest first
    Column("hosts", Json, nullable=False),  # machines whose replay logs a restore needs
    Column("version", Code(40), nullable=False),
    Column("restored_at", Instant),
    Column("uncovered", Text, nullable=False),  # times that the replay logs do not cover, as text; "" for none
    Column("paused", Json, nullable=False),  # the previous status of each issue that the restore paused, by id
    Column("settled_at", Instant),
)
