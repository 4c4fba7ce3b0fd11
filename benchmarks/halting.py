"""Measures how soon workers obey an unsubscription, a pause, a resume and a cancellation while an issue is sent.

`python -m benchmarks.halting [--mails M] [--leave L] [--seconds S]`: PostgreSQL with fsync, Valkey, two
`digest worker`, a scheduler and the pages, all real. Subscribers use one-click unsubscribe (RFC 8058) just before their
turn. A message is late if the mail server gets it more than five seconds after the 200. Exit code 1 if a
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
    ask = command("halting", __doc__)
    ask.add_argument("--mails", type=int, default=10_000, help="messages of the issue, one per subscriber (10000)")
    ask.add_argument("--leave", type=int, default=500, help="subscribers who unsubscribe meanwhile (500)")
    ask.add_argument("--seconds", type=float, default=40.0, help="how long the mail server would make it last (40)")
    return ask.parse_args()


def _measure(asked: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(asked.keep))
        postgres = stack.enter_context(running_postgres())
        broker = stack.enter_context(own_broker())
        today = datetime.now(UTC).date()
        database = postgres.make("world")
        progress(f"making a world of {asked.mails} subscribers")
        make_world(database, asked.mails, today)
        slowed = asked.seconds * _WORKERS * _PROCESSES * _CONNECTIONS / asked.mails
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
        run = _Run(asked, installation, server, port)
        run.go()
        audit = json.loads(installation.digest("audit", "--issue", str(today), "--json"))
        return run.found(list(read_log(server.log)), audit)


@dataclass
class _Run:
    """One issue: subscribers unsubscribe during its first half, then it is paused, resumed and cancelled."""

    asked: argparse.Namespace
    installation: Installation
    server: RecordingProcess
    port: int
    left: dict[str, float] = field(default_factory=dict)  # address → instant of the 200, seconds since 1970
    answers: list[float] = field(default_factory=list)  # seconds from the request to the 200
    began: dict[str, float] = field(default_factory=dict)  # command → instant
    ended: dict[str, float] = field(default_factory=dict)  # command → instant of its end

    def go(self) -> None:
        """Run until the issue is cancelled and nothing is waiting."""
        self.installation.hint(self.asked.mails)
        self._until(1)
        self._let_them_leave()
        self._until(self.asked.mails // 2)
        self.server.slow_down()  # a command takes seconds to start: the issue must not end before the last one
        self._say("pause")
        time.sleep(PROMISED + 1)
        self._say("resume")
        self._until(self.server.taken() + 1)
        self._say("cancel")
        time.sleep(PROMISED + 1)
        processes.wait_until(lambda: not self.installation.is_busy(), seconds=60, every=0.5)

    def _say(self, command: str) -> None:
        self.began[command] = time.time()
        self.installation.digest(command)
        self.ended[command] = time.time()
        progress(f"{command} after {self.server.taken()} messages")

    def _let_them_leave(self) -> None:
        """Unsubscribe one after another during the first half of the issue, each shortly before their turn."""
        chance = random.Random(1)
        pages = http.client.HTTPConnection(processes.LOOPBACK, self.port, timeout=30)
        for number in range(self.asked.leave):
            due = self.asked.mails // 2 * number // self.asked.leave
            self._until(due)
            subscriber = min(self.server.taken() + chance.randint(1, _AHEAD), self.asked.mails)
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
        if not processes.wait_until(lambda: self.server.taken() >= mails, seconds=self.asked.seconds * 3 + 60):
            raise RuntimeError(f"nothing moves: {self.installation.states()}")

    def found(self, log: list[LogLine], audit: dict[str, Any]) -> dict[str, Any]:
        """The results, from the mail server's log."""
        after = [one.at - self.left[one.recipients] for one in log if one.recipients in self.left]
        times = sorted(one.at for one in log)
        return {
            "mails": self.asked.mails,
            "left": len(self.left),
            "mailed_after_leaving": sum(wait > 0 for wait in after),
            "latest_after_leaving": round(max([0.0, *after]), 2),
            "late": sum(wait > PROMISED for wait in after),
            "answer_p99_ms": round(sorted(self.answers)[len(self.answers) * 99 // 100] * 1000),
            "pause_seconds": _lasted(times, self.ended["pause"], self.began["resume"]),
            "resume_seconds": round(times[bisect_right(times, self.ended["resume"])] - self.ended["resume"], 2),
            "cancel_seconds": _lasted(times, self.ended["cancel"], times[-1] + 1),
            "taken": len(log),
            "extra": len(log) - len({one.recipients for one in log}),
            "unexplained": audit["unexplained"],
            "skipped": audit["skipped"],
        }


def _lasted(times: list[float], given: float, until: float) -> float:
    """Seconds from `given` to the last message before `until`."""
    last = times[bisect_left(times, until) - 1]
    return round(max(last - given, 0.0), 2)


def _keeps_the_promise(found: dict[str, Any]) -> bool:
    soon = all(found[f"{name}_seconds"] <= PROMISED for name in ("pause", "resume", "cancel"))
    return soon and not (found["late"] or found["extra"] or found["unexplained"])


if __name__ == "__main__":
    main()
