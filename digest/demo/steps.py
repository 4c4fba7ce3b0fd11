"""The steps of the demo while its programs run: database, papers, today's issue, subscribers, digests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from digest import clock, wiring
from digest.database.engine import read_only
from digest.database.migrate import migrate
from digest.demo import papers as demo_papers
from digest.demo import subscribers
from digest.issues.publish import Published, publish
from digest.ledger.deliveries import count_accepted
from digest.ledger.kinds import Kind
from digest.run import processes
from digest.run.maildir import messages
from digest.run.parts import wait_for_port
from digest.run.supervisor import StepFailed, Supervisor
from digest.settings import Settings

_MESSAGE_SECONDS = 30.0  # for one message, which usually takes one


@contextmanager
def database(own: Settings) -> Iterator[Engine]:
    """The demo's fresh database."""
    migrate(own.database)
    engine = wiring.engine(own)
    try:
        yield engine
    finally:
        engine.dispose()


def publish_today(engine: Engine, own: Settings) -> tuple[str, Published]:
    """Today's issue, and where its papers came from: "live" or "bundled". Raises StepFailed without papers."""
    source = demo_papers.fill(engine, own, clock.now())
    issue = publish(engine, wiring.plan(own), clock.now().date(), clock.now())
    if not issue.papers:
        raise StepFailed("the issue has no papers")
    return source, issue


def sign_up(programs: Supervisor, own: Settings) -> None:
    """Sign up and confirm the demo subscribers. Raises StepFailed."""
    wait_for_port(programs, own.web_port)
    with _failing_with_logs(own):
        subscribers.sign_up(own.public_url, _inbox(own), _MESSAGE_SECONDS, programs.check)


def wait_for_digests(programs: Supervisor, own: Settings, engine: Engine) -> tuple[int, int]:
    """The digests accepted by the ledger, and those in the inbox. Raises StepFailed."""
    with _failing_with_logs(own):
        subscribers.wait_for_digests(_inbox(own), _MESSAGE_SECONDS, programs.check)
    # The mail server has a message a moment before the ledger records it.
    processes.wait_until(lambda: _accepted(engine) >= len(subscribers.SUBSCRIBERS), seconds=5)
    return _accepted(engine), sum(message.kind == Kind.DIGEST for message in messages(_inbox(own)))


def _accepted(engine: Engine) -> int:
    with read_only(engine) as connection:
        return count_accepted(connection, Kind.DIGEST)


@contextmanager
def _failing_with_logs(own: Settings) -> Iterator[None]:
    try:
        yield
    except subscribers.SignUpFailed as problem:
        raise StepFailed(f"{problem}; the logs are in {own.data_dir / 'logs'}") from None


def _inbox(own: Settings) -> Path:
    if own.inbox_dir is None:
        raise ValueError("the demo needs an inbox")
    return own.inbox_dir
