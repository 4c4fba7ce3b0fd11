"""Measures how many requests the site answers, compared with an empty FastAPI endpoint on the same server.

`python -m benchmarks.web [--papers N] [--rounds R] [--seconds S] [--processes P] [--pages A,B] [--sqlite] [--json]`

Sixteen visitors in a process of their own draw uniformly from all papers, issues, topics and 200 searches. A ratio is
the median over the rounds of requests a second divided by those of the empty endpoint just before.

- `ratios`, `p99_ms`: each page once before the first round. A new issue is cut before each measurement of its pages, so
  that the site comes to know of it meanwhile.
- `cold`: the same without memory for pages (benchmarks/cold_site.py), so that each request makes its page. It has
  answered 40 requests of the kind before, so that its connections are open and its templates compiled.
- `cpu`: the ratios of CPU time an answer, which other programs on the machine change less, and that time in ms.
- `p99_ms`, `idle` and `sending`: pages of all kinds, before an issue goes out and meanwhile; the reference's as well.
- `memory_growth`: of the processes of the site over 20,000 requests for papers, after the rounds; 0.01 is 1 %.
- `errors`: requests without an answer, and answers other than 2xx; the answer to a search for an id is 303.
"""

import argparse
import re
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.archive import Archive, paper_paths, queries, queries_for_ids
from benchmarks.command import command, run
from benchmarks.installation import Installation, RecordingProcess, own_folder, progress, settings
from benchmarks.proc import children, cpu_seconds, memory_mb
from benchmarks.servers import running_postgres
from benchmarks.timed import RoundFailed
from benchmarks.visitors import Seen, Visits, visit
from benchmarks.world import SECRET
from digest.database.migrate import migrate
from digest.papers.topics import TOPICS
from digest.run import processes
from digest.subscribers.tokens import Purpose, sign
from tests.support.servers import own_broker

# The share of the reference that each kind of page is to reach.
_KINDS = ("front", "issue", "feed", "topic", "paper", "sitemap", "search", "privacy", "static", "healthz", "one_click")
_GATES = dict.fromkeys(_KINDS, 0.5) | {"search": 0.05, "one_click": 0.25}
_ONE_CLICK_ON_SQLITE = 0.1
_COLD = 0.1
_SLOWER = 10  # p99, times the reference's
_SLOWER_WHILE_SENDING = 3  # p99, times the idle one's
_GROWTH = 0.05
_CHANGED_BY_A_CUT = ("front", "issue", "feed", "topic", "paper", "sitemap")
_MEMORY_REQUESTS = 20_000


def main() -> None:
    """Run the benchmark and print what it measured."""
    parser = command("web", __doc__)
    parser.add_argument("--papers", type=int, default=20_000, help="papers of the archive (20000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the medians are printed (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement (2)")
    parser.add_argument("--processes", type=int, default=1, help="processes of the site and of the reference (1)")
    parser.add_argument("--pages", default=",".join(_GATES), help="kinds of pages, separated by commas (all)")
    parser.add_argument("--warm-seconds", type=float, default=300, help="most seconds to fetch pages before (300)")
    parser.add_argument("--mails", type=int, default=5_000, help="messages of the issue that goes out (5000); 0: none")
    parser.add_argument("--sqlite", action="store_true", help="SQLite in place of PostgreSQL with fsync")
    options = parser.parse_args()
    run(options, _measure, lambda results: not broken_promises(results, options.sqlite))


def broken_promises(results: dict[str, Any], on_sqlite: bool) -> list[str]:
    """A line for each limit that the results miss."""
    gates = _GATES | ({"one_click": _ONE_CLICK_ON_SQLITE} if on_sqlite else {})
    ratios, cold, p99 = results["ratios"], results["cold"], results["p99_ms"]
    broken = [f"{kind}: {ratio} of {gates[kind]}" for kind, ratio in ratios.items() if ratio < gates[kind]]
    broken += [f"{kind}, cold: {ratio}" for kind, ratio in cold.items() if ratio < min(_COLD, gates[kind])]
    slowest = _SLOWER * p99["reference"]
    broken += [f"{kind}: p99 of {p99[kind]} ms" for kind in ratios if p99[kind] > slowest and kind != "search"]
    if p99.get("sending", 0) > _SLOWER_WHILE_SENDING * p99.get("idle", 0):
        broken.append(f"while an issue goes out: p99 of {p99['sending']} ms")
    if results["errors"]:
        broken.append(f"errors: {results['errors']}")
    if results["memory_growth"] >= _GROWTH:
        broken.append(f"memory growth: {results['memory_growth']}")
    progress("\n".join(f"not kept: {line}" for line in broken) or "every limit that was measured is kept")
    return broken


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    if unknown := set(options.pages.split(",")) - set(_GATES):
        raise RoundFailed(f"no such page: {', '.join(sorted(unknown))} (there are {', '.join(_GATES)})")
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(options.keep))
        if options.sqlite:
            database = f"sqlite:///{folder / 'digest.sqlite'}"
            migrate(database)
        else:
            database = stack.enter_context(running_postgres()).make("web")
        broker = stack.enter_context(own_broker())
        benchmark = _Benchmark(options, folder, database, broker.url)
        stack.callback(benchmark.stop)
        return benchmark.run()


