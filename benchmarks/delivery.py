"""Measures what a message costs, with a different list for each subscriber, and how fast an issue goes out.

`python -m benchmarks.delivery [--subscribers N] [--signed] [--first-day] [--rounds R] [--json]`: PostgreSQL with fsync,
Valkey, Celery worker processes and two mail servers, all real. The database has 30 earlier issues (aged.py), unless it
is the `--first-day`. `cpu_ms_per_mail` is CPU time from /proc; its `total` is all but the mail servers', and
`mails_per_hour_two_cores` is what two cores can do at that. `obvious_ratio`: our speed by the clock over that of
EmailMessage, dkimpy and sendmail in the same round. `ceiling_share`, if signed: the least that a signed message could
cost, divided by what it costs. `ceiling_ms` has the parts of the least: an unsigned message of the same run, an RSA
signature and one SHA-256 pass (docs/decisions/0070). `--ages`: the growth from the first day to 30 earlier issues, and
from 30 to 120.

The clock runs from the first hint, workers warm, to the last receipt recorded; `ratio` is ours over smtp-source -d in
the same round; speeds, ratios and CPU times are medians over the rounds, memory is the worst. `lost` and `extra` come
from the log of the recording mail server in a run that is not timed.
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from benchmarks.aged import ISSUES, age, bytes_per_delivery
from benchmarks.baseline import baseline_per_second, rsa_key
from benchmarks.checked_run import CheckedRun, checked_run
from benchmarks.command import command, run
from benchmarks.installation import own_folder, progress
from benchmarks.machine import rsa_signatures_per_second, sha256_mb_per_second
from benchmarks.postfix_tools import Tools, find_tools
from benchmarks.servers import Postgres, running_postgres
from benchmarks.timed import Round, Setup, deliver_all, timed_round
from benchmarks.world import fan_out_seconds, make_world, warm_up
from tests.support.servers import own_broker

_OLD = 120  # earlier issues


def main() -> None:
    """Run the benchmark and print what it measured."""
    run(_arguments(), _measure, lambda results: not (results.get("lost") or results.get("extra")))


def _arguments() -> argparse.Namespace:
    parser = command("delivery", __doc__)
    parser.add_argument(
        "--subscribers", type=int, default=100_000, help="subscribers, each with a mail of their own (100000)"
    )
    parser.add_argument("--signed", action="store_true", help="sign each mail with a 2048-bit RSA key")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, of which the medians are printed (5)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (2)")
    parser.add_argument(
        "--sessions", type=int, default=10, help="connections of all processes (10), and of the reference"
    )
    parser.add_argument("--first-day", action="store_true", help="without earlier issues and feedback")
    parser.add_argument("--obvious", action="store_true", help=argparse.SUPPRESS)  # always, by now
    parser.add_argument("--growth", action="store_true", help="also the time per mail at a tenth of the subscribers")
    parser.add_argument("--ages", action="store_true", help="also on the first day, and with 120 earlier issues")
    parser.add_argument("--issues", type=int, default=ISSUES, help=f"earlier issues in the database ({ISSUES})")
    parser.add_argument("--unjudged", action="store_true", help="without the checked run; lost and extra are null")
    parser.add_argument(
        "--fan-out", type=int, metavar="N", help="only this: seconds to queue an issue for N subscribers"
    )
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    tools = find_tools()
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(options.keep))
        postgres = stack.enter_context(running_postgres())
        broker = stack.enter_context(own_broker())
        key = folder / "s1.pem"
        key.write_bytes(rsa_key())
        each = options.sessions // options.processes
        today = datetime.now(UTC).date()
        setup = Setup(folder, broker.url, today, options.processes, each, key if options.signed else None)
        benchmark = _Benchmark(options, setup, postgres, tools, key.read_bytes())
        return benchmark.fan_out(options.fan_out) if options.fan_out else benchmark.run()


class _World(NamedTuple):
    """A database to measure in."""

    subscribers: int
    issues: int  # earlier ones


class _Benchmark:
    """All rounds of one call. Each uses its own copy of a database that was filled with subscribers before."""

    def __init__(self, options: argparse.Namespace, setup: Setup, postgres: Postgres, tools: Tools, key: bytes) -> None:
        self._options = options
        self._setup = setup
        self._postgres = postgres
        self._tools = tools
        self._key = key
        self._main = _World(options.subscribers, 0 if options.first_day else options.issues)
        self._obvious: list[float] = []  # messages a second
        self._bytes: list[float] = []  # of a delivery in the ledger
        self._unsigned: list[Round] = []  # next to each signed one

    def run(self) -> dict[str, Any]:
        main, rounds = self._main, self._options.rounds
        ages = [_World(main.subscribers, issues) for issues in (0, _OLD)] if self._options.ages else []
        tenth = [_World(main.subscribers // 10, main.issues)] if self._options.growth else []
        worlds = {world: self._make(world) for world in dict.fromkeys([*tenth, *ages, main])}
        copy = self._postgres.make("checked", worlds[main])
        checked = checked_run(self._setup, copy, main.subscribers, not self._options.unjudged)
        measured: dict[_World, list[Round]] = {world: [] for world in worlds}
        for number in range(rounds):
            for world, name in worlds.items():
                progress(f"round {number + 1} of {rounds}: {world.subscribers} subscribers, {world.issues} issues")
                measured[world].append(self._round(world, self._postgres.make("timed", name), checked))
            if self._setup.key:
                progress("the same unsigned")
                copy = self._postgres.make("timed", worlds[main])
                self._unsigned.append(self._timed(replace(self._setup, key=None), main, copy, checked))
        return self._results(checked, measured[main]) | self._growth(measured)

    def fan_out(self, subscribers: int) -> dict[str, Any]:
        """Queue one issue for so many in several zones."""
        name = self._make(self._main._replace(subscribers=subscribers))
        seconds, rows = fan_out_seconds(self._postgres.url_of(name), subscribers, self._setup.today)
        return {"fan_out_rows": rows, "fan_out_seconds": round(seconds, 2), "earlier_issues": self._main.issues}

    def _make(self, world: _World) -> str:
        progress(f"making a world of {world.subscribers} subscribers with {world.issues} earlier issues")
        name, today = f"world_{world.subscribers}_{world.issues}", self._setup.today
        make_world(self._postgres.make(name), world.subscribers, today)
        if world.issues:
            sample = today - timedelta(days=8)  # for the subscribers of yesterday's issue, on the same weekday
            with self._tools.sink() as port:
                installation = self._setup.installation(self._postgres.url_of(name), port)
                try:
                    deliver_all(installation, sample, warm_up(world.subscribers))
                finally:
                    installation.stop()
            age(self._postgres.url_of(name), sample, today, world.subscribers, world.issues)
        return name

    def _round(self, world: _World, database: str, checked: CheckedRun) -> Round:
        results = self._timed(self._setup, world, database, checked)
        if world == self._main:
            with self._tools.sink() as port:
                self._obvious.append(baseline_per_second(port, checked.example, self._key))
            self._bytes.append(bytes_per_delivery(database))
        return results

    def _timed(self, setup: Setup, world: _World, database: str, checked: CheckedRun) -> Round:
        size = checked.bytes_per_message
        with self._tools.sink() as first, self._tools.sink() as second:
            return timed_round(setup, database, world.subscribers, self._tools, size, (first, second))

    def _results(self, checked: CheckedRun, rounds: list[Round]) -> dict[str, Any]:
        results: dict[str, Any] = {
            "messages_per_second": round(median(measured.per_second for measured in rounds)),
            "reference_per_second": round(median(measured.reference for measured in rounds)),
            "ratio": round(median(measured.ratio for measured in rounds), 3),
            "peak_rss_mb": round(max(measured.peak_mb for measured in rounds)),
            "lost": checked.report and checked.report.lost,
            "extra": checked.report and checked.report.extra,
            "wrong_recipient": checked.report and checked.report.wrong_recipient,
            "subscribers": self._options.subscribers,
            "signed": b"\nDKIM-Signature:" in b"\n" + checked.example,
            "rounds": len(rounds),
            "sessions": min(measured.sessions for measured in rounds),
            "bytes_per_message": checked.bytes_per_message,
            "different_lists": checked.different_lists,
            "worker_rss_growth": round(max(measured.growth for measured in rounds), 3),
            "cpu_ms_per_mail": _cpu_ms(rounds),
            "mails_per_hour_two_cores": round(2 * 3_600_000 / median(measured.cpu_ms.total for measured in rounds)),
            "ratios": [round(measured.ratio, 3) for measured in rounds],
            "bytes_per_delivery": round(max(self._bytes)),
            "first_day": self._options.first_day,
        }
        ratios = [ours.per_second / theirs for ours, theirs in zip(rounds, self._obvious, strict=False)]
        results["obvious_per_second"] = round(median(self._obvious), 1)
        results["obvious_ratio"] = round(median(ratios), 1)
        return results | self._machine(results)

    def _machine(self, results: dict[str, Any]) -> dict[str, Any]:
        sha256, rsa = sha256_mb_per_second(), rsa_signatures_per_second(self._key)
        speeds = {"sha256_mb_per_second": round(sha256), "rsa_signatures_per_second": round(rsa)}
        if not results["signed"]:
            return speeds
        parts = {
            "unsigned": median(measured.cpu_ms.total for measured in self._unsigned),
            "rsa": 1000 / rsa,
            "sha256": results["bytes_per_message"] / sha256 / 1000,
        }
        share = sum(parts.values()) / results["cpu_ms_per_mail"]["total"]
        ceiling = {name: round(ms, 3) for name, ms in parts.items()}
        return speeds | {"ceiling_ms": ceiling, "ceiling_share": round(share, 3)}

    def _growth(self, measured: Mapping[_World, Sequence[Round]]) -> dict[str, Any]:
        """Time and CPU time of a message in one world, divided by those in a smaller one; less is better."""
        main, results = self._main, dict[str, Any]()
        if self._options.growth:
            tenth = main._replace(subscribers=main.subscribers // 10)
            results["time_per_mail_growth"], results["cpu_growth"] = _ratios(measured[main], measured[tenth])
        if self._options.ages:
            first_day, old = measured[main._replace(issues=0)], measured[main._replace(issues=_OLD)]
            results["aged_growth"], results["aged_cpu_growth"] = _ratios(measured[main], first_day)
            results["older_growth"], results["older_cpu_growth"] = _ratios(old, measured[main])
        return results


def _ratios(ours: Sequence[Round], others: Sequence[Round]) -> tuple[float, float]:
    """The medians of time and of CPU time for each message, pair by pair."""
    pairs = list(zip(ours, others, strict=True))
    time = median(other.per_second / each.per_second for each, other in pairs)
    return round(time, 3), round(median(each.cpu_ms.total / other.cpu_ms.total for each, other in pairs), 3)


def _cpu_ms(rounds: list[Round]) -> dict[str, float]:
    parts = ("workers", "database", "rest", "total")
    return {part: round(median(getattr(measured.cpu_ms, part) for measured in rounds), 3) for part in parts}


if __name__ == "__main__":
    main()
