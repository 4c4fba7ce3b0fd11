"""Papers for the demo: live if the sources answer within seconds, otherwise the bundled sample."""

import socket
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import Engine

from digest import wiring
from digest.database.engine import read_only
from digest.demo.sample import store_sample
from digest.papers.collecting import collect_recent
from digest.papers.store import pool
from digest.run import processes
from digest.run.supervisor import say
from digest.settings import Settings

LIVE, BUNDLED = "live", "bundled"
_SECONDS = 6.0  # for all sources together
_ANSWER_SECONDS = 3.0
_ENOUGH = 40  # papers, enough for an issue; the next reading brings more


def fill(engine: Engine, own: Settings, now: datetime) -> str:
    """Store papers; returns where they came from, "live" or "bundled"."""
    say(f"Reading {' and '.join(own.sources)} …")
    if papers := _live(engine, own, now):
        say(f"{papers} papers read.")
        return LIVE
    say("The sources cannot be reached; using the bundled sample.")
    store_sample(engine, now)
    return BUNDLED


def _live(engine: Engine, own: Settings, now: datetime) -> int:
    """Read the sources within the time that a demo can wait. Returns the number of papers."""
    # Collecting may retry for longer than a demo can wait. The threads end with the process.
    answering: list[str] = []
    probes = [threading.Thread(target=_probe, args=(url, answering), daemon=True) for url in _addresses(own)]
    for probe in probes:
        probe.start()
    processes.wait_until(
        lambda: bool(answering) or not any(probe.is_alive() for probe in probes), seconds=_ANSWER_SECONDS
    )
    if not answering:
        return 0
    hasty = own.model_copy(update={"source_timeout_seconds": _ANSWER_SECONDS})
    collecting = threading.Thread(target=_collect, args=(engine, hasty, now), daemon=True)
    collecting.start()
    processes.wait_until(
        lambda: not collecting.is_alive() or _stored(engine, own, now) >= _ENOUGH, seconds=_SECONDS, every=0.2
    )
    return _stored(engine, own, now)


def _addresses(own: Settings) -> list[str]:
    of_source = {"huggingface": own.huggingface_url, "arxiv": own.arxiv_url}  # those that list papers
    return [of_source[name] for name in own.sources if name in of_source]


def _probe(url: str, answering: list[str]) -> None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with suppress(OSError), socket.create_connection((parts.hostname, port), timeout=_ANSWER_SECONDS):
        answering.append(url)


def _collect(engine: Engine, own: Settings, now: datetime) -> None:
    collect_recent(engine, wiring.sources(own, engine), now, own.pool_days)


def _stored(engine: Engine, own: Settings, now: datetime) -> int:
    with read_only(engine) as connection:
        return len(pool(connection, now - timedelta(days=own.pool_days), now))
