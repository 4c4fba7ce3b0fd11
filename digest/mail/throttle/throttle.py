"""Decides if messages may be sent now, how fast, and how many at a time. One object per worker process and thread.

All workers see the same: pauses and the days of a warm-up are in the database, rates in Redis. A change by another
process is seen within a second; as long as all is well, nothing is written.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.ledger.deliveries import Shares
from digest.mail import pauses
from digest.mail.delivery.outcome import Outcome, Receipt
from digest.mail.pauses import EVERYTHING, Pause
from digest.mail.throttle.breaker import Breaker
from digest.mail.throttle.limits import Limits
from digest.mail.throttle.rates import Bucket, Rates
from digest.mail.throttle.requested import give_back_requested, hour_full, requested_within_hour, reserve_requested
from digest.mail.throttle.responses import ResponseSummary, summarize
from digest.mail.throttle.warm_up import full, give_back, midnight, reserve, sent_on
from digest.text import domain_of, minute_of

log = structlog.get_logger()

MAX_WAIT = timedelta(seconds=5)  # a message that has to wait for longer is requeued

_MAX_WINDOW = 50
# Two windows are in flight, and a message is begun within two seconds or not at all.
_SLOW, _FAST = timedelta(seconds=1), timedelta(seconds=0.5)
_TROUBLE = (Outcome.SENDER_ERROR, Outcome.NOT_ATTEMPTED)
_ZERO = timedelta(0)
_FRESH = timedelta(seconds=1)
_MIN_WAIT = timedelta(milliseconds=50)  # shorter ones would make windows of one message
_BY_HAND_WAIT = timedelta(hours=1)  # for a domain that is paused until someone resumes it
# After its pause a domain gets one message a second, and twice as many with each success.
_FIRST_RATE, _FULL_RATE = 1.0, 100.0
# Gmail asks for ten minutes without a message (support.google.com/a/answer/14229414); twice as long each time it
# repeats that.
_FIRST_DOMAIN_PAUSE, _MAX_DOMAIN_PAUSE = timedelta(minutes=10), timedelta(hours=2)
_UNTIL_ROOM = timedelta(seconds=10)  # while the hour is full, what is asked for is not claimed


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Of the database."""

    at: datetime
    pauses: dict[str, Pause]  # by scope
    sent: int  # messages of the day, in a warm-up
    requested: int  # messages of this hour that someone asked for


