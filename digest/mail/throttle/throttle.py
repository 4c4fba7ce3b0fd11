"""Whether mail may be sent now, and how fast. One object for each worker process; not for several threads.

All workers see the same: pauses and the days of a warm-up are in the database, rates behind the port Take. What another
process changes is seen within a second; as long as all is well, nothing is written.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.mail.delivery.outcome import Receipt
from digest.mail.throttle import store
from digest.mail.throttle.breaker import Breaker, clock
from digest.mail.throttle.limits import EVERYTHING, MAX_WAIT, Bucket, Limits, Pause, Take, day_limit
from digest.mail.throttle.responses import ResponseSummary, domain_after, lesson

log = structlog.get_logger()

_ZERO = timedelta(0)
_FRESH = timedelta(seconds=1)
_SHORTEST_WAIT = timedelta(milliseconds=50)  # shorter ones would make windows of one mail
_LOOK_AGAIN = timedelta(hours=1)  # at a domain that is paused until somebody resumes it
# After its pause a domain gets one mail a second, twice as many with each success, until that is no limit any more.
_FIRST_RATE, _FULL_RATE = 1.0, 100.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database said at an instant."""

    at: datetime
    everything: Pause | None
    domains: dict[str, Pause]
    sent: int  # mails of the day, in a warm-up


