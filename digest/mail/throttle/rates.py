"""The rates that all workers share: token buckets in Redis, or in this process while Redis does not answer.

A bucket holds the mails of one second (at least one). A mail that finds it empty, and has to wait for longer than the
bucket's patience, is given its turn in the line, so that mails which are put back do not return all at once. What Redis
forgets costs one bucketful. Not for several threads.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from digest.mail.throttle.limits import Bucket, Take

log = structlog.get_logger()

BURST_SECONDS = 1.0
# Turns are given out so far ahead; who comes after that is spread over the second half. The ledger's rows that wait are
# looked at so often.
LINE_SECONDS = 300.0
_TIMEOUT_SECONDS = 1.0
_AGAIN_AFTER_SECONDS = 5.0
_TELL_AGAIN_SECONDS = 60.0
_MOST_BUCKETS = 10_000

# The same as Buckets.take, in microseconds of the server's clock. KEYS: buckets; ARGV: how long the line is, for each
# bucket the time from one mail to the next, what it may be ahead and its patience, then each mail's buckets, as "1 3".
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local line_length = tonumber(ARGV[1])
local every, ahead, patience, full, line, asking = {}, {}, {}, {}, {}, {}
for i, key in ipairs(KEYS) do
    every[i], ahead[i], patience[i] = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
    local a, b = string.match(redis.call('GET', key) or '', '(%d+) (%d+)')
    full[i], line[i], asking[i] = tonumber(a or now), tonumber(b or now), 0
end

local function turn(i)
    local soon = full[i] - ahead[i] + asking[i] * every[i]
    asking[i] = asking[i] + 1
    if soon <= now + patience[i] then return soon end
    local at = math.max(line[i], full[i] - ahead[i], now + patience[i])
    if at > now + line_length then at = now + line_length / 2 end
    line[i] = at + every[i]
    return at
end

local waits = {}
for m = 3 * #KEYS + 2, #ARGV do
    local go, at = true, now
    for name in string.gmatch(ARGV[m], '%d+') do
        local i = tonumber(name)
        if full[i] - ahead[i] > now + 1 then go, at = false, math.max(at, turn(i)) end
    end
    if go then
        for name in string.gmatch(ARGV[m], '%d+') do
            local i = tonumber(name)
            full[i] = math.max(full[i], now) + every[i]
        end
    end
    waits[#waits + 1] = math.ceil(at - now)
end
for i, key in ipairs(KEYS) do
    local keep = math.max(full[i], line[i]) - now
    redis.call('SET', key, string.format('%.0f %.0f', full[i], line[i]), 'PX', math.ceil(keep / 1000) + 1000)
end
return waits
"""


@dataclass(slots=True)
class _Level:
    """Seconds. `full`: when it is full again (GCRA's theoretical arrival time); `line`: the next turn to give out."""

    full: float
    line: float
    every: float = 0.0
    ahead: float = 0.0
    patience: float = 0.0
    asking: int = 0  # mails of this window that wait

    def is_empty(self, at: float) -> bool:
        return self.full - self.ahead > at + 1e-6

    def turn(self, at: float) -> float:
        soon = self.full - self.ahead + self.asking * self.every
        self.asking += 1
        if soon <= at + self.patience:
            return soon
        turn = max(self.line, self.full - self.ahead, at + self.patience)
        if turn > at + LINE_SECONDS:
            turn = at + LINE_SECONDS / 2
        self.line = turn + self.every
        return turn


class Buckets:
    """Buckets of one process."""

    def __init__(self) -> None:
        self._levels: dict[str, _Level] = {}

    def take(self, buckets: Sequence[Bucket], mails: Sequence[Sequence[int]], at: float) -> list[float]:
        """As Take, `at` an instant in seconds."""
        if len(self._levels) > _MOST_BUCKETS:
            self._levels = {name: one for name, one in self._levels.items() if max(one.full, one.line) > at}
        levels = [self._level(bucket, at) for bucket in buckets]
        return [_take_one([levels[place] for place in mail], at) for mail in mails]

    def _level(self, bucket: Bucket, at: float) -> _Level:
        level = self._levels.setdefault(bucket.name, _Level(at, at))
        level.every, level.ahead, level.patience = _pace(bucket)
        level.asking = 0
        return level


def _take_one(levels: Sequence[_Level], at: float) -> float:
    if empty := [level for level in levels if level.is_empty(at)]:
        return max(level.turn(at) for level in empty) - at
    for level in levels:
        level.full = max(level.full, at) + level.every
    return 0.0


def _pace(bucket: Bucket) -> tuple[float, float, float]:
    """Seconds: from one mail to the next, how far ahead of that a burst may be, and the patience."""
    every = 1 / bucket.rate
    return every, max(BURST_SECONDS - every, 0.0), bucket.patience


def local_rates(now: Callable[[], float] = time.monotonic) -> Take:
    """Rates of this process alone."""
    kept = Buckets()

    def take(buckets: Sequence[Bucket], mails: Sequence[Sequence[int]]) -> list[float]:
        return kept.take(buckets, mails, now())

    return take


def redis_rates(redis_url: str) -> Take:
    """Rates of all workers on the same Redis; without a URL, of this process alone."""
    return RedisRates(redis_url) if redis_url else local_rates()


class RedisRates:
    """Buckets in Redis, one round trip a window. While it does not answer, each process keeps to the rates alone."""

    def __init__(self, redis_url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._client = redis.Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._client.register_script(_SCRIPT)
        self._alone = local_rates(now)
        self._now = now
        self._again_at = self._tell_at = float("-inf")

    def __call__(self, buckets: Sequence[Bucket], mails: Sequence[Sequence[int]]) -> list[float]:
        """See Take."""
        if self._now() < self._again_at:
            return self._alone(buckets, mails)
        try:
            return self._take(buckets, mails)
        except (redis.RedisError, OSError) as problem:
            self._again_at = self._now() + _AGAIN_AFTER_SECONDS
            self._tell(problem)
            return self._alone(buckets, mails)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _take(self, buckets: Sequence[Bucket], mails: Sequence[Sequence[int]]) -> list[float]:
        paces = [1e6 * seconds for bucket in buckets for seconds in _pace(bucket)]
        drawn = [" ".join(str(place + 1) for place in mail) for mail in mails]
        keys = [f"digest:rate:{bucket.name}" for bucket in buckets]
        waits: list[int] = self._script(keys=keys, args=[1e6 * LINE_SECONDS, *paces, *drawn])
        return [wait / 1e6 for wait in waits]

    def _tell(self, problem: Exception) -> None:
        if self._now() >= self._tell_at:
            self._tell_at = self._now() + _TELL_AGAIN_SECONDS
            log.warning("no Redis: each worker keeps to the sending rates by itself", problem=str(problem))
