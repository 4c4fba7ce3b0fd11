"""The status of an installation as lines for people, narrower than 120 columns. Pure."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from digest.ledger.kinds import IssueKind, IssueStatus, SkipReason, Status
from digest.monitoring.checks import Level, Problem
from digest.monitoring.heartbeats import Heartbeat, Role
from digest.monitoring.progress import IssueProgress
from digest.monitoring.status import InstallationStatus
from digest.monitoring.surroundings import SourceStatus
from digest.text import cut, minute_of

_WIDTH = 118
_LABEL = 12
_ROLES = {Role.WORKER: "workers", Role.SCHEDULER: "scheduler", Role.WEB: "web"}
_REASONS = {str(SkipReason.PAUSED): "paused by the subscriber"}


# --- digest check ---


def summary(state: InstallationStatus, problems: Sequence[Problem]) -> str:
    """The line that monitoring shows."""
    if not problems:
        issue = state.todays_issue
        return "everything is running" + (f"; {_issue_in_short(issue)}" if issue else "")
    return "; ".join(problem.text for problem in problems)


def check_lines(state: InstallationStatus, problems: Sequence[Problem]) -> Iterator[str]:
    level = problems[0].level.upper() if problems else "OK"
    # Monitoring reads one line, and expects figures after |.
    yield cut(f"{level}: {summary(state, problems)}", _WIDTH).replace("|", "/")
    for problem in problems:
        if len(problems) > 1:
            yield f"{problem.level.upper()}: {problem.text}".replace("|", "/")
        yield f"  {problem.remedy}".replace("|", "/")


def _issue_in_short(issue: IssueProgress) -> str:
    return f"{issue.accepted:,} of {issue.candidates:,} messages of the issue of {issue.date} are accepted"


# --- digest status ---


def screen(state: InstallationStatus, problems: Sequence[Problem]) -> Iterator[str]:
    critical = sum(problem.level is Level.CRITICAL for problem in problems)
    counts = [f"{critical} critical"] * bool(critical) + [_number(len(problems) - critical, "warning")] * (
        len(problems) > critical
    )
    yield f"Digest {state.version} at {state.at:%Y-%m-%d %H:%M:%S} UTC: {', '.join(counts) or 'all is well'}"
    for problem in problems:
        yield from _wrapped(problem.level.upper(), problem.text)
        yield from _wrapped("", f"→ {problem.remedy}")
    yield ""
    if not state.database_problem:
        yield from _processes(state)
        yield from _issues(state)
        yield from _sending(state)
        for source in state.sources:
            yield from _wrapped("source", _source(source, state.at))
        counts = [f"{state.subscribers.get(each, 0):,} {each}" for each in Status]
        yield from _wrapped("subscribers", ", ".join(counts))
    yield from _wrapped("Redis", _queue(state))
    for disk in state.disks:
        where = f"{disk.folder} on {disk.host}" if disk.host else disk.folder
        yield from _wrapped("disk", f"{disk.free:.0%} of {where} is free, {disk.free_bytes / 1e9:.1f} GB")


def _processes(state: InstallationStatus) -> Iterator[str]:
    for role in Role:
        these = sorted(state.alive(role), key=lambda each: each.host)
        if not these:
            last = max((each.seen_at for each in state.processes if each.role is role), default=None)
            yield from _wrapped(_ROLES[role], f"none; last seen {_ago(last, state.at)}" if last else "none")
        for host, group in groupby(these, key=lambda each: each.host):
            yield from _wrapped(_ROLES[role], _running(host, list(group), state))
        for each in state.dead(role):
            yield from _wrapped(
                "", f"process {each.pid} on {each.host} ended; last seen {_ago(each.seen_at, state.at)}"
            )


def _running(host: str, group: Sequence[Heartbeat], state: InstallationStatus) -> str:
    since, seen = min(each.started_at for each in group), min(each.seen_at for each in group)
    others = sorted({each.version for each in group} - {state.version})
    version = f", of version {' and '.join(others)}" if others else ""
    return f"{len(group)} on {host} since {minute_of(since)}, seen {_ago(seen, state.at)}{version}"


def _issues(state: InstallationStatus) -> Iterator[str]:
    cut = state.cut
    if cut and not cut.is_done:
        last = f"the last is of {cut.last_issue}" if cut.last_issue else "there was none before"
        if state.at < cut.at:
            yield from _wrapped("issue", f"today's is cut at {minute_of(cut.at)}; {last}")
        else:
            why = f": there are no papers. {cut.why_not}" if cut.why_not else ""
            yield from _wrapped("issue", f"today's was due at {minute_of(cut.at)} and is not cut{why}; {last}")
    for issue in state.issues:
        label = "issue" if issue.kind is IssueKind.DAILY else str(issue.kind)
        yield from _wrapped(label, f"{issue.date}, cut at {minute_of(issue.cut_at)}{_audience(issue)}")
        if issue.candidates:
            yield from _wrapped("", " · ".join(_states(issue)))
            yield from _wrapped("", _outlook(issue, state))
        if issue.skipped:
            yield from _wrapped("", f"skipped: {_by_reason(issue.skipped)}")
    if cut and cut.is_done:
        yield from _wrapped("next issue", f"is cut at {minute_of(cut.next_at)}")


def _audience(issue: IssueProgress) -> str:
    left_out = f"; not for {_by_reason(issue.not_queued)}" if issue.not_queued else ""
    return f" for {_number(issue.candidates, 'subscriber')}{left_out}"


def _states(issue: IssueProgress) -> Iterator[str]:
    yield f"{issue.accepted:,} accepted ({issue.accepted / issue.candidates:.1%})"
    counts = {
        "queued": issue.queued,
        "deferred": issue.deferred,
        "with workers": issue.claimed + issue.sending,
        "uncertain": issue.uncertain - issue.held,
        "uncertain, kept for you": issue.held,
        "refused": issue.refused,
        "expired": issue.expired,
        "quarantined": issue.quarantined,
        "skipped": sum(issue.skipped.values()),
    }
    yield from (f"{count:,} {name}" for name, count in counts.items() if count)


def _outlook(issue: IssueProgress, state: InstallationStatus) -> str:
    if issue.status is IssueStatus.PAUSED:
        by = f" by {issue.paused_by}" if issue.paused_by else ""
        since = f" since {minute_of(issue.paused_at)}" if issue.paused_at else ""
        return f"paused{by}{since}{f': {issue.pause_reason}' if issue.pause_reason else ''}"
    if issue.status is IssueStatus.CANCELLED:
        return "cancelled"
    if not issue.unfinished:
        return "finished"
    left = issue.seconds_left(state.rate or 0.0, state.at)
    last_due_at = issue.last_due_at or state.at
    last = f"; the last is due at {minute_of(last_due_at)}" if last_due_at > state.at else ""
    return f"{issue.unfinished:,} to go" + (f", about {_span(left)}" if left is not None else "") + last


def _sending(state: InstallationStatus) -> Iterator[str]:
    yield from _wrapped("sending", "; ".join([*_pauses(state), *filter(None, (state.warm_up_full, state.hour_full))]))
    if state.rate is not None:
        yield from _wrapped("", f"{state.rate:.1f} messages a second were accepted in the last minute")
    waiting = state.waiting
    oldest = f", the oldest since {minute_of(waiting.oldest_due_at)}" if waiting.oldest_due_at else ""
    later = f"; {waiting.later:,} due later" if waiting.later else ""
    deferred = f"; {waiting.deferred:,} of them deferred" if waiting.deferred else ""
    yield from _wrapped("", f"{_number(waiting.due, 'message')} due{oldest}{later}{deferred}")
    for count, what, remedy in (
        (waiting.held, "uncertain and kept for you", "digest retry --uncertain"),
        (waiting.quarantined, "quarantined", "digest retry"),
    ):
        if count:
            yield from _wrapped("", f"{_number(count, 'message')} {what}: digest audit --rows, then {remedy}")


def _pauses(state: InstallationStatus) -> Iterator[str]:
    for pause in state.pauses:
        what = f"email to {pause.domain}" if pause.domain else "all sending"
        by = f" by {pause.by}" if pause.by else " by an operator" if pause.is_by_hand else ""
        until = "until it is resumed" if pause.until is None else f"next attempt at {minute_of(pause.until)}"
        yield f"{what} is paused{by} since {minute_of(pause.since)}, {until}: {pause.reason}"
    if not state.pauses:
        yield "not paused"


def _source(source: SourceStatus, now: datetime) -> str:
    if source.read_at is None:
        return f"{source.title}: never read"
    failures = f", {source.failures} times in a row" if source.failures > 1 else ""
    return f"{source.title}: {source.outcome}{failures}, read {_ago(source.read_at, now)}; {source.message}"


def _queue(state: InstallationStatus) -> str:
    queue = state.queue
    if not queue.is_set:
        return "not set here; digest up starts its own"
    if queue.problem:
        return f"does not answer: {queue.problem}"
    return f"answers; {_number(queue.hints, 'hint')} waiting, {queue.taken} taken by workers"


# --- words ---


def _by_reason(counts: Mapping[str, int]) -> str:
    pairs = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{count:,} {_REASONS.get(reason, reason)}" for reason, count in pairs)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _ago(instant: datetime, now: datetime) -> str:
    return f"{_span((now - instant).total_seconds())} ago"


def _span(seconds: float) -> str:
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "hours")):
        if seconds < limit:
            return f"{max(0.0, seconds) / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


def _wrapped(label: str, text: str) -> Iterable[str]:
    indent = " " * _LABEL
    return textwrap.wrap(
        text or "-",
        _WIDTH,
        initial_indent=label.ljust(_LABEL - 1) + " ",
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
