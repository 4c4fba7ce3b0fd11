"""Measurements → metric families of Prometheus, in base units. Pure.

Sums that never go down are counters, so that rate() works. No label holds anything that strangers can invent.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from digest.ledger.kinds import Kind, State, Status, SuppressionReason
from digest.monitoring.checks import problems
from digest.monitoring.heartbeats import Role
from digest.monitoring.metrics.measurements import Measurements
from digest.monitoring.status import InstallationStatus


def families(measured: Measurements) -> Iterator[Metric]:
    """Every family; those that need the database are absent while it is away."""
    status = measured.status
    yield InfoMetricFamily("digest_build", "Version of Digest.", {"version": status.version})
    yield _number("digest_database_up", "1 if the database can be used.", not status.database_problem)
    yield _problems(status)
    yield from _machine(status)
    if status.database_problem:
        return
    yield from _messages(measured)
    yield from _waiting(status)
    yield from _issues(measured)
    yield from _sources(measured)
    yield from _processes(status)
    yield from _people(measured)


def _problems(status: InstallationStatus) -> Metric:
    family = GaugeMetricFamily("digest_problems", "Problems that digest check reports now.", labels=["name", "level"])
    for (name, level), count in Counter((each.name, each.level) for each in problems(status)).items():
        family.add_metric([name, level], count)
    return family


def _machine(status: InstallationStatus) -> Iterator[Metric]:
    if status.queue.is_set:
        yield _number("digest_redis_up", "1 if Redis answers.", not status.queue.problem)
        if not status.queue.problem:
            yield _number("digest_queue_hints", "Hints for workers in Redis.", status.queue.hints)
    free = GaugeMetricFamily(
        "digest_disk_free_ratio", "Free share of the disk of a data folder.", labels=["host", "folder"]
    )
    for disk in status.disks:
        free.add_metric([disk.host, disk.folder], disk.free)
    yield free


# --- messages ---


def _messages(measured: Measurements) -> Iterator[Metric]:
    every = GaugeMetricFamily("digest_messages", "Messages of all time, by their state now.", labels=["kind", "state"])
    accepted = CounterMetricFamily(
        "digest_messages_accepted", "Messages that the mail server accepted.", labels=["kind"]
    )
    refused = CounterMetricFamily("digest_messages_refused", "Messages that the mail server refused.", labels=["kind"])
    for kind in Kind:
        for state in State:
            every.add_metric([kind, state], measured.messages.get((kind, state), 0))
        accepted.add_metric([kind], measured.messages.get((kind, State.ACCEPTED), 0))
        refused.add_metric([kind], measured.messages.get((kind, State.REFUSED), 0))
    yield from (every, accepted, refused)
    replies = CounterMetricFamily(
        "digest_replies",
        "Replies of mail servers: 2xx, 4xx, 5xx or none; domains with few subscribers are in other.",
        labels=["domain", "reply"],
    )
    for (domain, reply), count in measured.replies.items():
        replies.add_metric([domain, reply], count)
    yield replies


def _waiting(status: InstallationStatus) -> Iterator[Metric]:
    waiting, oldest = status.waiting, status.waiting.oldest_due_at
    age = max((status.at - oldest).total_seconds(), 0.0) if oldest else 0.0
    yield _number("digest_messages_due", "Messages that could be sent now.", waiting.due)
    yield _number("digest_oldest_due_message_age_seconds", "Time since the oldest of them was due; 0 if none is.", age)
    is_paused = any(not pause.domain for pause in status.pauses)
    yield _number("digest_sending_paused", "1 while all sending is paused, by an operator or the breaker.", is_paused)
    domains = sum(bool(pause.domain) for pause in status.pauses)
    yield _number("digest_paused_destinations", "Domains that get no messages at present.", domains)


def _issues(measured: Measurements) -> Iterator[Metric]:
    cut = GaugeMetricFamily("digest_issue_cut_timestamp_seconds", "When the newest issue was cut.", labels=["kind"])
    newest = {issue.kind: issue for issue in sorted(measured.status.issues, key=lambda issue: issue.date)}
    for kind, issue in newest.items():
        cut.add_metric([kind], issue.cut_at.timestamp())
    yield cut
    took = GaugeMetricFamily(
        "digest_issue_sending_seconds",
        "From the cut of the newest finished issue to the last final reply.",
        labels=["kind"],
    )
    for kind, time in measured.sending_times.items():
        took.add_metric([kind], time.total_seconds())
    yield took


# --- what sending depends on ---


def _sources(measured: Measurements) -> Iterator[Metric]:
    success = GaugeMetricFamily(
        "digest_source_last_success_timestamp_seconds", "When a source was last read.", labels=["source"]
    )
    failures = GaugeMetricFamily(
        "digest_source_failures", "Failed readings of a source in a row, up to now.", labels=["source"]
    )
    outcome = GaugeMetricFamily(
        "digest_source_outcome", "1 for the outcome of the last reading.", labels=["source", "outcome"]
    )
    for name, at in measured.source_successes.items():
        success.add_metric([name], at.timestamp())
    for source in measured.status.sources:
        failures.add_metric([source.name], source.failures)
        if source.outcome is not None:
            outcome.add_metric([source.name, source.outcome], 1)
    yield from (success, failures, outcome)


def _processes(status: InstallationStatus) -> Iterator[Metric]:
    seen = GaugeMetricFamily(
        "digest_heartbeat_timestamp_seconds", "The last heartbeat of a process.", labels=["role", "host"]
    )
    count = GaugeMetricFamily(
        "digest_processes", "Processes, alive or ended without stopping.", labels=["role", "state"]
    )
    last = {(each.role, each.host): each for each in sorted(status.processes, key=lambda each: each.seen_at)}
    for (role, host), each in last.items():
        seen.add_metric([role, host], each.seen_at.timestamp())
    for role in Role:
        count.add_metric([role, "alive"], len(status.alive(role)))
        count.add_metric([role, "dead"], len(status.dead(role)))
    yield from (seen, count)


def _people(measured: Measurements) -> Iterator[Metric]:
    subscribers = GaugeMetricFamily("digest_subscribers", "Subscribers by status.", labels=["status"])
    suppressed = GaugeMetricFamily(
        "digest_suppressed_addresses", "Addresses that get no messages, by reason.", labels=["reason"]
    )
    for each in Status:
        subscribers.add_metric([each], measured.status.subscribers.get(each, 0))
    for reason in SuppressionReason:
        suppressed.add_metric([reason], measured.suppressions.get(reason, 0))
    yield from (subscribers, suppressed)


def _number(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=float(value))
