"""Measures how soon workers obey an unsubscription, a pause, a resume and a cancellation while an issue is sent.

`python -m benchmarks.halting [--mails M] [--leave L] [--seconds S] [--watch W]`: PostgreSQL with fsync, Valkey, two
`digest worker`, a scheduler and the pages, all real. Subscribers leave by one-click (RFC 8058) just before their turn
comes. A message is late if the mail server gets it more than five seconds after the answer 200. Exit code 1 if a
promise is broken.
"""

import argparse
import http.client
import json
import random
import time
from bisect import bisect_left, bisect_right
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.command import command, run
from benchmarks.installation import Installation, RecordingProcess, own_folder, progress, settings
from benchmarks.report import LogLine, read_log
from benchmarks.servers import running_postgres
from benchmarks.timed import publish
from benchmarks.world import SECRET, address, make_world
from digest.run import processes
from digest.subscribers.tokens import Purpose, sign
from tests.support.servers import own_broker

PROMISED = 5.0  # seconds
_WORKERS, _PROCESSES, _CONNECTIONS = 2, 2, 4
_AHEAD = 3000  # a subscriber unsubscribes up to this many messages before their turn
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def main() -> None:
    """Run the benchmark and print what it measured."""
    run(_arguments(), _measure, _keeps_the_promise)


def _arguments() -> argparse.Namespace:
    parser = command("halting", __doc__)
    parser.add_argument("--mails", type=int, default=10_000, help="mails of the issue, one for each subscriber (10000)")
    parser.add_argument("--leave", type=int, default=500, help="subscribers who unsubscribe meanwhile (500)")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long the mail server would make it last (40)")
    parser.add_argument("--watch", type=float, default=PROMISED + 1, help="seconds to watch after pause and cancel (6)")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(options.keep))
        postgres = stack.enter_context(running_postgres())
        broker = stack.enter_context(own_broker())
        today = datetime.now(UTC).date()
        database = postgres.make("world")
        progress(f"making a world of {options.mails} subscribers")
        make_world(database, options.mails, today)
        slowed = options.seconds * _WORKERS * _PROCESSES * _CONNECTIONS / options.mails
        server = RecordingProcess(folder, delay=slowed)
        stack.callback(server.stop)
        port = processes.free_port()
        sizes = {"worker_processes": _PROCESSES, "smtp_connections": _CONNECTIONS}
        others = sizes | {"web_port": port, "sweep_seconds": 5}
        installation = Installation(folder, settings(folder, database, broker.url, server.port, **others))
        stack.callback(installation.stop)
        publish(installation, today)
        for name in (*(f"worker-{number}" for number in range(_WORKERS)), "scheduler", "web"):
            installation.start(name, name.partition("-")[0])
        processes.wait_until(lambda: processes.answers(port), seconds=30)
        run = _Run(options, installation, server, port)
        run.go()
        audit = json.loads(installation.digest("audit", "--issue", str(today), "--json"))
        return run.results(list(read_log(server.log)), audit)


@dataclass
class _Run:
    """One issue: subscribers unsubscribe during its first half, then it is paused, resumed and cancelled."""

    options: argparse.Namespace
    installation: Installation
    server: RecordingProcess
    port: int
    left: dict[str, float] = field(default_factory=dict)  # address → instant of the 200, seconds since 1970
    answers: list[float] = field(default_factory=list)  # seconds from the request to the 200
    began: dict[str, float] = field(default_factory=dict)  # command → instant
    ended: dict[str, float] = field(default_factory=dict)  # command → instant of its end

    def go(self) -> None:
        """Until the issue is cancelled, and nothing waits any more."""
        self.installation.hint(self.options.mails)
        self._until(1)
        self._let_them_leave()
        self._until(self.options.mails // 2)
        self.server.slow_down()  # a command takes seconds to start: the issue must not end before the last one
        self._command("pause")
        time.sleep(self.options.watch)
        self._command("resume")
        self._until(self.server.taken() + 1)
        self._command("cancel")
        time.sleep(self.options.watch)
        processes.wait_until(lambda: not self.installation.is_busy(), seconds=60, every=0.5)

    def _command(self, command: str) -> None:
        self.began[command] = time.time()
        self.installation.digest(command)
        self.ended[command] = time.time()
        progress(f"{command} after {self.server.taken()} mails")

    def _let_them_leave(self) -> None:
        """Unsubscribe one after another during the first half of the issue, each shortly before their turn."""
        chance = random.Random(1)
        pages = http.client.HTTPConnection(processes.LOOPBACK, self.port, timeout=30)
        for number in range(self.options.leave):
            due = self.options.mails // 2 * number // self.options.leave
            self._until(due)
            subscriber = min(self.server.taken() + chance.randint(1, _AHEAD), self.options.mails)
            if address(subscriber) not in self.left:
                self._leave(pages, subscriber)

    def _leave(self, pages: http.client.HTTPConnection, subscriber: int) -> None:
        token = sign(Purpose.UNSUBSCRIBE, subscriber, datetime.now(UTC), [SECRET.encode()])
        began = time.monotonic()
        pages.request("POST", f"/u/{token}", "List-Unsubscribe=One-Click", _FORM)
        answer = pages.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        self.left[address(subscriber)] = time.time()
        self.answers.append(time.monotonic() - began)

    def _until(self, mails: int) -> None:
        if not processes.wait_until(lambda: self.server.taken() >= mails, seconds=self.options.seconds * 3 + 60):
            raise RuntimeError(f"nothing moves: {self.installation.states()}")

    def results(self, log: list[LogLine], audit: dict[str, Any]) -> dict[str, Any]:
        """The results, from the mail server's log."""
        after = [line.at - self.left[line.recipients] for line in log if line.recipients in self.left]
        times = sorted(line.at for line in log)
        return {
            "mails": self.options.mails,
            "left": len(self.left),
            "mailed_after_leaving": sum(wait > 0 for wait in after),
            "latest_after_leaving": round(max([0.0, *after]), 2),
            "late": sum(wait > PROMISED for wait in after),
            "answer_p99_ms": round(sorted(self.answers)[len(self.answers) * 99 // 100] * 1000),
            "pause_seconds": _lasted(times, self.ended["pause"], self.began["resume"]),
            "resume_seconds": round(times[bisect_right(times, self.ended["resume"])] - self.ended["resume"], 2),
            "cancel_seconds": _lasted(times, self.ended["cancel"], times[-1] + 1),
            "taken": len(log),
            "extra": len(log) - len({line.recipients for line in log}),
            "unexplained": audit["unexplained"],
            "skipped": audit["skipped"],
        }


def _lasted(times: list[float], since: float, until: float) -> float:
    """Seconds from `since` to the last mail before `until`."""
    last = times[bisect_left(times, until) - 1]
    return round(max(last - since, 0.0), 2)


def _keeps_the_promise(results: dict[str, Any]) -> bool:
    soon = all(results[f"{name}_seconds"] <= PROMISED for name in ("pause", "resume", "cancel"))
    return soon and not (results["late"] or results["extra"] or results["unexplained"])


if __name__ == "__main__":
    main()
