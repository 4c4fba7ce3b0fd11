"""The problems of an installation, each with a remedy. Pure: they follow from its status alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.ledger.kinds import FailureKind, IssueKind, IssueStatus, Status
from digest.mail.pauses import SETTLE
from digest.monitoring.heartbeats import DEAD_AFTER, Role
from digest.monitoring.late_bounces import RATE_OF
from digest.monitoring.progress import IssueProgress
from digest.monitoring.status import CutStatus, InstallationStatus
from digest.monitoring.surroundings import PauseStatus, SourceStatus
from digest.text import minute_of

ISSUE_LATE_AFTER = timedelta(minutes=30)  # of the cut
RESTART_TAKES = DEAD_AFTER  # a process that ended in good order may be back by then
BREAKER_OPEN_FOR = timedelta(minutes=5)
NOBODY_WORKS_FOR = timedelta(minutes=10)  # a mail server may take that long to reply (RFC 5321 §4.5.3.2.6)
ALL_SOURCES_FAILED = 2  # readings in a row
DISK_CRITICAL, DISK_LOW = 0.05, 0.10  # free share
REFUSAL_RATE, REFUSALS = 0.02, 20
COMPLAINT_RATE, COMPLAINT_LIMIT, COMPLAINTS = 0.001, 0.003, 5  # required of bulk senders by Gmail and Yahoo
WEBHOOK_FAILS_FOR = timedelta(minutes=10)  # a program that is started again may be back by then


class Level(StrEnum):
    """The urgency of a problem."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem; `name` and `subject` tell it from all others, at any time."""

    level: Level
    name: str
    subject: str  # a host, a source, a domain, a date; "" where there can be only one
    text: str
    remedy: str
    since: datetime | None = None


def problems(status: InstallationStatus) -> list[Problem]:
    """Every problem, the critical ones first."""
    every = [*_disks(status), *_redis(status)]
    if status.database_problem:
        text = f"the database cannot be used: {status.database_problem}"
        every.append(Problem(Level.CRITICAL, "database", "", text, status.database_remedy))
    else:
        every += [
            *_processes(status),
            *_issue(status),
            *_stuck(status),
            *_breaker(status),
            *_paused(status),
            *_sources(status),
            *_refusals(status),
            *_webhooks(status),
            *_bounces(status),
        ]
    return sorted(every, key=lambda problem: problem.level is not Level.CRITICAL)


# --- processes ---

_START = {Role.WORKER: "digest worker", Role.SCHEDULER: "digest scheduler", Role.WEB: "digest web"}
_TITLE = {Role.WORKER: "worker", Role.SCHEDULER: "scheduler", Role.WEB: "web process"}


def _processes(status: InstallationStatus) -> Iterator[Problem]:
    # Without subscribers or messages nobody misses a worker, and some installations only serve pages.
    has_work = status.waiting.all or any(status.subscribers.get(each) for each in (Status.CONFIRMED, Status.PENDING))
    needed = [Role.SCHEDULER, *([Role.WORKER] if has_work else [])]
    for role in Role:
        dead = status.dead(role)
        if not status.alive(role) and role in needed:
            yield from _none_running(status, role)
        else:
            for host in sorted({each.host for each in dead}):
                these = [each for each in dead if each.host == host]
                yield _dead(role, host, len(these), max(each.seen_at for each in these))


def _none_running(status: InstallationStatus, role: Role) -> Iterator[Problem]:
    ended = [each for each in status.processes if each.role is role]
    since = max((each.stopped_at or each.seen_at for each in ended), default=None)
    if since and status.at - since < RESTART_TAKES:
        return
    last = f"; the last was seen at {minute_of(since)}" if since else ""
    text = f"no {_TITLE[role]} is running{last}"
    yield Problem(Level.CRITICAL, f"no-{role}", "", text, f"Start it: digest up, or {_START[role]}", since)


def _dead(role: Role, host: str, count: int, since: datetime) -> Problem:
    which = f"a {_TITLE[role]}" if count == 1 else f"{count} {_TITLE[role]}{'es' if role is Role.WEB else 's'}"
    text = f"{which} on {host} ended without stopping; last seen at {minute_of(since)}"
    return Problem(Level.WARNING, f"{role}-dead", host, text, f"Read its log, then start it: {_START[role]}", since)


# --- today's issue ---


