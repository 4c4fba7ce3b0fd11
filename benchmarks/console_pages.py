"""The time that each page of the console takes in a web process that runs."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from urllib.parse import urlsplit

from benchmarks.command import Results
from benchmarks.installation import Installation
from digest.ledger.kinds import IssueKind, Listing
from digest.run import processes

_REQUESTS = 20  # of each page, after one that is not measured


def paths(today: date, earlier: date, subscriber: int) -> list[str]:
    """Each page, those of an issue for two issues, with each of its listings."""
    issues = [f"/issues/{day}/{IssueKind.DAILY}" for day in (today, earlier)]
    people = ("", "?q=subscriber5", f"?q=subscriber{subscriber}@example.org", f"/{subscriber}")
    return [
        *("", "/issues", "/suppressions", "/sources", "/settings", "/log", "/days", "/waiting", "/domains", "/growth"),
        *("/bounces", "/bounces?about=address", "/bounces?domain=example.org", "/bounces?domain=rare.example"),
        *("/next", "/notices", "/templates", "/webhooks", "/api-tokens"),
        *(f"/subscribers{which}" for which in people),
        *(f"{issue}{part}" for issue in issues for part in ("", "/cancel", "/withdraw", "/retry/uncertain")),
        *(f"{issue}?show={listing}" for issue in issues for listing in Listing),
    ]


@contextmanager
def console(installation: Installation) -> Iterator["Console"]:
    """Someone who is signed in to the console of this installation, whose web process is started."""
    port = int(installation.settings["web_port"])
    installation.start("web", "web")
    try:
        if not processes.wait_until(lambda: processes.answers(port), seconds=120):
            raise RuntimeError("the web process does not answer")
        yield Console(installation, port)
    finally:
        installation.end("web")


class Console:
    """A browser's connection."""

    def __init__(self, installation: Installation, port: int) -> None:
        self._connection = http.client.HTTPConnection(processes.LOOPBACK, port)
        link = json.loads(installation.digest("console", "link", "--operator", "bench", "--json"))["link"]
        self._connection.request("POST", urlsplit(link).path, headers={"Content-Length": "0"})
        answer = self._connection.getresponse()
        answer.read()
        self._cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]

    def measure(self, paths: list[str]) -> Results:
        """The p95 of each page, in seconds."""
        return {path or "/": round(self._p95(path), 3) for path in paths}

    def _p95(self, path: str) -> float:
        times = sorted([self._seconds(path) for _ in range(_REQUESTS + 1)][1:])
        return times[int(len(times) * 0.95) - 1]

    def _seconds(self, path: str) -> float:
        began = time.perf_counter()
        self._connection.request("GET", f"/console{path}", headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status} after {time.perf_counter() - began:.1f} s")
        return time.perf_counter() - began
