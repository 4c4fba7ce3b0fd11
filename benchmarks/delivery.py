"""Measures what a message costs, with a different list for each subscriber, and how fast an issue goes out.

`python -m benchmarks.delivery [--subscribers N] [--signed] [--first-day] [--rounds R] [--json]`: PostgreSQL with fsync,
Valkey, Celery worker processes and two mail servers, all real. The database has 30 earlier issues (aged.py), unless it
is the `--first-day`. `cpu_ms_per_mail` is CPU time from /proc; its `total` is all but the mail servers', and
`mails_per_hour_two_cores` is what two cores can do at that. `obvious_ratio`: our speed by the clock over that of
EmailMessage, dkimpy and sendmail in the same round. `ceiling_share`, if signed: the part of a message's CPU time that
its RSA signature and one SHA-256 pass need on this machine.

The clock runs from the first hint, workers warm, to the last receipt recorded; `ratio` is ours over smtp-source -d in
the same round; speeds, ratios and CPU times are medians over the rounds, memory is the worst. `lost` and `extra` come
from the log of the recording mail server in a run that is not timed.
"""

import argparse
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

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
    parser.add_argument("--unjudged", action="store_true", help="without the checked run; lost and extra are null")
    parser.add_argument(
        "--fan-out", type=int, metavar="N", help="only this: seconds to queue an issue for N subscribers"
    )
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    tools = None if options.fan_out else find_tools()
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(options.keep))
        postgres = stack.enter_context(running_postgres())
        today = datetime.now(UTC).date()
        if tools is None:
            seconds, rows = fan_out_seconds(postgres.make("fan_out"), options.fan_out, today)
            return {"fan_out_rows": rows, "fan_out_seconds": round(seconds, 2)}
        broker = stack.enter_context(own_broker())
        key = folder / "s1.pem"
        key.write_bytes(rsa_key())
        each = options.sessions // options.processes
        setup = Setup(folder, broker.url, today, options.processes, each, key if options.signed else None)
        return _Benchmark(options, setup, postgres, tools, key.read_bytes()).run()


class _Benchmark:
    """All rounds of one call. Each uses its own copy of a database that was filled with subscribers before."""

    def __init__(self, options: argparse.Namespace, setup: Setup, postgres: Postgres, tools: Tools, key: bytes) -> None:
        self._options = options
        self._setup = setup
        self._postgres = postgres
        self._tools = tools
        self._key = key
        self._obvious: list[float] = []  # messages a second
        self._bytes: list[float] = []  # of a delivery in the ledger

    def run(self) -> dict[str, Any]:
        subscribers = self._options.subscribers
        sizes = [subscribers // 10, subscribers] if self._options.growth else [subscribers]
        worlds = {size: self._world(size) for size in sizes}
        checked = checked_run(
            self._setup, self._postgres.make("checked", worlds[subscribers]), subscribers, not self._options.unjudged
        )
        rounds: dict[int, list[Round]] = {size: [] for size in sizes}
        for number in range(self._options.rounds):
            for size in sizes:
                progress(f"round {number + 1} of {self._options.rounds}: {size} subscribers")
                rounds[size].append(self._round(size, self._postgres.make("timed", worlds[size]), checked))
        return self._results(checked, rounds[subscribers]) | self._growth(rounds)

    def _world(self, subscribers: int) -> str:
        progress(f"making a world of {subscribers} subscribers")
        name, today = f"world_{subscribers}", self._setup.today
        make_world(self._postgres.make(name), subscribers, today)
        if not self._options.first_day:
            progress(f"adding {ISSUES} earlier issues")
            sample = today - timedelta(days=8)  # for the subscribers of yesterday's issue, on the same weekday
            with self._tools.sink() as port:
                installation = self._setup.installation(self._postgres.url_of(name), port)
                try:
                    deliver_all(installation, sample, warm_up(subscribers))
                finally:
                    installation.stop()
            age(self._postgres.url_of(name), sample, today, subscribers)
        return name

    def _round(self, subscribers: int, database: str, checked: CheckedRun) -> Round:
        with self._tools.sink() as first, self._tools.sink() as second:
            size = checked.bytes_per_message
            results = timed_round(self._setup, database, subscribers, self._tools, size, (first, second))
            self._obvious.append(baseline_per_second(first, checked.example, self._key))
        self._bytes.append(bytes_per_delivery(database))
        return results

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
        least_ms = 1000 / rsa + results["bytes_per_message"] / sha256 / 1000
        return speeds | {"ceiling_share": round(least_ms / results["cpu_ms_per_mail"]["total"], 3)}

    def _growth(self, rounds: dict[int, list[Round]]) -> dict[str, Any]:
        """Time per message with all subscribers, divided by that with a tenth of them; smaller is better."""
        if not self._options.growth:
            return {}
        few, many = (median(1 / measured.per_second for measured in some) for some in rounds.values())
        few_ms, many_ms = (median(measured.cpu_ms.total for measured in some) for some in rounds.values())
        return {"time_per_mail_growth": round(many / few, 3), "cpu_growth": round(many_ms / few_ms, 3)}


def _cpu_ms(rounds: list[Round]) -> dict[str, float]:
    parts = ("workers", "database", "rest", "total")
    return {part: round(median(getattr(measured.cpu_ms, part) for measured in rounds), 3) for part in parts}


if __name__ == "__main__":
    main()