def _issue(status: InstallationStatus) -> Iterator[Problem]:
    cut = status.cut
    if cut is None or cut.is_done:
        return
    due_at = _issue_due(cut)
    if due_at is None or status.at - due_at < ISSUE_LATE_AFTER:
        return
    text = f"there is no issue of {cut.day}, which was due at {minute_of(due_at)}"
    if cut.why_not:  # a day without papers; that no source can be read is a problem of its own
        text = f"there is no issue of {cut.day}: there are no papers. {cut.why_not.rstrip('.')}"
        yield Problem(Level.WARNING, "no-issue", "", text, "Read the sources again: digest collect", due_at)
    else:
        yield Problem(
            Level.CRITICAL, "no-issue", "", text, "Read the scheduler's log, then run: digest publish", due_at
        )


def _issue_due(cut: CutStatus) -> datetime | None:
    """The first issue is due once papers were collected; None before that."""
    if cut.last_issue is not None:
        return cut.at
    return max(cut.at, cut.first_reading_at) if cut.first_reading_at else None


# --- sending ---


def _stuck(status: InstallationStatus) -> Iterator[Problem]:
    if any(not pause.domain for pause in status.pauses):
        return
    waiting = status.waiting
    of_issues = None if status.warm_up_full else waiting.oldest_of_issues_at
    requested = None if status.hour_full else waiting.oldest_requested_at
    oldest = min(filter(None, (of_issues, requested)), default=None)
    if oldest is None:
        return
    began = min((each.started_at for each in status.alive(Role.SCHEDULER)), default=None)  # as after a restart of all
    if status.at - max(filter(None, (oldest, status.worked_at, status.resumed_at, began))) < NOBODY_WORKS_FOR:
        return
    count = waiting.due_of_issues * bool(of_issues) + waiting.due_requested * bool(requested)
    text = f"{_messages(count)} overdue since {minute_of(oldest)}, and nobody works on them"
    yield Problem(Level.CRITICAL, "overdue", "", text, "Read the workers' log, then run: digest doctor", oldest)


def _breaker(status: InstallationStatus) -> Iterator[Problem]:
    for pause in status.pauses:
        is_needed = pause.until is None or pause.until > status.at or status.waiting.all
        if pause.is_breaker and is_needed and status.at - pause.since >= BREAKER_OPEN_FOR:
            text = f"the mail server has rejected our messages since {minute_of(pause.since)}: {pause.reason}"
            remedy = "Once that is fixed: digest resume --sending"
            yield Problem(Level.CRITICAL, "breaker", "", text, remedy, pause.since)


def _paused(status: InstallationStatus) -> Iterator[Problem]:
    for pause in status.pauses:
        if pause.is_by_hand and status.waiting.all:
            yield _paused_by_hand(pause, status.waiting.all)
    for issue in status.issues:
        if issue.status is IssueStatus.PAUSED and issue.waiting:
            yield _paused_issue(issue)


def _paused_by_hand(pause: PauseStatus, waiting: int) -> Problem:
    what = f"email to {pause.domain}" if pause.domain else "sending"
    text = (
        f"{what} is paused{_by(pause.by)} since {minute_of(pause.since)} ({pause.reason}); {_messages(waiting)} waiting"
    )
    remedy = f"digest resume --sending{f' --domain {pause.domain}' if pause.domain else ''}"
    remedy = SETTLE if SETTLE in pause.reason else remedy
    return Problem(Level.WARNING, "paused", pause.domain, text, remedy, pause.since)


def _paused_issue(issue: IssueProgress) -> Problem:
    kind = "" if issue.kind is IssueKind.DAILY else f" --kind {issue.kind}"
    since = f" since {minute_of(issue.paused_at)}" if issue.paused_at else ""
    reason = f" ({issue.pause_reason})" if issue.pause_reason else ""
    text = (
        f"the issue of {issue.date}{f' ({issue.kind})' if kind else ''} is paused{_by(issue.paused_by)}{since}{reason}"
    )
    text += f"; {_messages(issue.waiting)} waiting"
    subject = f"{issue.date}{f' {issue.kind}' if kind else ''}"
    remedy = SETTLE if SETTLE in issue.pause_reason else f"digest resume --date {issue.date}{kind}"
    return Problem(Level.WARNING, "paused", subject, text, remedy, issue.paused_at)


def _by(name: str) -> str:
    return f" by {name}" if name else ""


def _messages(count: int) -> str:
    return "1 message is" if count == 1 else f"{count:,} messages are"


def _refusals(status: InstallationStatus) -> Iterator[Problem]:
    issue = status.todays_issue
    if issue and issue.refused >= REFUSALS and issue.refusal_rate > REFUSAL_RATE:
        text = (
            f"{issue.refused:,} of {issue.accepted + issue.refused:,} messages of today's issue were refused "
            f"({issue.refusal_rate:.1%})"
        )
        remedy = f"See who and why: digest audit --date {issue.date} --rows"
        yield Problem(Level.WARNING, "refusals", str(issue.date), text, remedy)


