"""Describes an installation at one instant, for all pages, commands and alarms: processes, issues, pauses, sources."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, Engine, and_, func, select
from sqlalchemy.exc import SQLAlchemyError

from digest.database.engine import NO_DATABASE, NO_DATABASE_REMEDY, one_view, problem_of, read_only
from digest.database.tables import collections, subscribers
from digest.database.tables import events as event_table
from digest.issues.issue import NOT_CUT
from digest.issues.store import issue_dates, issue_id_on
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.mail.throttle.requested import why_hour_full
from digest.mail.throttle.warm_up import why_full
from digest.monitoring.heartbeats import Heartbeat, Role, heartbeats, running_version
from digest.monitoring.late_bounces import BounceStatus, read_bounces
from digest.monitoring.progress import IssueProgress, Waiting, read_progress
from digest.monitoring.surroundings import (
    Disk,
    EndpointStatus,
    PauseStatus,
    QueueStatus,
    SourceStatus,
    disks,
    read_endpoints,
    read_pauses,
    read_queue,
    read_sources,
)
from digest.settings import Settings

_LATELY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CutStatus:
    """The cut of today's issue."""

    day: date
    at: datetime
    next_at: datetime
    is_done: bool
    last_issue: date | None  # its date
    why_not: str  # why the last attempt of today cut nothing; "" if there was none
    first_reading_at: datetime | None  # of any source, while there is no issue yet


@dataclass(frozen=True, slots=True)
class InstallationStatus:
    """An installation at one instant. Without a database, only what this machine can tell."""

    at: datetime
    version: str
    queue: QueueStatus
    disks: tuple[Disk, ...]
    database_problem: str = ""
    database_remedy: str = ""
    processes: tuple[Heartbeat, ...] = ()
    cut: CutStatus | None = None
    issues: tuple[IssueProgress, ...] = ()
    waiting: Waiting = field(default_factory=Waiting)
    rate: float | None = None  # messages a second that all workers had accepted within the last minute
    worked_at: datetime | None = None  # when a worker last finished anything
    resumed_at: datetime | None = None  # when anything paused last went on, within the last hour
    pauses: tuple[PauseStatus, ...] = ()
    warm_up_full: str = ""  # why no more mail of issues goes today
    hour_full: str = ""  # why no more requested messages go within this hour
    sources: tuple[SourceStatus, ...] = ()
    webhooks: tuple[EndpointStatus, ...] = ()
    bounces: BounceStatus = field(default_factory=BounceStatus)
    subscribers: Mapping[str, int] = field(default_factory=dict)  # by status

    def alive(self, role: Role) -> tuple[Heartbeat, ...]:
        return tuple(each for each in self.processes if each.role is role and each.is_alive(self.at))

    def dead(self, role: Role) -> tuple[Heartbeat, ...]:
        """Those that ended without a word and were not replaced."""
        return tuple(each for each in self.processes if each.role is role and each.is_dead(self.at))

    @property
    def todays_issue(self) -> IssueProgress | None:
        todays = (each for each in self.issues if each.date == self.at.date() and each.kind is IssueKind.DAILY)
        return next(todays, None)

    @property
    def why_nothing_is_sent(self) -> tuple[str, ...]:
        """The reasons why no email is sent, or none of one sort."""
        stops = [f"sending is paused: {pause.reason}" for pause in self.pauses if not pause.domain]
        return (*stops, *filter(None, (self.warm_up_full, self.hour_full)))


def read_status(engine: Engine, settings: Settings, now: datetime) -> InstallationStatus:
    """Describe the installation; waits up to a second for Redis, and as long as `engine` does for the database."""
    folder, host = settings.data_dir.absolute(), socket.gethostname()[:64]
    bare = InstallationStatus(
        now, running_version(), read_queue(settings.redis_url.get_secret_value()), disks(folder, (), host)
    )
    try:
        with read_only(one_view(engine)) as connection:
            status = _with_database(connection, settings, bare)
    except (SQLAlchemyError, OSError) as error:
        problem = problem_of(error)
        remedy = NO_DATABASE_REMEDY if problem.startswith(NO_DATABASE) else _remedy(engine)
        remedy = remedy or "Check DIGEST_DATABASE_URL and the server, then run: digest doctor"
        return replace(bare, database_problem=problem, database_remedy=remedy)
    return replace(status, disks=disks(folder, status.processes, host))


def _remedy(engine: Engine) -> str:
    """The remedy if the tables are not those of this version."""
    from digest.database.migrate import why_not_current  # alembic takes a tenth of a second, needed here alone

    try:
        with read_only(engine) as connection:
            return why_not_current(connection)
    except (SQLAlchemyError, OSError):
        return ""


def _with_database(connection: Connection, settings: Settings, bare: InstallationStatus) -> InstallationStatus:
    now = bare.at
    processes = tuple(heartbeats(connection, now))
    shown, waiting = read_progress(connection, now)
    limits = settings.limits
    return replace(
        bare,
        processes=processes,
        cut=_cut(connection, settings.cut_at, now),
        issues=shown,
        waiting=waiting,
        rate=_rate(processes, now),
        worked_at=_worked_at(processes),
        resumed_at=_resumed_at(connection, now),
        pauses=read_pauses(connection, now),
        warm_up_full=why_full(connection, limits, now),
        hour_full=why_hour_full(connection, limits, now),
        sources=read_sources(connection, settings.sources, now),
        webhooks=read_endpoints(connection, now),
        bounces=read_bounces(connection, now),
        subscribers=_subscribers(connection),
    )


def _cut(connection: Connection, cut: time, now: datetime) -> CutStatus:
    day = now.astimezone(UTC).date()
    at = datetime.combine(day, cut, UTC)
    last = next(iter(issue_dates(connection, 1)), None)
    is_done = issue_id_on(connection, IssueKind.DAILY, day) is not None
    first = None if last else connection.execute(select(func.min(collections.c.started_at))).scalar()
    next_at = at if now < at and not is_done else at + timedelta(days=1)
    return CutStatus(day, at, next_at, is_done, last, "" if is_done else _why_not_cut(connection, day), first)


def _why_not_cut(connection: Connection, day: date) -> str:
    latest = events.latest(connection, 1, f"issue:{day}", NOT_CUT)
    return str(latest[0].detail.get("reason", "")) if latest else ""


def _rate(processes: tuple[Heartbeat, ...], now: datetime) -> float | None:
    rates = [
        float(each.detail["rate"])
        for each in processes
        if each.role is Role.WORKER and each.is_alive(now) and each.detail.get("rate") is not None
    ]
    return sum(rates) if rates else None


def _worked_at(processes: tuple[Heartbeat, ...]) -> datetime | None:
    idle = [
        each.seen_at - timedelta(seconds=float(each.detail["idle_seconds"]))
        for each in processes
        if each.detail.get("idle_seconds") is not None
    ]
    return max(idle, default=None)


def _resumed_at(connection: Connection, now: datetime) -> datetime | None:
    is_recent = and_(event_table.c.at > now - _LATELY, event_table.c.at <= now)
    query = select(func.max(event_table.c.at)).where(
        is_recent, event_table.c.what.in_(["resumed", str(IssueStatus.RUNNING)])
    )
    return connection.execute(query).scalar()


def _subscribers(connection: Connection) -> dict[str, int]:
    by_status = select(subscribers.c.status, func.count()).group_by(subscribers.c.status)
    return {row.status: row[1] for row in connection.execute(by_status)}
