"""Sending rates that all workers share: token buckets in Redis. Not for several threads.

A bucket holds the messages of one second (at least one). A message that has to wait longer than the bucket's patience
gets its turn in a queue, so that requeued messages do not return all at once. If Redis loses its data, one more
bucketful is sent; while it does not answer, what draws on a rate waits.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from digest import machine_clock

log = structlog.get_logger()

BURST_SECONDS = 1.0
# Turns are given out this far ahead; the rest is spread over the second half, and asks again then.
QUEUE_SECONDS = 300.0
WAIT_WITHOUT_REDIS = 30.0
_TIMEOUT_SECONDS = 1.0
_RECONNECT_SECONDS = 5.0
_LOG_SECONDS = 60.0
_NOWHERE = "redis://127.0.0.1:0"  # nothing can listen there: without an address Redis is always away

# In microseconds of the server's clock. `full`: when the bucket is full again (GCRA's theoretical arrival time);
# `line`: the next turn in the queue. KEYS: buckets; ARGV: the length of the queue, for each bucket the time between two
# messages, how far a burst may be ahead of that and the patience, then the buckets of each message, as "1 3".
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local line_length = tonumber(ARGV[1])
local every, ahead, patience, full, line, waiting = {}, {}, {}, {}, {}, {}
for i, key in ipairs(KEYS) do
    every[i], ahead[i], patience[i] = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
    local a, b = string.match(redis.call('GET', key) or '', '(%d+) (%d+)')
    full[i], line[i], waiting[i] = tonumber(a or now), tonumber(b or now), 0
end

local function turn(i)
    local soon = full[i] - ahead[i] + waiting[i] * every[i]
    waiting[i] = waiting[i] + 1
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


class Bucket(NamedTuple):
    """A rate that all workers keep together."""

    name: str
    rate: float  # messages a second
    patience: float = 0.0  # seconds that a message may wait with its worker and ask again


class Rates:
    """The buckets of one process, one round trip per window."""

    def __init__(self, redis_url: str, now: Callable[[], float] | None = None) -> None:
        self._client = redis.Redis.from_url(
            redis_url or _NOWHERE,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._client.register_script(SCRIPT)
        self._now = now or machine_clock.monotonic
        self._reconnect_at = self._log_at = float("-inf")

    @property
    def is_away(self) -> bool:
        """True if Redis did not answer a moment ago."""
        return self._now() < self._reconnect_at

    def take(self, buckets: Sequence[Bucket], messages: Sequence[Sequence[int]]) -> list[float]:
        """Seconds that each message has to wait; 0 = it may go now.

        A message names the buckets that it draws on by their index, and goes when none of them is empty.
        """
        if not self.is_away:
            try:
                return self._take(buckets, messages)
            except (redis.RedisError, OSError) as problem:
                self._reconnect_at = self._now() + _RECONNECT_SECONDS
                if self._now() >= self._log_at:
                    self._log_at = self._now() + _LOG_SECONDS
                    log.warning("Redis does not answer: messages with a sending rate wait", problem=str(problem))
        return [WAIT_WITHOUT_REDIS] * len(messages)

    def close(self) -> None:
        self._client.close()

    def _take(self, buckets: Sequence[Bucket], messages: Sequence[Sequence[int]]) -> list[float]:
        paces = [1e6 * seconds for bucket in buckets for seconds in _pace(bucket)]
        draws = [" ".join(str(index + 1) for index in indexes) for indexes in messages]
        keys = [f"digest:rate:{bucket.name}" for bucket in buckets]
        waits: list[int] = self._script(keys=keys, args=[1e6 * QUEUE_SECONDS, *paces, *draws])
        return [wait / 1e6 for wait in waits]


def _pace(bucket: Bucket) -> tuple[float, float, float]:
    """Seconds between two messages, how far ahead of that a burst may be, and the patience."""
    every = 1 / bucket.rate
    return every, max(BURST_SECONDS - every, 0.0), bucket.patience