# --- what sending depends on ---


def _sources(status: InstallationStatus) -> Iterator[Problem]:
    sources = status.sources
    if sources and all(source.failures >= ALL_SOURCES_FAILED for source in sources):
        since = max((source.failing_since for source in sources if source.failing_since), default=None)
        reasons = "; ".join(f"{source.title}: {source.message}" for source in sources)
        text = f"no source can be read{f' since {minute_of(since)}' if since else ''}. {reasons}"
        yield Problem(
            Level.CRITICAL, "sources", "", text, "Check this machine's network, then run: digest collect", since
        )
        return
    for source in sources:
        yield from _source(source)


def _source(source: SourceStatus) -> Iterator[Problem]:
    if source.failures:
        times = "" if source.failures == 1 else f" {source.failures} times in a row"
        text = f"{source.title} could not be read{times}: {source.message}"
        remedy = "Read it now: digest collect. If that fails, check its address and your network"
        yield Problem(Level.WARNING, "source-failing", source.name, text, remedy, source.failing_since)
    elif source.is_out_of_touch and source.read_at:
        text = f"{source.title} was last read at {minute_of(source.read_at)}"
        yield Problem(Level.WARNING, "source-unread", source.name, text, "Start the scheduler, or run: digest collect")


def _redis(status: InstallationStatus) -> Iterator[Problem]:
    if status.queue.problem:
        text = f"Redis does not answer ({status.queue.problem}); messages wait for the workers' next hint"
        yield Problem(Level.WARNING, "redis", "", text, "Start it, or check DIGEST_REDIS_URL: digest doctor")


def _bounces(status: InstallationStatus) -> Iterator[Problem]:
    bounces = status.bounces
    if freeze := bounces.freeze:
        text = f"automatic suppression has been frozen since {minute_of(freeze.since)}: {freeze.why}"
        text += f"; {bounces.held:,} reports are held" if bounces.held else ""
        remedy = "Check them with: digest bounces, then: digest bounces unfreeze; if they are wrong, add --discard"
        yield Problem(Level.WARNING, "suppression-frozen", "", text, remedy, freeze.since)
    reports, days = bounces.reports, f"the last {RATE_OF.days} days"
    if (hard := reports.of(FailureKind.HARD)) >= REFUSALS and bounces.bounce_rate > REFUSAL_RATE:
        text = f"{hard:,} of {bounces.accepted:,} messages of {days} came back ({bounces.bounce_rate:.1%})"
        yield Problem(Level.WARNING, "bounces", "", text, "See which and why: digest bounces")
    if (complaints := reports.of(FailureKind.COMPLAINT)) >= COMPLAINTS and bounces.complaint_rate >= COMPLAINT_RATE:
        is_critical = bounces.complaint_rate >= COMPLAINT_LIMIT
        text = f"{complaints:,} of {bounces.accepted:,} messages of {days} were marked as spam"
        text += f" ({bounces.complaint_rate:.2%})"
        remedy = "Find out who did not expect them, with: digest bounces. Gmail and Yahoo reject senders above 0.3 %"
        yield Problem(Level.CRITICAL if is_critical else Level.WARNING, "complaints", "", text, remedy)


def _webhooks(status: InstallationStatus) -> Iterator[Problem]:
    for endpoint in status.webhooks:
        since = endpoint.failing_since
        if since is None or (not endpoint.disabled_why and status.at - since < WEBHOOK_FAILS_FOR):
            continue
        text = f"webhooks to {endpoint.host} (endpoint {endpoint.id}) have failed since {minute_of(since)}"
        remedy = f"See the answers: digest webhooks attempts {endpoint.id}"
        if endpoint.disabled_why:
            text = f"webhooks to {endpoint.host} (endpoint {endpoint.id}) were disabled: {endpoint.disabled_why}"
            remedy = f"Once it works: digest webhooks enable {endpoint.id}"
        yield Problem(Level.WARNING, "webhook-failing", str(endpoint.id), text, remedy, since)


def _disks(status: InstallationStatus) -> Iterator[Problem]:
    for disk in status.disks:
        if disk.free < DISK_LOW:
            level = Level.CRITICAL if disk.free < DISK_CRITICAL else Level.WARNING
            where = f" on {disk.host}" if disk.host else ""
            text = f"only {disk.free:.1%} of the disk of {disk.folder}{where} is free ({disk.free_bytes / 1e9:.1f} GB)"
            yield Problem(level, "disk", disk.host or disk.folder, text, "Make room, or set DIGEST_DATA_DIR")
