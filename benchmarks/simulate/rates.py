"""The sending rates of a simulated installation: what the script of digest/mail/throttle/rates.py does in Redis."""

from collections.abc import Callable, Sequence

from digest.mail.throttle.rates import BURST_SECONDS, QUEUE_SECONDS, Bucket, Rates


class SimulatedRedis:
    """The buckets of all processes; a restart empties them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.full: dict[str, float] = {}
        self.line: dict[str, float] = {}

    def flush(self) -> None:
        self.full.clear()
        self.line.clear()


class SimulatedRates(Rates):
    """One process's view of them."""

    def __init__(self, server: SimulatedRedis) -> None:
        super().__init__("", server.now)
        self._server = server

    def _take(self, buckets: Sequence[Bucket], messages: Sequence[Sequence[int]]) -> list[float]:
        now, full, line = self._server.now(), self._server.full, self._server.line
        waiting = dict.fromkeys(range(len(buckets)), 0)
        waits = []
        for message in messages:
            late = [index for index in message if full.get(buckets[index].name, now) - _ahead(buckets[index]) > now]
            for index in late:
                bucket, waiting[index] = buckets[index], waiting[index] + 1
                soon = full[bucket.name] - _ahead(bucket) + (waiting[index] - 1) / bucket.rate
                if soon > now + bucket.patience:
                    soon = max(line.get(bucket.name, now), full[bucket.name] - _ahead(bucket), now + bucket.patience)
                    if soon > now + QUEUE_SECONDS:
                        soon = now + QUEUE_SECONDS / 2
                    line[bucket.name] = soon + 1 / bucket.rate
                waits.append(soon - now)
                break
            else:
                for index in message:
                    bucket = buckets[index]
                    full[bucket.name] = max(full.get(bucket.name, now), now) + 1 / bucket.rate
                waits.append(0.0)
        return waits


def _ahead(bucket: Bucket) -> float:
    return max(BURST_SECONDS - 1 / bucket.rate, 0.0)
