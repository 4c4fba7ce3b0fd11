"""Papers for the demo: live ones where the sources answer within seconds, else the bundled sample."""

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
_PATIENCE = 6.0  # seconds for all sources together
_PATIENCE_WITH_ONE = 3.0  # for one answer
_ENOUGH = 40  # papers make an issue to look at; more come with the next collecting


def fill(engine: Engine, own: Settings, now: datetime) -> str:
    """Store papers and say where they came from: "live" or "bundled"."""
    say(f"Reading {' and '.join(own.sources)} …")
    found = _live(engine, own, now)
    if found:
        say(f"{found} papers came in.")
        return LIVE
    say("The sources cannot be reached from here: the bundled sample of papers takes their place.")
    store_sample(engine, now)
    return BUNDLED


def _live(engine: Engine, own: Settings, now: datetime) -> int:
    """How many papers the sources brought within the time that a demo has."""
    # Collecting is patient and asks again; whoever waits for a demo is not. The threads die with the process.
    answering: list[str] = []
    asked = [threading.Thread(target=_ask, args=(url, answering), daemon=True) for url in _addresses(own)]
    for one in asked:
        one.start()
    processes.wait_until(
        lambda: bool(answering) or not any(one.is_alive() for one in asked), seconds=_PATIENCE_WITH_ONE
    )
    if not answering:
        return 0
    hasty = own.model_copy(update={"source_timeout_seconds": _PATIENCE_WITH_ONE})
    reader = threading.Thread(target=_collect, args=(engine, hasty, now), daemon=True)
    reader.start()
    processes.wait_until(
        lambda: not reader.is_alive() or _stored(engine, own, now) >= _ENOUGH, seconds=_PATIENCE, every=0.2
    )
    return _stored(engine, own, now)


def _addresses(own: Settings) -> list[str]:
    of_source = {"huggingface": own.huggingface_url, "arxiv": own.arxiv_url}  # those that list papers
    return [of_source[name] for name in own.sources if name in of_source]


def _ask(url: str, answering: list[str]) -> None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with suppress(OSError), socket.create_connection((parts.hostname, port), timeout=_PATIENCE_WITH_ONE):
        answering.append(url)


def _collect(engine: Engine, own: Settings, now: datetime) -> None:
    collect_recent(engine, wiring.sources(own, engine), now, own.pool_days)


def _stored(engine: Engine, own: Settings, now: datetime) -> int:
    with read_only(engine) as connection:
        return len(pool(connection, now - timedelta(days=own.pool_days), now))
