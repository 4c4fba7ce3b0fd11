"""Measurements → metric families of Prometheus, in base units. Pure.

Sums that never go down are counters, so that rate() works. No label holds anything that strangers can invent.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from digest.ledger.kinds import Kind, State, Status, SuppressionReason
from digest.monitoring.checks import problems
from digest.monitoring.heartbeats import Role
from digest.monitoring.metrics.measurements import Measurements, Sums
from digest.monitoring.status import InstallationStatus
from digest.papers.summaries.store import SummaryState

Values = Mapping[Any, float]  # by the values of the labels, in a tuple


def families(measured: Measurements) -> Iterator[Metric]:
    """Every family. Those that cannot be read at present are absent: a zero would look like a fact."""
    status = measured.status
    yield InfoMetricFamily("digest_build", "Version of Digest.", {"version": status.version})
    yield _number("digest_database_up", "1 if the database can be used.", not status.database_problem)
    found = Counter((each.name, each.level) for each in problems(status))
    yield _gauge("digest_problems", "Problems that digest check reports now.", ("name", "level"), found)
    yield from _machine(status)
    if not status.database_problem:
        yield from _sending(status)
        yield from _sources(status)
        yield from _processes(status)
        yield from _webhooks(status)
        meaning = "1 while automatic suppression is frozen, after a storm of failures."
        yield _number("digest_suppression_frozen", meaning, status.bounces.freeze is not None)
        people = {(each,): status.subscribers.get(each, 0) for each in Status}
        yield _gauge("digest_subscribers", "Subscribers by status.", ("status",), people)
    if measured.sums is not None:
        yield from _messages(measured.sums)
        yield from _times(measured.sums)
        suppressed = {(each,): measured.sums.suppressions.get(each, 0) for each in SuppressionReason}
        meaning = "Addresses that get no messages, by reason."
        yield _gauge("digest_suppressed_addresses", meaning, ("reason",), suppressed)
        meaning = "Reports about messages that were accepted, by kind, subject of the code, and proof."
        yield _counter("digest_bounce_reports", meaning, ("kind", "about", "proof"), measured.sums.reports.counts)
        yield from _summaries(measured.sums)


# --- from the status ---


def _machine(status: InstallationStatus) -> Iterator[Metric]:
    if status.queue.is_set:
        yield _number("digest_redis_up", "1 if Redis answers.", not status.queue.problem)
        if not status.queue.problem:
            yield _number("digest_queue_hints", "Hints for workers in Redis.", status.queue.hints)
    free = {(disk.host, disk.folder): disk.free for disk in status.disks}
    meaning = "Free share of the disk of a data folder."
    yield _gauge("digest_disk_free_ratio", meaning, ("host", "folder"), free)


def _sending(status: InstallationStatus) -> Iterator[Metric]:
    waiting, oldest = status.waiting, status.waiting.oldest_due_at
    age = max((status.at - oldest).total_seconds(), 0.0) if oldest else 0.0
    yield _number("digest_messages_due", "Messages that could be sent now.", waiting.due)
    yield _number("digest_oldest_due_message_age_seconds", "Time since the oldest of them was due; 0 if none is.", age)
    is_paused = any(not pause.domain for pause in status.pauses)
    yield _number("digest_sending_paused", "1 while all sending is paused, by an operator or the breaker.", is_paused)
    domains = sum(bool(pause.domain) for pause in status.pauses)
    yield _number("digest_paused_destinations", "Domains that get no messages at present.", domains)
    cut = {(each.kind,): each.cut_at.timestamp() for each in sorted(status.issues, key=lambda issue: issue.date)}
    yield _gauge("digest_issue_cut_timestamp_seconds", "When the newest issue was cut.", ("kind",), cut)


def _sources(status: InstallationStatus) -> Iterator[Metric]:
    failures = {(each.name,): each.failures for each in status.sources}
    yield _gauge("digest_source_failures", "Failed readings of a source in a row, up to now.", ("source",), failures)
    outcomes = {(each.name, each.outcome): 1 for each in status.sources if each.outcome is not None}
    yield _gauge("digest_source_outcome", "1 for the outcome of the last reading.", ("source", "outcome"), outcomes)


def _processes(status: InstallationStatus) -> Iterator[Metric]:
    by_time = sorted(status.processes, key=lambda process: process.seen_at)
    seen = {(each.role, each.host): each.seen_at.timestamp() for each in by_time}
    yield _gauge("digest_heartbeat_timestamp_seconds", "The last heartbeat of a process.", ("role", "host"), seen)
    alive = {(role, "alive"): len(status.alive(role)) for role in Role}
    dead = {(role, "dead"): len(status.dead(role)) for role in Role}
    yield _gauge("digest_processes", "Processes, alive or ended without stopping.", ("role", "state"), alive | dead)


def _webhooks(status: InstallationStatus) -> Iterator[Metric]:
    counts = {(str(each.id), "pending"): each.pending for each in status.webhooks}
    counts |= {(str(each.id), "failed"): each.failed for each in status.webhooks}
    meaning = "Events that wait for an endpoint, or failed there within the last 30 days."
    yield _gauge("digest_webhook_events", meaning, ("endpoint", "state"), counts)
    oldest = [each.oldest_at for each in status.webhooks if each.oldest_at and not each.is_disabled]
    age = max(((status.at - at).total_seconds() for at in oldest), default=0.0)
    meaning = "Age of the oldest event that waits for an endpoint in use; 0 if none does."
    yield _number("digest_oldest_webhook_event_age_seconds", meaning, max(age, 0.0))


# --- from the sums ---


def _messages(sums: Sums) -> Iterator[Metric]:
    every = {(kind, state): sums.messages.get((kind, state), 0) for kind in Kind for state in State}
    yield _gauge("digest_messages", "Messages of all time, by their state now.", ("kind", "state"), every)
    final = {"accepted": State.ACCEPTED, "refused": State.REFUSED}
    for name, state in final.items():
        counts = {(kind,): every[kind, state] for kind in Kind}
        yield _counter(f"digest_messages_{name}", f"Messages that the mail server {name}.", ("kind",), counts)
    meaning = "Replies of mail servers: 2xx, 4xx, 5xx or none; domains with few subscribers are in other."
    yield _counter("digest_replies", meaning, ("domain", "reply"), sums.replies)


def _times(sums: Sums) -> Iterator[Metric]:
    took = {(kind,): time.total_seconds() for kind, time in sums.sending_times.items()}
    meaning = "From the cut of the newest finished issue to the last final reply."
    yield _gauge("digest_issue_sending_seconds", meaning, ("kind",), took)
    read = {(name,): at.timestamp() for name, at in sums.source_successes.items()}
    name, meaning = "digest_source_last_success_timestamp_seconds", "When a source was last read with success."
    yield _gauge(name, meaning, ("source",), read)


def _summaries(sums: Sums) -> Iterator[Metric]:
    counts = {(each,): sums.summaries.get(each, 0) for each in SummaryState}
    yield _gauge("digest_model_summaries", "Summaries of papers by a language model, by state.", ("state",), counts)
    meaning = "Requests to the language model in this month (UTC)."
    yield _number("digest_model_requests_this_month", meaning, sums.summary_requests)


# --- families ---


def _number(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=float(value))


def _gauge(name: str, meaning: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def _counter(name: str, meaning: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family
