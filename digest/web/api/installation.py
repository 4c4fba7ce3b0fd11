"""The state of the installation, as `digest status` and `digest check` describe it."""

from datetime import date, datetime

from pydantic import BaseModel, Field

from digest import clock
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.monitoring.api_tokens import TokenScope
from digest.monitoring.checks import Level, problems
from digest.monitoring.heartbeats import Role
from digest.monitoring.status import InstallationStatus, read_status
from digest.web.api.access import ApiRouter, TheCaller

router = ApiRouter(tags=["status"])


class ProblemFound(BaseModel):
    """Something that is wrong, and what to do about it."""

    level: Level
    name: str
    subject: str = Field(description='A host, a source, a domain or a date; "" where there can be only one.')
    text: str
    remedy: str
    since: datetime | None


class ProcessResource(BaseModel):
    """A process of the last day."""

    role: Role
    host: str
    pid: int
    is_alive: bool
    seen_at: datetime
    version: str


class ProgressResource(BaseModel):
    """An issue of the last days."""

    date: date
    kind: IssueKind
    status: IssueStatus
    candidates: int
    accepted: int
    unfinished: int
    refused: int
    seconds_left: float | None = Field(description="null if nobody can tell.")


class WaitingResource(BaseModel):
    """Deliveries that wait."""

    due: int
    later: int
    in_paused_issues: int
    with_workers: int
    oldest_due_at: datetime | None


class SourceResource(BaseModel):
    """The last reading of a source of papers."""

    name: str
    read_at: datetime | None
    outcome: str | None
    message: str
    failures: int = Field(description="Readings in a row.")


class InstallationResource(BaseModel):
    """The installation at one instant."""

    at: datetime
    version: str
    level: str = Field(description="ok, warning or critical, as `digest check` says.")
    problems: list[ProblemFound]
    next_cut_at: datetime | None
    issues: list[ProgressResource]
    waiting: WaitingResource
    messages_per_second: float | None
    processes: list[ProcessResource]
    sources: list[SourceResource]
    subscribers: dict[str, int] = Field(description="By status.")


@router.read(TokenScope.STATUS_READ, "/status")
def show_status(caller: TheCaller) -> InstallationResource:
    """Say what runs, how far the issues are, and what is wrong."""
    now = clock.now()
    status = read_status(caller.site.engine, caller.site.settings, now)
    found = [
        ProblemFound(
            level=each.level,
            name=each.name,
            subject=each.subject,
            text=each.text,
            remedy=each.remedy,
            since=each.since,
        )
        for each in problems(status)
    ]
    waiting = status.waiting
    return InstallationResource(
        at=now,
        version=status.version,
        level=str(found[0].level) if found else "ok",
        problems=found,
        next_cut_at=status.cut.next_at if status.cut else None,
        issues=_issues(status, now),
        waiting=WaitingResource(
            due=waiting.due,
            later=waiting.later,
            in_paused_issues=waiting.in_paused_issues,
            with_workers=waiting.with_workers,
            oldest_due_at=waiting.oldest_due_at,
        ),
        messages_per_second=status.rate,
        processes=_processes(status, now),
        sources=_sources(status),
        subscribers=dict(status.subscribers),
    )


def _issues(status: InstallationStatus, now: datetime) -> list[ProgressResource]:
    return [
        ProgressResource(
            date=each.date,
            kind=each.kind,
            status=each.status,
            candidates=each.candidates,
            accepted=each.accepted,
            unfinished=each.unfinished,
            refused=each.refused,
            seconds_left=each.seconds_left(status.rate or 0.0, now),
        )
        for each in status.issues
    ]


def _processes(status: InstallationStatus, now: datetime) -> list[ProcessResource]:
    return [
        ProcessResource(
            role=each.role,
            host=each.host,
            pid=each.pid,
            is_alive=each.is_alive(now),
            seen_at=each.seen_at,
            version=each.version,
        )
        for each in status.processes
    ]


def _sources(status: InstallationStatus) -> list[SourceResource]:
    return [
        SourceResource(
            name=each.name,
            read_at=each.read_at,
            outcome=str(each.outcome) if each.outcome else None,
            message=each.message,
            failures=each.failures,
        )
        for each in status.sources
    ]
