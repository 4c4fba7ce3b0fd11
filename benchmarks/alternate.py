"""Compares the CPU time of a message between this checkout and an earlier commit, in rounds that alternate.

`python -m benchmarks.alternate CHECKOUT [CHECKOUT …] [--subscribers N] [--rounds R] [--first-day] [--json]`: each
CHECKOUT is a folder with its own .venv (`git worktree add OLD 6c315ce && make -C OLD .venv/.dev`). All get the same
aged world and one round in turn. `ratio` is the median of this checkout's total over the first one's, pair by pair;
`total` is the CPU time of workers and database.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

_HERE = Path(__file__).parents[1]


def main() -> None:
    """Run all checkouts in turn and print what they measured; with --serve, be one of them."""
    options = _arguments()
    if options.serve:
        _serve(options)
        return
    checkouts = [*options.checkouts, _HERE]
    with ExitStack() as stack:
        servers = [stack.enter_context(_Server(checkout, options)) for checkout in checkouts]
        rounds: list[list[dict[str, float]]] = []
        for number in range(options.rounds):
            order = list(enumerate(servers)) if number % 2 == 0 else list(enumerate(servers))[::-1]
            measured = {index: server.round() for index, server in order}
            rounds.append([measured[index] for index in range(len(servers))])
            print(number + 1, *(f"{each['total']:.3f}" for each in rounds[-1]), file=sys.stderr, flush=True)
    names = [checkout.name if checkout != _HERE else "this" for checkout in checkouts]
    results: dict[str, Any] = {
        name: {part: round(median(of[index][part] for of in rounds), 3) for part in rounds[0][index]}
        for index, name in enumerate(names)
    }
    results["ratio"] = round(median(of[-1]["total"] / of[0]["total"] for of in rounds), 3)
    print(json.dumps(results) if options.json else "\n".join(f"{name:12} {value}" for name, value in results.items()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", type=Path, help="folders of other commits, each with a .venv")
    parser.add_argument("--subscribers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--first-day", action="store_true", help="without earlier issues and feedback")
    parser.add_argument("--signed", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--issues", type=int, default=30)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


class _Server:
    """A process with the code of one checkout, which keeps its world and measures a round when told."""

    def __init__(self, checkout: Path, options: argparse.Namespace) -> None:
        self._command: list[str | Path] = [
            *(checkout / ".venv/bin/python", Path(__file__), "--serve"),
            *("--subscribers", str(options.subscribers), "--issues", str(options.issues)),
            *(["--first-day"] if options.first_day else []),
            *(["--signed"] if options.signed else []),
        ]
        self._checkout = checkout

    def __enter__(self) -> "_Server":
        self._process = subprocess.Popen(
            self._command,
            cwd=self._checkout,
            env=os.environ | {"PYTHONPATH": str(self._checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()
        return self

    def __exit__(self, *_problem: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def round(self) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        measured: dict[str, float] = self._read()
        return measured

    def _read(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self._checkout} failed")


def _serve(options: argparse.Namespace) -> None:
    """Measure with the modules of the checkout in PYTHONPATH, which may be of any version since 6c315ce."""
    from benchmarks import timed, world
    from benchmarks.installation import own_folder
    from benchmarks.postfix_tools import find_tools
    from benchmarks.servers import running_postgres

    age = _module("aged")
    proc = _module("proc")
    today, count = datetime.now(UTC).date(), options.subscribers
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(False))
        postgres = stack.enter_context(running_postgres())
        broker = stack.enter_context(_broker()())
        port = stack.enter_context(find_tools().sink())
        key = _key(folder) if options.signed else None
        setup = timed.Setup(folder, broker.url, today, 2, 5, key)
        world.make_world(postgres.make("world"), count, today)
        if not options.first_day:
            sample = today - timedelta(days=8)
            _deliver(setup.installation(postgres.url_of("world"), port), sample, timed)
            age.age(postgres.url_of("world"), sample, today, count, options.issues)
        print("{}", flush=True)
        for _ in sys.stdin:
            database = postgres.make("timed", "world")
            installation = setup.installation(database, port)
            try:
                _deliver_warm(installation, today - timedelta(days=1), timed)
                timed.publish(installation, today)
                result = _cpu(installation, count, database, timed, proc)
            finally:
                installation.stop()
            result["bytes"] = age.bytes_per_delivery(database)
            print(json.dumps(result), flush=True)


def _deliver(installation: Any, day: date, timed: Any) -> None:
    try:
        _deliver_warm(installation, day, timed)
    finally:
        installation.stop()


def _deliver_warm(installation: Any, day: date, timed: Any) -> None:
    due = timed.publish(installation, day)
    installation.start("worker", "worker")
    installation.start("scheduler", "scheduler")
    installation.hint(due)
    timed.wait(installation, due)


def _cpu(installation: Any, count: int, database: str, timed: Any, proc: Any) -> dict[str, float]:
    import psycopg

    def now() -> tuple[float, float]:
        with psycopg.connect(database, autocommit=True) as connection:
            server = proc.cpu_seconds(proc.parent(connection.info.backend_pid))
        return sum(map(proc.cpu_seconds, installation.workers())), server

    before = now()
    installation.hint(count)
    timed.wait(installation, count)
    workers, server = (1000 * (b - a) / count for a, b in zip(before, now(), strict=True))
    return {"workers": workers, "database": server, "total": workers + server}


def _broker() -> Callable[[], Any]:
    try:
        from tests.support.servers import own_broker
    except ImportError:  # of earlier versions
        from benchmarks.servers import running_broker  # type: ignore[attr-defined]

        return running_broker  # type: ignore[no-any-return]
    return own_broker


def _module(name: str) -> Any:
    """A module of this folder, whatever the checkout has."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"measuring_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _key(folder: Path) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    file = folder / "s1.pem"
    file.write_bytes(rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(*pem))
    return file


if __name__ == "__main__":
    main()
