"""The rate of a worker process and the time since its last work, for its heartbeats."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from digest.mail.delivery.worker import DeliveryWorker

_PERIOD_SECONDS = 60.0


class WorkRate:
    """Called with each heartbeat: the messages a second that were accepted within the last minute."""

    def __init__(
        self, worker: Callable[[], DeliveryWorker | None], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker = worker
        self._seconds = seconds
        self._counts: deque[tuple[float, int]] = deque([(seconds(), 0)])

    def __call__(self) -> dict[str, Any]:
        worker, now = self._worker(), self._seconds()
        accepted = worker.accepted if worker else 0
        while len(self._counts) > 1 and self._counts[1][0] <= now - _PERIOD_SECONDS:
            self._counts.popleft()
        since, before = self._counts[0]
        self._counts.append((now, accepted))
        rate = (accepted - before) / (now - since) if now > since else 0.0
        idle = now - worker.worked_at if worker and worker.worked_at is not None else None
        return {"accepted": accepted, "rate": rate, "idle_seconds": idle}
