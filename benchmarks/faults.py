"""Counts lost and doubled messages while workers, Redis or PostgreSQL are killed, from the mail server's log.

`python -m benchmarks.faults [--kills N] [--mails M] [--policy resend|hold] [--fault kill|flush|redis|postgres|…]`.
`stop` halts a worker for ten seconds (SIGSTOP); `random` is another of these faults each time, by `--seed`.
PostgreSQL with fsync, Valkey, two `digest worker` with their pools and a scheduler are all real, and restarted when
they end, as by a supervisor. Kills (SIGKILL) hit worker parents and pool processes in turn, spread over the whole
run, for which the mail server is slowed down. `extra_bound` is the sum, over the kills, of the connections
to the mail server that the killed processes had open. Exit code 1 if a promise is broken.
"""

import argparse
import json
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg

from benchmarks.checked_run import addresses_of
from benchmarks.command import command, run
from benchmarks.installation import Installation, RecordingProcess, own_folder, progress, settings
from benchmarks.proc import connections_to, memory_mb
from benchmarks.report import Report, read_log, report_on
from benchmarks.servers import Postgres, running_postgres
from benchmarks.timed import publish
from benchmarks.world import SECRET, make_world
from tests.support.servers import BrokerProcess, empty, own_broker

EACH = ("kill", "flush", "redis", "postgres", "stop")
FAULTS = (*EACH, "random", "none")
_STOPPED_SECONDS = 10.0
_MOST_GROWTH = 1.1  # of the workers' memory, from the first third of the run to the last
_WORKERS = 2  # `digest worker`
_PROCESSES = 2  # of the pool of each
_TICK = 0.05  # seconds
_STILL = 10.0  # after so many seconds without a message, the rest must be waiting for a retry


def main() -> None:
    """Run the benchmark and print what it measured."""
    run(_arguments(), _measure, _keeps_the_promise)


def _arguments() -> argparse.Namespace:
    parser = command("faults", __doc__)
    parser.add_argument("--kills", type=int, default=20, help="how often the fault happens (20)")
    parser.add_argument("--mails", type=int, default=10_000, help="mails of the issue, one for each subscriber (10000)")
    parser.add_argument("--policy", choices=("resend", "hold"), default="resend", help="DIGEST_IN_DOUBT (resend)")
    parser.add_argument("--fault", choices=FAULTS, default="kill", help="what happens (kill)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices (1)")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="at least so long between two (1)")
    parser.add_argument(
        "--down", type=float, default=3.0, help="seconds until Redis or PostgreSQL is started again (3)"
    )
    parser.add_argument(
        "--connections", type=int, default=4, help="of each process of a pool; there are 4 of those (4)"
    )
    parser.add_argument("--reset", type=float, default=0.0, help="share of the mails taken but answered by a reset (0)")
    parser.add_argument("--sweep", type=int, default=2, help="DIGEST_SWEEP_SECONDS (2)")
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds without a mail until the run is ended (120)"
    )
    options = parser.parse_args()
    if options.fault == "none":
        options.kills = 0
    return options


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(options.keep))
        postgres = stack.enter_context(running_postgres())
        broker = stack.enter_context(own_broker())
        today = datetime.now(UTC).date()
        database = postgres.make("world")
        progress(f"making a world of {options.mails} subscribers")
        make_world(database, options.mails, today)
        server = RecordingProcess(folder, delay=_delay(options), reset=options.reset)
        stack.callback(server.stop)
        others = {
            "in_doubt": options.policy,
            "worker_processes": _PROCESSES,
            "smtp_connections": options.connections,
            "sweep_seconds": options.sweep,
        }
        chosen = settings(folder, database, broker.url, server.port, **others)
        installation = Installation(folder, chosen, may_jump=bool(options.reset))
        stack.callback(installation.stop)
        publish(installation, today)
        for name in (*(f"worker-{number}" for number in range(_WORKERS)), "scheduler"):
            installation.start(name, name.partition("-")[0])
        injector = FaultInjector(installation, postgres, broker, server.port, options.down, options.seed)
        issue = _Run(options, installation, server, injector)
        issue.go()
        audit = json.loads(installation.digest("audit", "--issue", str(today), "--json"))
        installation.stop()
        log = report_on(list(read_log(server.log)), addresses_of(options.mails), [SECRET.encode()])
        return _results(options, log, issue, installation) | {"unexplained": audit["unexplained"]}


def _delay(options: argparse.Namespace) -> float:
    """The delay of each reply in seconds, so that the issue lasts for all the kills."""
    connections = _WORKERS * _PROCESSES * options.connections
    return float(options.kills * options.every * connections / options.mails)


