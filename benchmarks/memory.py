"""Memory of a small installation: `digest up` with its embedded servers and 100 subscribers, idle after an issue.

`python -m benchmarks.memory [--subscribers N] [--json]`. Proportional set size: memory that several processes share
counts once. Exit code 1 above 300 MB.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.command import Results, command, run
from benchmarks.proc import children
from benchmarks.timed import RoundFailed
from digest import clock
from digest.database.engine import connect, transaction
from digest.database.migrate import migrate
from digest.demo.sample import store_sample
from digest.run import processes
from digest.subscribers import store
from digest.subscribers.preferences import DEFAULTS
from digest.subscribers.subscriber import Consent, Preferences, recipient_key
from tests.support.smtp_server import SmtpServer

MOST_MB = 300
_START_SECONDS = 180.0
_IDLE_SECONDS = 60.0
_SECRET = "benchmark-" * 4


def measure(options: argparse.Namespace) -> Results:
    """Return the memory of each process, and of all together."""
    with tempfile.TemporaryDirectory(prefix="digest-memory-") as name, SmtpServer() as mail:
        folder = Path(name)
        database = f"sqlite:///{folder / 'digest.sqlite'}"
        _fill(database, options.subscribers)
        environment = _environment(folder, database, mail.url)
        with (folder / "up.log").open("wb") as log:
            up = processes.start([sys.executable, "-P", "-m", "digest", "up"], environment=environment, output=log)
        try:
            if not _are_sent(mail, options.subscribers):
                raise RoundFailed(f"{len(mail.taken)} messages were sent; {(folder / 'up.log').read_text()[-2000:]}")
            time.sleep(options.idle)
            parts = {f"{pid} {_name(pid)}": round(pss_mb(pid), 1) for pid in _family(up.pid)}
        finally:
            processes.stop(up, patience=60)
        return {"total_mb": round(sum(parts.values()), 1), "sent": len(mail.taken), "processes": parts}


def _are_sent(mail: SmtpServer, count: int) -> bool:
    return processes.wait_until(lambda: len(mail.taken) >= count, seconds=_START_SECONDS, every=0.5)


def pss_mb(pid: int) -> float:
    """Proportional set size in MiB; 0 when the process is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _fill(database: str, count: int) -> None:
    migrate(database)
    engine, now = connect(database), clock.now()
    store_sample(engine, now)
    with transaction(engine) as connection:
        for number in range(count):
            address = f"subscriber{number}@example.com"
            consent = Consent(now, requested_from="", form="benchmark")
            key = recipient_key(address, _SECRET.encode())
            subscriber_id = store.add_pending(connection, address, key, DEFAULTS, consent)
            assert subscriber_id is not None
            store.set_confirmed(connection, subscriber_id, "benchmark", now)
            store.set_preferences(connection, subscriber_id, _due_now(now.hour))
    engine.dispose()


def _due_now(hour: int) -> Preferences:
    return replace(DEFAULTS, hour=hour, full_lists=True)


def _environment(folder: Path, database: str, mail: str) -> dict[str, str]:
    nobody = f"http://{processes.LOOPBACK}:{processes.free_port()}"
    return dict(os.environ) | {
        "DIGEST_DATA_DIR": str(folder),
        "DIGEST_DATABASE_URL": database,
        "DIGEST_SECRET_KEY": _SECRET,
        "DIGEST_SMTP_URL": mail,
        "DIGEST_CUT_AT": f"{clock.now():%H}:00",
        "DIGEST_WEB_PORT": str(processes.free_port()),
        "DIGEST_HUGGINGFACE_URL": nobody,
        "DIGEST_ARXIV_URL": nobody,
        "DIGEST_ARXIV_FEED_URL": nobody,
        "DIGEST_HACKERNEWS_URL": nobody,
    }


def _family(pid: int) -> list[int]:
    return [pid, *(each for child in children(pid) for each in _family(child))]


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().split()
    return " ".join(Path(word).name for word in words if not word.startswith("-"))[-40:]


if __name__ == "__main__":
    parser = command("memory", __doc__)
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--idle", type=float, default=_IDLE_SECONDS, help="seconds after the last message")
    run(parser.parse_args(), measure, lambda results: results["total_mb"] <= MOST_MB)
