"""Reads what the metrics show: the status of the installation, and the ledger's sums of all time."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from digest.database.engine import one_view, problem_of, read_only
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind, State, SuppressionReason
from digest.ledger.replies import ReplyClass, replies_to
from digest.ledger.totals import message_counts, sending_times
from digest.monitoring.late_bounces import ReportCounts, report_counts
from digest.monitoring.progress import IssueProgress
from digest.monitoring.status import InstallationStatus, read_status
from digest.papers.collecting import last_successes
from digest.papers.summaries.store import SummaryState, count_by_state, requests_since
from digest.papers.summaries.writing import month_of
from digest.settings import Settings
from digest.subscribers.suppressions import count_suppressions

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of the ledger and its tables."""

    messages: Mapping[tuple[Kind, State], int]  # of all time
    replies: Mapping[tuple[str, ReplyClass], int]  # by domain
    sending_times: Mapping[IssueKind, timedelta]  # of the newest finished issues
    source_successes: Mapping[str, datetime]  # the last of each
    suppressions: Mapping[SuppressionReason, int]
    reports: ReportCounts
    summaries: Mapping[SummaryState, int]  # of papers by a language model
    summary_requests: int  # in this month


@dataclass(frozen=True, slots=True)
class Measurements:
    """Everything that is exported. `sums`: None while the database is away, or takes too long to add them up."""

    status: InstallationStatus
    sums: Sums | None = None


def measure(engine: Engine, settings: Settings, now: datetime) -> Measurements:
    """Measure now. Waits up to a second for Redis, and as long as `engine` does for the database."""
    status = read_status(engine, settings, now)
    return Measurements(status, None if status.database_problem else _sums(engine, settings, status))


def _sums(engine: Engine, settings: Settings, status: InstallationStatus) -> Sums | None:
    counted = [issue.id for issue in status.issues]
    try:
        with read_only(one_view(engine)) as connection:
            return Sums(
                _in_progress(status.issues) + message_counts(connection, counted),
                replies_to(connection),
                sending_times(connection),
                last_successes(connection, settings.sources),
                count_suppressions(connection),
                report_counts(connection),
                count_by_state(connection),
                requests_since(connection, month_of(status.at)),
            )
    except (SQLAlchemyError, OSError) as problem:
        log.warning("the metrics lack the sums of messages", problem=problem_of(problem))
        return None


def _in_progress(issues: Iterable[IssueProgress]) -> Counter[tuple[Kind, State]]:
    """The deliveries of issues that were counted for the status."""
    counts: Counter[tuple[Kind, State]] = Counter()
    for issue in issues:
        kind = OF_ISSUE[issue.kind]
        counts[kind, State.QUEUED] += issue.queued + issue.deferred
        counts[kind, State.SKIPPED] += sum(issue.skipped.values())
        for state in set(State) - {State.QUEUED, State.SKIPPED}:
            counts[kind, state] += getattr(issue, state)
    return counts
