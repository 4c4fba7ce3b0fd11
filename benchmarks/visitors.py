"""Visitors of a site, as a process: requests over connections that are kept open, one after another on each.

Takes a JSON document on stdin, the fields of Visits, and prints another, those of Seen.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from digest.run.processes import LOOPBACK

_HEADERS = (
    "Host: papers.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\r\n"
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\n"
)
_FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
_PATIENCE = 30.0  # seconds for the answers that are missing at the end
_LONGEST = 600.0  # seconds, where none are given
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Visits:
    """The requests to make: `once` each path in turn, else paths drawn uniformly for so many seconds."""

    port: int
    paths: list[str]
    seconds: float = 0.0
    connections: int = 16
    once: bool = False
    count: int = 0  # requests after which to stop; 0 for no limit
    form: str = ""  # posted to each path
    seed: int = 1
    moved: list[str] = field(default_factory=list)  # paths whose right answer is 303; that of all others is 2xx


@dataclass(frozen=True)
class Seen:
    """The results. No answer is an error, and so is one with another status than its path has."""

    answers: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds if self.seconds else 0.0


def visit(visits: Visits) -> Seen:
    """Make the visits from a process of their own."""
    command = [sys.executable, "-m", "benchmarks.visitors"]
    run = subprocess.run(
        command,
        input=json.dumps(asdict(visits)).encode(),
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return Seen(**json.loads(run.stdout))


@dataclass
class _Tally:
    requests: Iterator[tuple[bytes, bool]]  # with whether it is answered by 303
    ends_at: float
    times: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    errors: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    def note(self, status: int, has_moved: bool, took: float) -> None:
        self.last_at = time.perf_counter()
        self.times.append(took)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.errors += not (status == 303 if has_moved else 200 <= status < 300)


class _Visitor(asyncio.Protocol):
    """One connection. A connection that the server closes between two answers is opened again."""

    def __init__(self, tally: _Tally, done: "asyncio.Future[bool]") -> None:
        self._tally = tally
        self._done = done
        self._head = b""
        self._missing = -1  # bytes of the body; -1 before the end of the head
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        wanted = next(self._tally.requests, None) if time.perf_counter() < self._tally.ends_at else None
        if wanted is None:
            self._end(True)
            return
        self._waits, self._sent_at = True, time.perf_counter()
        self._tally.first_at = self._tally.first_at or self._sent_at
        request, self._has_moved = wanted
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            head, end, data = (self._head + data).partition(_END_OF_HEAD)
            if not end:
                self._head = head
                return
            lines = head.lower()
            self._status, self._head = int(head[9:12]), b""
            self._missing = int(lines.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
        self._missing -= len(data)
        if self._missing <= 0:
            self._tally.note(self._status, self._has_moved, time.perf_counter() - self._sent_at)
            self._missing, self._waits = -1, False
            self._ask()

    def connection_lost(self, _problem: Exception | None) -> None:
        if self._waits:
            self._tally.errors += 1
        self._end(False)

    def _end(self, finished: bool) -> None:
        if not self._done.done():
            self._done.set_result(finished)


def _requests(visits: Visits) -> Iterator[tuple[bytes, bool]]:
    method, body = ("POST", visits.form) if visits.form else ("GET", "")
    head = f"{_FORM}Content-Length: {len(body)}\r\n" if body else ""
    moved = frozenset(visits.moved)
    made = [
        (f"{method} {path} HTTP/1.1\r\n{_HEADERS}{head}\r\n{body}".encode(), path in moved) for path in visits.paths
    ]
    limit = visits.count or sys.maxsize
    if visits.once:
        yield from made[:limit]
        return
    choose = random.Random(visits.seed).choice
    for _ in range(limit):
        yield choose(made)


async def _connection(port: int, tally: _Tally) -> None:
    """One visitor, who comes back when the connection is closed."""
    loop, refused = asyncio.get_running_loop(), 0
    while time.perf_counter() < tally.ends_at and refused < 50:
        done: asyncio.Future[bool] = loop.create_future()
        try:
            transport, _ = await loop.create_connection(lambda done=done: _Visitor(tally, done), LOOPBACK, port)  # type: ignore[misc]
        except OSError:
            tally.errors, refused = tally.errors + 1, refused + 1
            await asyncio.sleep(0.05)
            continue
        finished = await done
        transport.abort()
        if finished:
            return


async def _all(visits: Visits) -> Seen:
    tally = _Tally(_requests(visits), time.perf_counter() + (visits.seconds or _LONGEST))
    tasks = deque(asyncio.create_task(_connection(visits.port, tally)) for _ in range(visits.connections))
    _done, waiting = await asyncio.wait(tasks, timeout=(visits.seconds or _LONGEST) + _PATIENCE)
    for task in waiting:
        task.cancel()
    times = sorted(tally.times) or [0.0]
    return Seen(
        answers=len(tally.times),
        errors=tally.errors + len(waiting),
        seconds=max(tally.last_at - tally.first_at, 1e-6),
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[min(len(times) - 1, int(len(times) * 0.99))] * 1000,
        statuses={str(status): count for status, count in sorted(tally.statuses.items())},
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_all(Visits(**json.load(sys.stdin)))))))
