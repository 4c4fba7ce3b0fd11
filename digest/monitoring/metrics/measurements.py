"""Reads what the metrics show: the status of the installation, and the ledger's sums of all time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from digest.database.engine import problem_of, read_only
from digest.ledger.kinds import IssueKind, Kind, State, SuppressionReason
from digest.ledger.replies import ReplyClass, replies_to
from digest.ledger.totals import message_counts, sending_times
from digest.monitoring.status import InstallationStatus, read_status
from digest.papers.collecting import last_successes
from digest.settings import Settings
from digest.subscribers.suppressions import count_suppressions


@dataclass(frozen=True, slots=True)
class Measurements:
    """Everything that is exported. Without a database, only what the status tells without one."""

    status: InstallationStatus
    messages: Mapping[tuple[Kind, State], int] = field(default_factory=dict)  # of all time
    replies: Mapping[tuple[str, ReplyClass], int] = field(default_factory=dict)  # by domain
    sending_times: Mapping[IssueKind, timedelta] = field(default_factory=dict)  # of the newest finished issues
    source_successes: Mapping[str, datetime] = field(default_factory=dict)  # the last of each
    suppressions: Mapping[SuppressionReason, int] = field(default_factory=dict)


def measure(engine: Engine, settings: Settings, now: datetime) -> Measurements:
    """Measure now. Waits up to a second for Redis, and as long as `engine` does for the database."""
    status = read_status(engine, settings, now)
    if status.database_problem:
        return Measurements(status)
    if engine.dialect.name == "postgresql":  # one view of the ledger for all statements
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        with read_only(engine) as connection:
            return _with_database(connection, settings, status)
    except (SQLAlchemyError, OSError) as problem:
        return Measurements(replace(status, database_problem=problem_of(problem)))


def _with_database(connection: Connection, settings: Settings, status: InstallationStatus) -> Measurements:
    return Measurements(
        status,
        message_counts(connection),
        replies_to(connection),
        sending_times(connection),
        last_successes(connection, settings.sources),
        count_suppressions(connection),
    )
