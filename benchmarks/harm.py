"""The faults that a run can suffer, and how many mails each may double at the most."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from benchmarks.installation import Installation
from benchmarks.proc import connections_to
from benchmarks.servers import Broker, Postgres

FAULTS = ("kill", "flush", "redis", "postgres", "none")


class Harm:
    """Does harm to an installation that sends to the mail server on `port`; servers stay away for `down` seconds."""

    def __init__(
        self, installation: Installation, postgres: Postgres, broker: Broker, port: int, down: float = 0.0
    ) -> None:
        self._installation = installation
        self._postgres = postgres
        self._broker = broker
        self._port = port
        self._down = down
        self._dice = random.Random(1)
        self._parent_next = True

    def kinds(self) -> dict[str, Callable[[], int]]:
        """Each fault does its harm, and returns how many copies too many it may cause."""
        return {"kill": self._kill, "flush": self._flush, "redis": self._redis, "postgres": self._kill_postgres}

    def _kill(self) -> int:
        """SIGKILL to the parent or a process of the pool of a worker that is at work, in turn."""
        working = {
            parent: at_work
            for parent, pool in self._installation.workers().items()
            if (at_work := [pid for pid in pool if connections_to(self._port, pid)])
        }
        if not working:
            return -1  # nobody has a connection at present
        parent = self._dice.choice(sorted(working))
        if self._parent_next:  # its pool dies with it
            victim, open_then = parent, connections_to(self._port, parent, *working[parent])
        else:
            victim = self._dice.choice(sorted(working[parent]))
            open_then = connections_to(self._port, victim)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        self._parent_next = not self._parent_next
        return open_then

    def _flush(self) -> int:
        self._broker.forget()
        return 0

    def _redis(self) -> int:
        self._broker.kill()
        time.sleep(self._down)
        self._broker.start()
        return 0

    def _kill_postgres(self) -> int:
        pools = [pid for pool in self._installation.workers().values() for pid in pool]
        open_then = connections_to(self._port, *pools)
        self._postgres.kill()
        time.sleep(self._down)
        self._postgres.start()
        return open_then
