"""Measures how long an issue takes during a flood of invented sign-ups, and how long other people wait to sign up.

`python -m benchmarks.flood [--subscribers N] [--sign-ups N] [--networks N] [--limit N] [--json]`: PostgreSQL, Valkey,
Celery workers, the scheduler and the pages, all real. An issue goes out at `--rate` messages a second, first alone, and
then while every sign-up names another address over HTTP, from clients of a few networks (X-Forwarded-For), spread over
the time that the issue took alone. People from 20 other networks open the page, wait and sign up. Accepted messages are
counted in the log of the recording mail server.
"""

import argparse
import http.client
import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from benchmarks.command import Results, command, run
from benchmarks.installation import Installation, RecordingProcess, own_folder, progress, settings
from benchmarks.report import read_log
from benchmarks.servers import Postgres, running_postgres
from benchmarks.timed import publish, wait
from benchmarks.world import add_papers, add_subscribers
from digest.database.engine import connect
from digest.run import processes
from tests.support.servers import own_broker

PEOPLE = 20
MOST_RATIO, MOST_MS, MOST_MB = 1.3, 300.0, 5.0
_CONNECTIONS = 8  # of the flood
_HOSTS = 200  # of a network
_MAIL_SECONDS = 120.0  # after the issue, for the messages of people
_FORM_TIME = re.compile(rb'name="made" value="([^"]*)"')
_MEGABYTE = 1_000_000


def main() -> None:
    """Run the benchmark and print what it measured."""
    parser = command("flood", __doc__)
    parser.add_argument("--subscribers", type=int, default=1000, help="subscribers of the issue (1000)")
    parser.add_argument("--sign-ups", type=int, default=10_000, help="invented sign-ups (10000)")
    parser.add_argument("--networks", type=int, default=1, help="networks (/24) that they come from (1)")
    parser.add_argument("--limit", type=int, default=100, help="messages an hour that people may ask for (100)")
    parser.add_argument("--rate", type=float, default=20, help="messages a second (20)")
    run(parser.parse_args(), _measure, _keeps_the_promise)


def _keeps_the_promise(results: Results) -> bool:
    is_issue_fast = results["ratio"] <= MOST_RATIO and not (results["lost"] or results["extra"])
    are_people_served = results["people_with_mail"] == PEOPLE and results["people_p99_ms"] <= MOST_MS
    is_small = results["mails_to_strangers"] <= results["limit"] and results["database_growth_mb"] <= MOST_MB
    return is_issue_fast and are_people_served and is_small


@dataclass(frozen=True, slots=True)
class FloodSetup:
    """What both runs share."""

    folder: Path
    postgres: Postgres
    broker: str
    options: argparse.Namespace


@dataclass(slots=True)
class FloodRun:
    """What one run measured."""

    seconds: float = 0.0  # of the issue
    database_mb: float = 0.0
    arrived: Counter[str] = field(default_factory=Counter)  # messages by recipient
    replies: Counter[int] = field(default_factory=Counter)  # to the flood, by status
    people_ms: list[float] = field(default_factory=list)


def _measure(options: argparse.Namespace) -> Results:
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(options.keep))
        postgres = stack.enter_context(running_postgres())
        broker = stack.enter_context(own_broker())
        setup = FloodSetup(folder, postgres, broker.url, options)
        today = datetime.now(UTC).date()
        world = postgres.make("world")
        engine = connect(world)
        add_papers(engine, today)
        engine.dispose()
        add_subscribers(world, range(1, options.subscribers + 1), today)
        alone = _run(setup, "alone", 0.0)
        progress(f"alone the issue took {alone.seconds:.1f} s")
        flooded = _run(setup, "flooded", alone.seconds)
    return _results(options, alone, flooded)


def _results(options: argparse.Namespace, alone: FloodRun, flooded: FloodRun) -> Results:
    people, slowest = set(map(_person, range(PEOPLE))), sorted(flooded.people_ms)
    to_issue = {name: count for name, count in flooded.arrived.items() if name.startswith("reader")}
    strangers = sum(count for name, count in flooded.arrived.items() if name.startswith("stranger"))
    return {
        "alone_seconds": round(alone.seconds, 1),
        "seconds": round(flooded.seconds, 1),
        "ratio": round(flooded.seconds / alone.seconds, 3),
        "lost": options.subscribers - len(to_issue),
        "extra": sum(to_issue.values()) - len(to_issue),
        "limit": options.limit,
        "mails_to_strangers": strangers,
        "people": PEOPLE,
        "people_with_mail": len(people & flooded.arrived.keys()),
        "people_p99_ms": round(slowest[-1] if slowest else 0.0, 1),
        "database_growth_mb": round(flooded.database_mb - alone.database_mb, 2),
        "replies": {str(status): count for status, count in sorted(flooded.replies.items())},
    }