class FaultInjector:
    """Causes faults in an installation that sends to `port`; servers stay down for `down` seconds."""

    def __init__(
        self, installation: Installation, postgres: Postgres, broker: BrokerProcess, port: int, down: float, seed: int
    ) -> None:
        self._installation = installation
        self._postgres = postgres
        self._broker = broker
        self._port = port
        self._down = down
        self._random = random.Random(seed)
        self._parent_next = True

    def faults(self) -> dict[str, Callable[[], int]]:
        """Each fault, as a call that causes it and returns how many duplicates it may cause."""
        return {
            "kill": self._kill,
            "flush": self._flush,
            "redis": self._redis,
            "postgres": self._kill_postgres,
            "stop": self._stop,
            "random": self._any,
        }

    def _kill(self) -> int:
        """Send SIGKILL to the parent and to a pool process of a busy worker, in turn."""
        busy = {
            parent: busy_pool
            for parent, pool in self._installation.workers().items()
            if (busy_pool := [pid for pid in pool if connections_to(self._port, pid)])
        }
        if not busy:
            return -1  # no process has a connection at present
        parent = self._random.choice(sorted(busy))
        if self._parent_next:  # its pool dies with it
            victim, connections = parent, connections_to(self._port, parent, *busy[parent])
        else:
            victim = self._random.choice(sorted(busy[parent]))
            connections = connections_to(self._port, victim)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        self._parent_next = not self._parent_next
        return connections

    def _any(self) -> int:
        return self.faults()[self._random.choice(EACH)]()

    def _stop(self) -> int:
        """Halt a worker with its pool, whose messages may meanwhile be given up and sent by another."""
        workers = self._installation.workers()
        parent = self._random.choice(sorted(workers))
        connections = connections_to(self._port, parent, *workers[parent])
        for number, pause in ((signal.SIGSTOP, _STOPPED_SECONDS), (signal.SIGCONT, 0.0)):
            for pid in (parent, *workers[parent]):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(pause)
        return connections

    def _flush(self) -> int:
        empty(self._broker.url)
        return 0

    def _redis(self) -> int:
        self._broker.kill()
        time.sleep(self._down)
        self._broker.start()
        return 0

    def _kill_postgres(self) -> int:
        pools = [pid for pool in self._installation.workers().values() for pid in pool]
        connections = connections_to(self._port, *pools)
        self._postgres.kill()
        time.sleep(self._down)
        self._postgres.start()
        return connections


class _Run:
    """One issue, with faults while it is sent."""

    def __init__(
        self, options: argparse.Namespace, installation: Installation, server: RecordingProcess, injector: FaultInjector
    ) -> None:
        self._options = options
        self._installation = installation
        self._server = server
        self._cause_fault = injector.faults().get(options.fault, lambda: 0)
        self.done = 0  # faults
        self.bound = 0  # the most extra copies that they may have caused
        self.seconds = 0.0
        self._memory: list[float] = []  # of the largest process of the workers in MB, at each tick

    @property
    def growth(self) -> float:
        """The ratio of the workers' memory in the last third of the run to that in the first."""
        third = max(1, len(self._memory) // 3)
        return round(max(self._memory[-third:], default=0.0) / max(1.0, *self._memory[:third]), 3)

    def go(self) -> None:
        """Wait until the ledger is finished or nothing is sent any more."""
        began = last_move = last_fault = time.monotonic()
        taken = 0
        self._installation.hint(self._options.mails)
        while time.monotonic() - last_move < self._options.patience:
            time.sleep(_TICK)
            self._installation.tend()
            self._memory.append(max((memory_mb(pid)[0] for pid in self._pools()), default=0.0))
            if (now_taken := self._server.taken()) > taken:
                taken, last_move = now_taken, time.monotonic()
            if self.done < self._options.kills:
                if self._is_time(taken) and time.monotonic() - last_fault >= self._options.every:
                    last_fault = self._inject(taken)
            elif taken >= self._options.mails // 2 and not self._is_busy():
                break
            elif self._options.reset and time.monotonic() - last_move > _STILL:
                # Messages answered by a reset rightly wait for minutes: the clocks are moved instead.
                self._installation.jump(minutes=20)
                last_move = time.monotonic()
        self.seconds = round(time.monotonic() - began, 1)

    def _pools(self) -> list[int]:
        return [pid for pool in self._installation.workers().values() for pid in pool]

    def _is_time(self, taken: int) -> bool:
        """Faults are spread over the issue, so that the last one also comes before its end."""
        return bool(taken >= self._options.mails * (self.done + 0.5) / (self._options.kills + 1))

    def _inject(self, taken: int) -> float:
        may_double = self._cause_fault()
        if may_double >= 0:
            self.done += 1
            self.bound += may_double
            progress(f"{self._options.fault} {self.done} of {self._options.kills} after {taken} mails")
        if self.done == self._options.kills:
            self._server.hurry()
        return time.monotonic()

    def _is_busy(self) -> bool:
        try:
            return self._installation.is_busy(held=self._options.policy == "hold")
        except psycopg.OperationalError:
            return True  # the database is still starting


def _results(options: argparse.Namespace, log: Report, issue: _Run, installation: Installation) -> dict[str, Any]:
    in_doubt, states = installation.in_doubt(), installation.states()
    return {
        "kills": issue.done,
        "mails": options.mails,
        # A delivery that the ledger reports as uncertain is not lost: an operator decides.
        "lost": len(set(log.lost_subscribers) - in_doubt),
        "extra": log.extra,
        "extra_bound": issue.bound + log.resets if options.policy == "resend" else 0,
        "different_bytes": log.different_bytes,
        "wrong_recipient": log.wrong_recipient,
        "shared_message_ids": log.shared_message_ids,
        "most_copies": log.most_copies,
        "in_doubt": len(in_doubt),
        "in_doubt_bound": issue.bound + log.resets if options.policy == "hold" else 0,
        "fault": options.fault,
        "policy": options.policy,
        "resets": log.resets,
        "seconds": issue.seconds,
        "longest_stall": log.longest_stall,
        "memory_growth": issue.growth,
        "ledger": states,
    }


def _keeps_the_promise(results: dict[str, Any]) -> bool:
    """True if every subscriber has a message, only messages on the wire were copied, and nothing is left to send."""
    nothing = ("lost", "different_bytes", "wrong_recipient", "shared_message_ids", "unexplained")
    within = ("extra", "in_doubt")
    return (
        not any(results[name] for name in nothing)
        and all(results[name] <= results[f"{name}_bound"] for name in within)
        and (results["fault"] != "random" or results["memory_growth"] < _MOST_GROWTH)
        and set(results["ledger"]) <= {"accepted", "uncertain"}
    )


if __name__ == "__main__":
    main()
