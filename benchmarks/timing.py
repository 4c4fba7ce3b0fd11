"""Measures whether the time of an answer tells if an address is known: real pages over HTTP.

`python -m benchmarks.timing [--tries N] [--connections C] [--database sqlite|postgresql]`: N addresses of each kind
(unknown, confirmed, unsubscribed, suppressed) are typed into both forms, in random order, each from another network.
For each form it prints the medians, how far they are apart, and how well an attacker tells each kind from an unknown
address: the area under the curve (AUC), where 0.5 is guessing. Exit code 1 if medians are more than 1 ms apart or an
AUC is above 0.55.
"""

import argparse
import http.client
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.command import Results, command, run
from benchmarks.installation import Installation, own_folder, progress
from benchmarks.servers import running_postgres
from benchmarks.world import SECRET
from digest.database.migrate import migrate
from digest.run import processes

DATABASES = ("sqlite", "postgresql")
FORMS = ("/subscribe", "/manage")
UNKNOWN = "unknown"
KINDS = (UNKNOWN, "confirmed", "unsubscribed", "suppressed")
_STATUS = {"confirmed": "confirmed", "unsubscribed": "unsubscribed", "suppressed": "blocked"}
_CLOSE_MS, _FAIR_AUC = 1.0, 0.55


def main() -> None:
    """Run the benchmark and print what it measured."""
    parser = command("timing", __doc__)
    parser.add_argument("--tries", type=int, default=1000, help="addresses of each kind in each form (1000)")
    parser.add_argument("--connections", type=int, default=4, help="connections that try at the same time (4)")
    parser.add_argument("--database", choices=DATABASES, help="only this one")
    run(parser.parse_args(), _measure, _keeps_the_promise)


def _measure(options: argparse.Namespace) -> Results:
    chosen = [options.database] if options.database else DATABASES
    return {name: _on(name, options) for name in chosen}


def _on(database: str, options: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(options.keep))
        if database == "postgresql":
            url = stack.enter_context(running_postgres()).make("world")
        else:
            url = f"sqlite:///{folder / 'world.sqlite'}"
            migrate(url)
        site = stack.enter_context(_site(folder, url))
        results = {}
        for form in FORMS:
            progress(f"{database} {form}")
            results[form.strip("/")] = _report(_times(site, form, options.tries, options.connections))
            progress(f"{results[form.strip('/')]}")
        return results


@contextmanager
def _site(folder: Path, database: str) -> Iterator[Installation]:
    """The pages, of an installation that knows the addresses."""
    port = processes.free_port()
    settings = {
        "data_dir": folder / "data",
        "database_url": database,
        "secret_key": SECRET,
        "web_port": port,
        "public_url": f"http://{processes.LOOPBACK}:{port}",
        "requested_per_hour": 1_000_000,
        "log_level": "warning",
    }
    site = Installation(folder, settings)
    site.start("web", "web")
    try:
        if not processes.wait_until(lambda: processes.answers(port), seconds=120):
            raise RuntimeError(f"the pages do not start: {(folder / 'web.log').read_text()[-500:]}")
        yield site
    finally:
        site.stop()


def _address(form: str, kind: str, number: int) -> str:
    return f"{kind}{number}@{form.strip('/')}{number % 50}.example"


def _times(site: Installation, form: str, tries: int, connections: int) -> dict[str, list[float]]:
    """Milliseconds of each answer, by kind."""
    file = site.folder / "list.csv"
    rows = [f"{_address(form, kind, n)},{status}" for kind, status in _STATUS.items() for n in range(tries)]
    file.write_text("\n".join(["email,status", *rows]))
    site.digest("subscribers", "import", str(file), "--consented", "benchmark")
    order = [(kind, number) for kind in KINDS for number in range(tries)]
    random.Random(18).shuffle(order)
    shares = [order[start::connections] for start in range(connections)]
    with ThreadPoolExecutor(connections) as threads:
        parts = threads.map(lambda share: _try(site.settings["web_port"], form, share), shares)
        pairs = [pair for part in parts for pair in part]
    return {kind: [took for what, took in pairs if what == kind] for kind in KINDS}


def _try(port: int, form: str, share: Sequence[tuple[str, int]]) -> list[tuple[str, float]]:
    connection = http.client.HTTPConnection(processes.LOOPBACK, port, timeout=60)
    connection.connect()
    times = []
    for kind, number in share:
        body = urlencode({"email": _address(form, kind, number)})
        network = KINDS.index(kind) * 100_000 + number
        client = f"10.{network >> 16}.{network >> 8 & 255}.{network & 255}"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": client}
        began = time.perf_counter()
        connection.request("POST", form, body, headers)
        answer = connection.getresponse()
        text, took = answer.read(), (time.perf_counter() - began) * 1000
        if answer.status == 503:  # the machine is too busy for the database, whatever the address
            progress(f"{form} answers 503")
            continue
        if answer.status != 200:
            raise RuntimeError(f"{form} answers {answer.status}: {text[:500]!r}")
        times.append((kind, took))
    connection.close()
    return times


def _report(times: dict[str, list[float]]) -> dict[str, Any]:
    medians = {kind: round(statistics.median(values), 2) for kind, values in times.items()}
    everything = sorted(took for values in times.values() for took in values)
    return {
        "median_ms": medians,
        "apart_ms": round(max(medians.values()) - min(medians.values()), 2),
        "auc": {kind: round(_auc(times[kind], times[UNKNOWN]), 3) for kind in KINDS if kind != UNKNOWN},
        "p99_ms": round(everything[int(len(everything) * 0.99)], 1),
    }


def _auc(first: Sequence[float], second: Sequence[float]) -> float:
    """The share of pairs in which the value of `first` is the longer one, or the shorter one if that is higher."""
    ranked = sorted([(value, True) for value in first] + [(value, False) for value in second])
    rank_sum = sum(rank for rank, (_, is_first) in enumerate(ranked, start=1) if is_first)
    share = (rank_sum - len(first) * (len(first) + 1) / 2) / (len(first) * len(second))
    return max(share, 1 - share)


def _keeps_the_promise(results: Results) -> bool:
    forms = [form for database in results.values() for form in database.values()]
    return all(form["apart_ms"] <= _CLOSE_MS and max(form["auc"].values()) <= _FAIR_AUC for form in forms)


if __name__ == "__main__":
    main()
