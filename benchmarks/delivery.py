"""Measures how fast an issue goes out, with a different list for each subscriber, compared with smtp-source -d.

`python -m benchmarks.delivery [--subscribers N] [--signed] [--rounds R] [--obvious] [--json]`: PostgreSQL with fsync,
Valkey and Celery worker processes, all real. The clock runs from the first hint, workers warm, to the last receipt
recorded; `ratio` is ours over the reference of the same round; speeds and ratios are medians over the rounds, memory
is the worst. `lost` and `extra` come from the log of the recording mail server in a run that is not timed.
"""

import argparse
from contextlib import ExitStack
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.baseline import baseline_per_second, rsa_key
from benchmarks.checked_run import CheckedRun, checked_run
from benchmarks.command import command, run
from benchmarks.installation import own_folder, progress
from benchmarks.postfix_tools import Tools, find_tools
from benchmarks.servers import Postgres, running_postgres
from benchmarks.timed import Round, Setup, timed_round
from benchmarks.world import fan_out_seconds, make_world
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
    parser.add_argument("--obvious", action="store_true", help="also EmailMessage, dkimpy and sendmail, in each round")
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
        name = f"world_{subscribers}"
        make_world(self._postgres.make(name), subscribers, self._setup.today)
        return name

    def _round(self, subscribers: int, database: str, checked: CheckedRun) -> Round:
        with self._tools.sink() as port:
            results = timed_round(self._setup, database, subscribers, self._tools, (port, checked.bytes_per_message))
            if self._options.obvious:
                self._obvious.append(baseline_per_second(port, checked.example, self._key))
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
            "ratios": [round(measured.ratio, 3) for measured in rounds],
        }
        if self._obvious:
            ratios = [ours.per_second / theirs for ours, theirs in zip(rounds, self._obvious, strict=False)]
            results |= {
                "obvious_per_second": round(median(self._obvious), 1),
                "obvious_ratio": round(median(ratios), 1),
            }
        return results

    def _growth(self, rounds: dict[int, list[Round]]) -> dict[str, Any]:
        """Time per message with all subscribers, divided by that with a tenth of them; smaller is better."""
        if not self._options.growth:
            return {}
        few, many = (median(1 / measured.per_second for measured in some) for some in rounds.values())
        return {"time_per_mail_growth": round(many / few, 3)}


def _cpu_ms(rounds: list[Round]) -> dict[str, float]:
    workers, database = (
        median(getattr(measured.cpu_ms, part) for measured in rounds) for part in ("workers", "database")
    )
    total = median(measured.cpu_ms.workers + measured.cpu_ms.database for measured in rounds)
    return {"workers": round(workers, 3), "database": round(database, 3), "total": round(total, 3)}


if __name__ == "__main__":
    main()