def _run(setup: FloodSetup, name: str, flood_seconds: float) -> FloodRun:
    """Deliver the issue, with a flood that lasts so long unless that is 0."""
    database = setup.postgres.make(name, "world")
    with _installation(setup, name, database) as (installation, server):
        publish(installation, datetime.now(UTC).date())
        result = FloodRun()
        threads = list(_flood(setup.options, installation, flood_seconds, result)) if flood_seconds else []
        began = time.monotonic()
        for thread in threads:
            thread.start()
        installation.hint(setup.options.subscribers)
        wait(installation, setup.options.subscribers)
        result.seconds = time.monotonic() - began
        for thread in threads:
            thread.join()
        if threads:
            processes.wait_until(lambda: _all_people(server) == PEOPLE, seconds=_MAIL_SECONDS)
        result.arrived = Counter(line.recipients for line in read_log(server.log))
        result.database_mb = _size(database)
    return result


@contextmanager
def _installation(setup: FloodSetup, name: str, database: str) -> Iterator[tuple[Installation, RecordingProcess]]:
    folder, port = setup.folder / name, processes.free_port()
    folder.mkdir()
    server = RecordingProcess(folder)
    others = {
        "web_port": port,
        "public_url": f"http://{processes.LOOPBACK}:{port}",
        "forwarded_allow_ips": processes.LOOPBACK,
        "requested_per_hour": setup.options.limit,
        "smtp_rate": setup.options.rate,
        "worker_processes": 1,
        "log_level": "warning",
    }
    installation = Installation(folder, settings(folder, database, setup.broker, server.port, **others))
    try:
        for part in ("web", "worker", "scheduler"):
            installation.start(part, part)
        if not processes.wait_until(lambda: processes.answers(port), seconds=90):
            raise RuntimeError(f"the pages do not start: {(folder / 'web.log').read_text()[-500:]}")
        time.sleep(3)  # the workers start as well
        yield installation, server
    finally:
        installation.stop()
        server.stop()


def _size(database: str) -> float:
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return float(row[0]) / _MEGABYTE if row else 0.0


# --- who signs up ---


def _flood(
    options: argparse.Namespace, installation: Installation, seconds: float, result: FloodRun
) -> Iterator[threading.Thread]:
    """The threads of the flood, and one of the people."""
    port, count = int(installation.settings["web_port"]), int(options.sign_ups)
    numbers = itertools.count()
    until = time.monotonic() + seconds

    def invent() -> None:
        client = Visitor(port, "10.0.0.1")
        made, start = client.form_time(), until - seconds
        while (number := next(numbers)) < count:
            time.sleep(max(0.0, start + seconds * number / count - time.monotonic()))
            client.address = f"10.{number % options.networks}.0.{number // options.networks % _HOSTS + 1}"
            result.replies[client.sign_up(f"stranger{number}@invented{number % 1000}.example", made)] += 1

    def people() -> None:
        for number in range(PEOPLE):
            time.sleep(seconds / (PEOPLE + 2) / 2)
            client = Visitor(port, f"172.{16 + number // 2}.{number}.7")
            made = client.form_time()
            time.sleep(max(2.0, seconds / (PEOPLE + 2) / 2))
            began = time.monotonic()
            client.sign_up(_person(number), made)
            result.people_ms.append(1000 * (time.monotonic() - began))

    yield from (threading.Thread(target=invent) for _ in range(_CONNECTIONS if count else 0))
    yield threading.Thread(target=people)


def _person(number: int) -> str:
    return f"person{number}@lab{number}.example"


def _all_people(server: RecordingProcess) -> int:
    return len({line.recipients for line in read_log(server.log) if line.recipients.startswith("person")})


class Visitor:
    """A client behind a proxy, which keeps its connection open."""

    def __init__(self, port: int, address: str) -> None:
        self.address = address
        self._port = port
        self._connection = http.client.HTTPConnection(processes.LOOPBACK, port, timeout=60)

    def form_time(self) -> str:
        """The hidden time of the form on the front page; "" if it has none."""
        match = _FORM_TIME.search(self._ask("GET", "/")[1])
        time.sleep(1.1 if match else 0)  # a form that comes back at once is shown again
        return match[1].decode() if match else ""

    def sign_up(self, address: str, made: str) -> int:
        """Returns the status of the answer."""
        return self._ask("POST", "/subscribe", {"email": address, "made": made})[0]

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, bytes]:
        headers = {"X-Forwarded-For": self.address, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            self._connection.request(method, path, urlencode(form or {}) if form else None, headers)
            reply = self._connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, b""


if __name__ == "__main__":
    main()