@dataclass
class _Rates:
    """The measurements of one kind of page."""

    ratios: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[tuple[float, float]] = field(default_factory=list)  # ratio, and ms an answer


def _cpu(rates: _Rates) -> tuple[float, float]:
    """The medians of ratio and milliseconds."""
    return round(median(ratio for ratio, _ in rates.cpu), 3), round(median(ms for _, ms in rates.cpu), 2)


class _Benchmark:
    def __init__(self, options: argparse.Namespace, folder: Path, database: str, broker: str) -> None:
        self._options = options
        self._archive = Archive(database, options.papers, datetime.now(UTC).date())
        self._kinds = [kind for kind in _GATES if kind in options.pages.split(",")]
        self._mail_server = RecordingProcess(folder)
        self._port, self._reference_port = processes.free_port(), processes.free_port()
        others = {"web_port": self._port, "worker_processes": 1, "web_processes": options.processes}
        self._site = Installation(folder, settings(folder, database, broker, self._mail_server.port, **others))
        self._references: list[Seen] = []
        self._errors = 0
        self._warm = {kind: _Rates() for kind in self._kinds}
        self._cold = {kind: _Rates() for kind in self._kinds}

    def run(self) -> dict[str, Any]:
        self._fill()
        self._start_reference()
        for number in range(self._options.rounds):
            progress(f"cold round {number + 1} of {self._options.rounds}")
            self._cold_round(number)
        self._start_site(keeps_pages=True)
        self._fetch_all()
        for number in range(self._options.rounds):
            progress(f"round {number + 1} of {self._options.rounds}")
            self._warm_round(number)
        growth, p99 = self._memory_growth(), self._while_sending()
        warm, cold = self._warm, self._cold
        return {
            "reference_per_second": round(median(seen.per_second for seen in self._references)),
            "ratios": {kind: round(median(rates.ratios), 3) for kind, rates in warm.items()},
            "cold": {kind: round(median(rates.ratios), 3) for kind, rates in cold.items()},
            "cpu": {
                name: {kind: _cpu(rates) for kind, rates in measured.items()}
                for name, measured in (("warm", warm), ("cold", cold))
            },
            "p99_ms": {"reference": round(median(seen.p99_ms for seen in self._references), 1)}
            | {kind: round(median(rates.p99), 1) for kind, rates in warm.items()}
            | p99,
            "errors": self._errors,
            "memory_growth": round(growth, 4),
        }

    def stop(self) -> None:
        self._site.stop()
        self._mail_server.stop()

    def _fill(self) -> None:
        options, days = self._options, self._archive.days
        wanted = options.rounds * sum(kind in _CHANGED_BY_A_CUT for kind in self._kinds) + 1
        cut = self._archive.fill(min(wanted, len(days) // 3))
        self._uncut = days[len(cut) :]
        self._tokens = range(1, options.papers + 1)
        self._archive.add_subscribers(self._tokens, paused=True)
        if options.mails:
            self._archive.add_subscribers(range(options.papers + 1, options.papers + options.mails + 1), paused=False)
        self._paths = {
            "front": ["/"],
            "issue": [f"/issues/{day}" for day in cut],
            "feed": ["/feed.atom"],
            "topic": [f"/topics/{topic.slug}" for topic in TOPICS],
            "paper": paper_paths(options.papers),
            "search": queries(options.papers),
            "privacy": ["/privacy"],
            "healthz": ["/healthz"],
        }

    def _visits(self, kind: str, number: int) -> Visits:
        """The visits of one round, uniformly drawn; the links of a message each once."""
        seconds = self._options.seconds
        if kind != "one_click":
            return self._visits_to(kind, seconds=seconds, seed=number)
        share = len(self._tokens) // (2 * self._options.rounds)
        now, keys = datetime.now(UTC), [SECRET.encode()]
        subscribers = self._tokens[number * share : (number + 1) * share]
        paths = [f"/u/{sign(Purpose.UNSUBSCRIBE, subscriber, now, keys)}" for subscriber in subscribers]
        return Visits(self._port, paths, seconds, once=True, form="List-Unsubscribe=One-Click")

    def _visits_to(self, kind: str, **how: Any) -> Visits:
        return Visits(self._port, self._paths[kind], moved=queries_for_ids(self._options.papers), **how)

    def _start_reference(self) -> None:
        numbers = f"--port={self._reference_port}", f"--processes={self._options.processes}"
        self._site.start_module("reference", "benchmarks.empty_site", *numbers)
        self._wait_for("reference", self._reference_port)

    def _start_site(self, keeps_pages: bool) -> None:
        start, name = (self._site.start, "web") if keeps_pages else (self._site.start_module, "benchmarks.cold_site")
        start("web", name)
        self._wait_for("web", self._port)
        self._paths["static"] = sorted(set(re.findall(r'"(/static/[^"]+)"', self._text("/manage"))))
        documents = re.findall(r"<loc>https://[^/]+(/sitemap[^<]*)</loc>", self._text("/sitemap.xml"))
        self._paths["sitemap"] = ["/sitemap.xml", *documents]

    def _text(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{processes.LOOPBACK}:{self._port}{path}") as answer:
            return str(answer.read(), "utf-8")

    def _wait_for(self, name: str, port: int) -> None:
        if not processes.wait_until(lambda: processes.answers(port), seconds=120):
            raise RoundFailed(f"{name} does not start: {(self._site.folder / f'{name}.log').read_text()[-500:]}")

    def _reference(self) -> Seen:
        seen, self._reference_cpu = self._visit("reference", Visits(self._reference_port, ["/"], self._options.seconds))
        self._references.append(seen)
        return seen

    def _visit(self, program: str, visits: Visits) -> tuple[Seen, float]:
        """The visitors' results, and the CPU time of the program for each answer, in milliseconds."""
        pid = self._site.programs[program].pid
        before = cpu_seconds(pid)
        seen = visit(visits)
        return seen, 1000 * (cpu_seconds(pid) - before) / max(seen.answers, 1)

    def _compare(self, kind: str, rates: _Rates, visits: Visits, reference: Seen) -> None:
        seen, cpu = self._visit("web", visits)
        rates.ratios.append(seen.per_second / reference.per_second)
        rates.p99.append(seen.p99_ms)
        rates.cpu.append((self._reference_cpu / cpu if cpu else 0.0, cpu))
        self._errors += seen.errors
        progress(
            f"  {kind:10} {seen.per_second:7.1f}/s of {reference.per_second:6.0f}, ratio {rates.ratios[-1]:.3f}, "
            f"p99 {seen.p99_ms:.1f} of {reference.p99_ms:.1f} ms, CPU {cpu:.2f} of {self._reference_cpu:.2f} ms, "
            f"answers {seen.statuses}, errors {seen.errors}"
        )

    def _cold_round(self, number: int) -> None:
        self._start_site(keeps_pages=False)
        for kind in self._kinds:
            visits = self._visits(kind, self._options.rounds + number)
            if kind != "one_click":  # each of its links once
                visit(replace(visits, count=40))
            self._compare(kind, self._cold[kind], visits, self._reference())
        self._site.end("web")

    def _fetch_all(self) -> None:
        for kind in self._paths.keys() & self._kinds:
            seen = visit(self._visits_to(kind, seconds=self._options.warm_seconds, once=True))
            progress(f"  fetched {seen.answers} of {kind}, {seen.per_second:.0f}/s")
            self._errors += seen.errors

    def _warm_round(self, number: int) -> None:
        for kind in self._kinds:
            reference = self._reference()
            if kind in _CHANGED_BY_A_CUT and len(self._uncut) > 1:
                self._archive.cut(self._uncut.pop(0))
            self._compare(kind, self._warm[kind], self._visits(kind, number), reference)

    def _memory_growth(self) -> float:
        pid = self._site.programs["web"].pid
        pids = [pid, *children(pid)]
        papers = self._visits_to("paper", seconds=self._options.warm_seconds, count=_MEMORY_REQUESTS)
        before = sum(memory_mb(pid)[0] for pid in pids)
        seen = visit(papers)
        after = sum(memory_mb(pid)[0] for pid in pids)
        self._errors += seen.errors
        progress(f"memory: {before:.1f} MiB before {seen.answers} requests, {after:.1f} after")
        return after / before - 1

    def _while_sending(self) -> dict[str, float]:
        """p99 in ms of pages of all kinds that change with an issue, before one goes out and meanwhile."""
        if not self._options.mails:
            return {}
        drawn = [path for kind in _CHANGED_BY_A_CUT[:-1] for path in (self._paths[kind] * 100)[:100]]  # no sitemap
        visits = Visits(self._port, drawn, self._options.seconds)
        empty = Visits(self._reference_port, ["/"], self._options.seconds)
        visit(visits)
        before = visit(visits), visit(empty)
        self._site.start("worker", "worker")
        today = self._archive.today
        for day in self._uncut:
            if day == today or day.weekday() != today.weekday():  # the others would be sent too
                self._archive.cut(day)
        self._site.hint(self._options.mails)
        if not processes.wait_until(lambda: self._mail_server.taken() > 0, seconds=60):
            raise RoundFailed(f"nothing is sent: {(self._site.folder / 'worker.log').read_text()[-500:]}")
        meanwhile = visit(visits), visit(empty)
        site, machine = (sending.p99_ms / idle.p99_ms for sending, idle in zip(meanwhile, before, strict=True))
        progress(f"while sending: p99 {site:.2f} times the idle one's, the reference's {machine:.2f} times")
        if self._mail_server.taken() >= self._options.mails:
            progress("the issue was out before the end of the measurement: use more --mails")
        self._errors += before[0].errors + meanwhile[0].errors
        seen = {"idle": before, "sending": meanwhile}
        of_site = {name: round(site.p99_ms, 1) for name, (site, _) in seen.items()}
        return of_site | {f"reference_{name}": round(empty.p99_ms, 1) for name, (_, empty) in seen.items()}


if __name__ == "__main__":
    main()
