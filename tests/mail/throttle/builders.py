"""Rates on a real Redis whose clock a test moves."""

from digest.mail.throttle.rates import SCRIPT, Rates


class Clock:
    at = 1000.0

    def __call__(self):
        return self.at


class TimedRates(Rates):
    """The script reads a time that the test has set, and keys stay."""

    def __init__(self, redis_url, clock):
        super().__init__(redis_url, clock)
        script = SCRIPT.replace("redis.call('TIME')", "{0, redis.call('GET', 'test:now')}")
        script = script.replace(", 'PX', math.ceil(keep / 1000) + 1000", "")
        self._script = self._client.register_script(script)

    def take(self, buckets, messages):
        self._client.set("test:now", round(self._now() * 1e6))
        return super().take(buckets, messages)