class Throttle:
    """A worker asks why_paused() before it claims and before each window, then admit(), and passes record() the
    receipts. What someone asked for has a limit of its own, apart from the warm-up.
    """

    def __init__(
        self, engine: Engine, rates: Rates, limits: Limits, jitter: Callable[[], float] = random.random
    ) -> None:
        self._engine = engine
        self._rates = rates
        self._limits = limits
        self._jitter = jitter
        self._breaker = Breaker(engine)
        self._latest: _Snapshot | None = None
        self._slow: dict[str, float] = {}  # domains after a pause, with their messages a second
        self._full_on: date | None = None  # the day of the warm-up whose end was logged
        self._full_since: datetime | None = None  # when it was last logged that an hour is full
        self._no_limits = not (limits.rate or limits.domain_rates or limits.warm_up_from)

    # --- before sending ---

    def why_paused(self, now: datetime) -> str:
        """Why nothing may be sent now, for people; "" when something may."""
        snapshot = self._snapshot(now)
        if not self._is_calm(now):
            why = self._breaker.why_open(snapshot.pauses.get(EVERYTHING), now)
            if self._breaker.trial is not None:
                self._latest = None
            if why:
                return why
        if self._no_limits:
            return ""
        return (
            "Redis, which keeps the sending rate, does not answer" if self._limits.rate and self._rates.is_away else ""
        )

    def day_began(self, now: datetime) -> datetime | None:
        """In a warm-up, the start of the day: what was due before it goes last, after today's issue."""
        return None if self._limits.day_limit(_day(now)) is None else midnight(now) - timedelta(days=1)

    def claim_limit(self, limit: int) -> int:
        """The number of deliveries to claim: with a rate for all, no more than may go before one has to be requeued."""
        rate = self._limits.rate
        return max(1, min(limit, int(rate * MAX_WAIT.total_seconds()))) if rate else limit

    def shares(self, limit: int, now: datetime) -> Shares:
        """Of a claim of `limit`: what someone asked for is at most a quarter while mail of an issue is due."""
        day, snapshot = _day(now), self._snapshot(now)
        a_day = self._limits.day_limit(day)
        is_full = a_day is not None and snapshot.sent >= a_day
        if a_day is not None and is_full and self._full_on != day:
            self._full_on = day
            log.warning(full(a_day, now))
        an_hour = self._limits.requested_limit(day)
        requested = max(0, an_hour - snapshot.requested)
        if not requested and (self._full_since is None or now - self._full_since >= timedelta(hours=1)):
            self._full_since = now
            log.warning(f"{hour_full(an_hour)}; others wait")
        quarter = limit // 4 or int(self._jitter() < limit / 4)  # of a claim of one, each fourth
        beside = 0 if self._breaker.trial is not None else min(quarter, requested)
        return Shares(requested, beside, 0 if is_full else limit)

    def admit(self, addresses: Sequence[str], now: datetime, requested: Collection[int] = ()) -> list[timedelta]:
        """The wait of each message in a window; zero: send now. `requested`: indexes of those that someone requested.

        A message that waits has drawn on no rate: ask again for it after a wait up to MAX_WAIT, requeue it for a longer
        one.
        """
        if self._no_limits and not requested and self._is_calm(now):
            return [_ZERO] * len(addresses)
        domains, snapshot = [_destination(address) for address in addresses], self._snapshot(now)
        waits = [self._until_resumed(snapshot.pauses.get(domain), now) for domain in domains]
        self._wait_for_rates(domains, waits)
        self._breaker.admit_one(waits, {index: domains[index] for index in requested}, now)
        self._wait_for_quotas(waits, requested, now)
        return waits

    def paused_meanwhile(self, addresses: Sequence[str], now: datetime) -> list[bool]:
        """For each message of an admitted window, return True if a pause since then holds it back."""
        stored = self._snapshot(now).pauses
        everything, is_trial = stored.get(EVERYTHING), self._breaker.trial is not None
        if everything is not None and everything.is_in_force(now) and not is_trial:
            return [True] * len(addresses)
        scopes = [stored.get(_destination(address)) for address in addresses]
        return [pause is not None and pause.is_in_force(now) for pause in scopes]

    # --- after sending ---

    def record(self, responses: Sequence[tuple[str, Receipt]], now: datetime, requested: Collection[int] = ()) -> None:
        """Adapt to the receipts of a window, each with its address. `requested`: deliveries that someone asked for."""
        if self._is_calm(now) and all(receipt.outcome is Outcome.ACCEPTED for _address, receipt in responses):
            return
        summary = summarize([(_destination(address), receipt) for address, receipt in responses], requested)
        self._speed_up(summary)
        recovered = self._recovered(summary, now)
        unsent = summary.not_accepted if self._limits.warm_up_from is not None else 0
        is_about_us = bool(summary.failures or summary.refusing) or self._breaker.trial is not None
        if not (is_about_us or summary.slow_down or recovered or unsent or summary.no_recipient):
            return
        with transaction(self._engine) as connection:
            if unsent:
                give_back(connection, _day(now), unsent)
            if summary.no_recipient:
                give_back_requested(connection, now, summary.no_recipient)
            if recovered:
                pauses.forget_failures(connection, recovered, now)
            alone = self._breaker.record(connection, summary, now) if is_about_us else set()
            resting = dict.fromkeys(alone, summary.reply) | summary.slow_down
            for domain in sorted(resting):
                self._pause_domain(connection, domain, resting[domain], now)
        self._latest = None

    # --- destinations and rates ---

    def _until_resumed(self, pause: Pause | None, now: datetime) -> timedelta:
        if pause is None or not pause.is_in_force(now):
            return _ZERO
        left = pause.until - now if pause.until is not None else _BY_HAND_WAIT
        return left * (1 + 0.1 * self._jitter())

    def _wait_for_rates(self, domains: Sequence[str], waits: list[timedelta]) -> None:
        """One round trip for the window; messages that wait anyway are left out of it."""
        indexes: dict[Bucket, int] = {}
        draws: list[tuple[int, list[int]]] = []
        for message, domain in enumerate(domains):
            if not waits[message] and (buckets := self._buckets(domain)):
                draws.append((message, [indexes.setdefault(bucket, len(indexes)) for bucket in buckets]))
        if not draws:
            return
        seconds = self._rates.take(list(indexes), [drawn for _, drawn in draws])
        for (message, _), wait in zip(draws, seconds, strict=True):
            waits[message] = max(timedelta(seconds=wait), _MIN_WAIT) if wait else _ZERO

    def _buckets(self, domain: str) -> list[Bucket]:
        rate, limit, slow = self._limits.rate, self._limits.domain_rate(domain), self._slow.get(domain, 0.0)
        domain_rate = min(limit, slow) if limit and slow else limit or slow
        buckets = [Bucket("all", rate, MAX_WAIT.total_seconds())] if rate else []
        # Without patience: messages to a slow destination are requeued at once, and those to others overtake them.
        return [*buckets, Bucket(f"to:{domain}", domain_rate)] if domain_rate else buckets

    def _speed_up(self, summary: ResponseSummary) -> None:
        for domain in (summary.accepting & self._slow.keys()) - summary.slow_down.keys():
            self._slow[domain] *= 2
            if self._slow[domain] >= (self._limits.domain_rate(domain) or _FULL_RATE):
                del self._slow[domain]

    def _pause_domain(self, connection: Connection, domain: str, reply: str, now: datetime) -> None:
        before = pauses.locked(connection, domain, now)
        after = pause_after_complaint(before, reply, now)
        if after == before or after.until is None:
            return
        pauses.set_pause(connection, after)
        until = minute_of(after.until)
        events.record(connection, now, pauses.event_subject(domain), "paused", {"reason": reply, "until": until})
        log.warning("a destination refuses our messages and is paused", domain=domain, reply=reply, until=until)

    def _recovered(self, summary: ResponseSummary, now: datetime) -> set[str]:
        """Scopes whose failures a success ends."""
        stored = self._snapshot(now).pauses
        accepting = summary.accepting | {EVERYTHING} if summary.accepted else set()
        scopes = (accepting & stored.keys()) - summary.slow_down.keys()
        return {scope for scope in scopes if not stored[scope].is_in_force(now)}

    # --- the limits of the warm-up and of requested messages ---

    def _wait_for_quotas(self, waits: list[timedelta], requested: Collection[int], now: datetime) -> None:
        """Messages are counted before they go, so that all workers together never exceed a limit."""
        day, going = _day(now), [message for message, wait in enumerate(waits) if not wait]
        asked_for = [message for message in going if message in requested]
        of_issues = [message for message in going if message not in requested]
        limit = self._limits.day_limit(day)
        if limit is not None and of_issues:
            with transaction(self._engine) as connection:
                granted = reserve(connection, day, len(of_issues), limit)
            until_tomorrow = midnight(now) - now + timedelta(minutes=10 * self._jitter())
            for message in of_issues[granted:]:
                waits[message] = until_tomorrow
            self._latest = None
        if asked_for:
            most = self._limits.requested_limit(day)
            with transaction(self._engine) as connection:
                granted = reserve_requested(connection, now, len(asked_for), most)
            for message in asked_for[granted:]:
                waits[message] = _UNTIL_ROOM
            self._latest = None

    # --- what the database says ---

    def _is_calm(self, now: datetime) -> bool:
        """True if nothing is paused, being tried or recovering from that."""
        snapshot = self._snapshot(now)
        return not (snapshot.pauses or self._slow or self._breaker.trial)

    def _snapshot(self, now: datetime) -> _Snapshot:
        if self._latest is not None and abs(now - self._latest.at) < _FRESH:
            return self._latest
        day = _day(now)
        with read_only(self._engine) as connection:
            by_scope = {pause.scope: pause for pause in pauses.all_pauses(connection)}
            sent = sent_on(connection, day) if self._limits.day_limit(day) is not None else 0
            requested = requested_within_hour(connection, now)
        for domain in by_scope.keys() - {EVERYTHING}:
            is_paused = by_scope[domain].is_in_force(now)
            self._slow[domain] = _FIRST_RATE if is_paused else self._slow.get(domain, _FIRST_RATE)
        self._latest = _Snapshot(now, by_scope, sent, requested)
        return self._latest


def next_window_size(size: int, took: timedelta, receipts: Sequence[Receipt]) -> int:
    """The number of messages in a worker's next window, after one of `size`.

    A small window bounds how many are marked as being sent when a worker dies with its machine, and how long one can
    take after its last check. It starts at one and grows while all goes well, like TCP and Postfix.
    """
    if any(receipt.outcome in _TROUBLE for receipt in receipts):
        return 1
    if took > _SLOW:
        return max(1, size // 2)
    return min(_MAX_WINDOW, size * 2) if took < _FAST else size


def pause_after_complaint(before: Pause, reply: str, now: datetime) -> Pause:
    """The row of a domain that wants fewer messages. Replies during its pause do not make it longer."""
    if before.is_in_force(now):
        return before
    until = now + min(_FIRST_DOMAIN_PAUSE * (1 << min(before.failures, 10)), _MAX_DOMAIN_PAUSE)
    return replace(before, since=now, until=until, reason=reply, failures=before.failures + 1, by="")


def _destination(address: str) -> str:
    return domain_of(address).lower()


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