class Throttle:
    """A worker asks halted() before it claims and before each window, then admit(), and tells learn() the answers."""

    def __init__(self, engine: Engine, take: Take, limits: Limits, dice: Callable[[], float] = random.random) -> None:
        self._engine = engine
        self._take = take
        self._limits = limits
        self._dice = dice
        self._breaker = Breaker(engine)
        self._seen: _Seen | None = None
        self._slow: dict[str, float] = {}  # domains after a pause, with their mails a second
        self._no_limits = not (limits.rate or limits.domain_rates or limits.warm_up_from)

    # --- before sending ---

    def halted(self, now: datetime) -> str:
        """Why nothing may be sent now, in words; "" when something may."""
        seen = self._look(now)
        why = self._breaker.why_open(seen.everything, now)
        if self._breaker.trying:
            self._seen = None
        limit = day_limit(self._limits, _day(now))
        if not why and limit is not None and seen.sent >= limit:
            return f"the {limit} mails of this day of the warm-up are sent; it goes on at {clock(_midnight(now))}"
        return why

    def admit(self, domains: Sequence[str], now: datetime) -> list[timedelta]:
        """How long each mail of a window must wait, zero = go now. A mail that waits has drawn on no rate: ask again
        for it after a short wait; for a longer one than PATIENCE put it back.
        """
        seen = self._look(now)
        if self._no_limits and not (seen.domains or self._slow or self._breaker.trying):
            return [_ZERO] * len(domains)
        waits = [self._paused(seen.domains.get(domain), now) for domain in domains]
        self._wait_for_rates(domains, waits)
        self._breaker.let_one_go(waits)
        self._wait_for_tomorrow(waits, now)
        return waits

    def at_once(self, at_most: int) -> int:
        """How many mails to claim at a time: with a rate for all, no more than may go while one is patient."""
        rate = self._limits.rate
        return max(1, min(at_most, int(rate * MAX_WAIT.total_seconds()))) if rate else at_most

    # --- after sending ---

    def learn(self, answers: Sequence[tuple[str, Receipt]], now: datetime) -> None:
        """What a window's receipts say: the destination domain and the receipt of each of its mails."""
        said = lesson(answers)
        self._speed_up(said)
        mended = self._mended(said, now)
        untaken = said.not_taken if day_limit(self._limits, _day(now)) is not None else 0
        if not (self._breaker.has_to_learn(said) or said.slow_down or mended or untaken):
            return
        with transaction(self._engine) as connection:
            if untaken:
                store.give_back_to_day(connection, _day(now), untaken)
            if mended:
                store.forget_mended(connection, mended, now)
            self._breaker.learn(connection, said, now)
            for domain in sorted(said.slow_down):
                self._pause_domain(connection, domain, said.slow_down[domain], now)
        self._seen = None

    # --- destinations and rates ---

    def _paused(self, pause: Pause | None, now: datetime) -> timedelta:
        if pause is None or not pause.holds(now):
            return _ZERO
        left = pause.until - now if pause.until is not None else _LOOK_AGAIN
        return left * (1 + 0.1 * self._dice())

    def _wait_for_rates(self, domains: Sequence[str], waits: list[timedelta]) -> None:
        """One question for the whole window; mails that wait anyway are left out of it."""
        places: dict[Bucket, int] = {}
        drawn: list[tuple[int, list[int]]] = []
        for mail, domain in enumerate(domains):
            if not waits[mail] and (buckets := self._buckets(domain)):
                drawn.append((mail, [places.setdefault(bucket, len(places)) for bucket in buckets]))
        if not drawn:
            return
        seconds = self._take(list(places), [mine for _, mine in drawn])
        for (mail, _), wait in zip(drawn, seconds, strict=True):
            waits[mail] = max(timedelta(seconds=wait), _SHORTEST_WAIT) if wait else _ZERO

    def _buckets(self, domain: str) -> list[Bucket]:
        rate, domain_rate = self._limits.rate, self._rate_of(domain)
        buckets = [Bucket("all", rate, MAX_WAIT.total_seconds())] if rate else []
        # Who waits for a destination steps aside at once, so that mails to others get past.
        return [*buckets, Bucket(f"to:{domain}", domain_rate)] if domain_rate else buckets

    def _rate_of(self, domain: str) -> float:
        limit = self._limits.domain_rate(domain)
        slow = self._slow.get(domain, 0.0)
        return min(limit, slow) if limit and slow else limit or slow

    def _speed_up(self, said: ResponseSummary) -> None:
        for domain in (said.took & self._slow.keys()) - said.slow_down.keys():
            self._slow[domain] *= 2
            if self._slow[domain] >= (self._limits.domain_rate(domain) or _FULL_RATE):
                del self._slow[domain]

    def _pause_domain(self, connection: Connection, domain: str, reply: str, now: datetime) -> None:
        known = store.locked(connection, domain, now)
        after = domain_after(known, reply, now)
        if after == known or after.until is None:
            return
        store.set_pause(connection, after)
        until = clock(after.until)
        events.record(connection, now, f"domain:{domain}"[:80], "paused", {"reason": reply, "until": until})
        log.warning("a destination wants fewer mails; its mails wait", domain=domain, reply=reply, until=until)

    def _mended(self, said: ResponseSummary, now: datetime) -> set[str]:
        """Scopes with failures that a success ends."""
        seen = self._look(now)
        mended = {one for one in said.took & seen.domains.keys() if not seen.domains[one].holds(now)}
        if said.accepted and seen.everything is not None and not seen.everything.holds(now):
            mended.add(EVERYTHING)
        return mended - said.slow_down.keys()

    # --- the warm-up ---

    def _wait_for_tomorrow(self, waits: list[timedelta], now: datetime) -> None:
        """Mails are counted before they go, so that all workers together never exceed the day's limit."""
        limit = day_limit(self._limits, _day(now))
        go = [mail for mail, wait in enumerate(waits) if not wait]
        if limit is None or not go:
            return
        with transaction(self._engine) as connection:
            granted = store.take_from_day(connection, _day(now), len(go), limit)
        for mail in go[granted:]:
            waits[mail] = (_midnight(now) - now) + timedelta(minutes=10 * self._dice())
        self._seen = None

    # --- what the database says ---

    def _look(self, now: datetime) -> _Seen:
        if self._seen is None or abs(now - self._seen.at) >= _FRESH:
            self._seen = self._read(now)
            for domain, pause in self._seen.domains.items():
                self._slow[domain] = _FIRST_RATE if pause.holds(now) else self._slow.get(domain, _FIRST_RATE)
        return self._seen

    def _read(self, now: datetime) -> _Seen:
        day = _day(now)
        with read_only(self._engine) as connection:
            known = {pause.scope: pause for pause in store.all_pauses(connection)}
            sent = store.sent_on(connection, day) if day_limit(self._limits, day) is not None else 0
        return _Seen(now, known.pop(EVERYTHING, None), known, sent)


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _midnight(now: datetime) -> datetime:
    return datetime.combine(_day(now) + timedelta(days=1), time(), UTC)
