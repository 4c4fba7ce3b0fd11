"""The steps of the demo while its programs run: database, papers, today's issue, digests."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine, delete

from digest import clock, wiring
from digest.database.engine import read_only, transaction
from digest.database.tables import collections
from digest.demo.sample import store_sample
from digest.issues.publish import Published, publish
from digest.language import _
from digest.ledger.kinds import Kind
from digest.ledger.listings import count_accepted
from digest.papers.collecting import collect_recent
from digest.run import processes
from digest.run.maildir import messages
from digest.run.supervisor import RunFailed, say
from digest.settings import Settings

_ANSWER_SECONDS = 2.5  # for one answer of a source; without a network, each gives up after two
_SAMPLE = _("This is a sample: the sources couldn’t be reached, so these papers and their votes are from May 2026.")
_SOURCES_SECONDS = 6.0  # for all sources together


def publish_today(engine: Engine, own: Settings) -> tuple[str, Published]:
    """Today's issue, and where its papers came from: "live" or "bundled". Raises RunFailed without papers."""
    source = _store_papers(engine, own)
    plan = replace(wiring.plan(own), about=(_SAMPLE,) if source == "bundled" else ())
    issue = publish(engine, plan, clock.now().date(), clock.now())
    if not issue.papers:
        raise RunFailed("the issue has no papers")
    return source, issue


def count_digests(engine: Engine, inbox: Path, expected: int) -> tuple[int, int]:
    """The digests accepted by the ledger, and those in the inbox."""
    # The mail server has a message a moment before the ledger records it.
    processes.wait_until(lambda: _accepted(engine) >= expected, seconds=5)
    return _accepted(engine), sum(message.kind == Kind.DIGEST for message in messages(inbox))


def _store_papers(engine: Engine, own: Settings) -> str:
    """Live papers if the sources answer within seconds, otherwise the bundled sample."""
    say(f"Reading {' and '.join(own.sources)} …")
    hasty = own.model_copy(update={"source_timeout_seconds": _ANSWER_SECONDS})
    now = clock.now()
    runs = collect_recent(engine, wiring.sources(hasty, engine), now, own.pool_days, patience=_SOURCES_SECONDS)
    if papers := sum(run.new for run in runs):
        say(f"{papers} papers read.")
        return "live"
    say("The sources cannot be reached; using the bundled sample.")
    with transaction(engine) as connection:
        connection.execute(delete(collections))  # the issue of the sample is complete: no source is missing from it
    store_sample(engine, now)
    return "bundled"


def _accepted(engine: Engine) -> int:
    with read_only(engine) as connection:
        return count_accepted(connection, Kind.DIGEST)
