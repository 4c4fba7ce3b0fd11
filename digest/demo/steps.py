"""What the demo does while its programs run: the database, papers, today's issue, the readers, their mails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from digest import clock, wiring
from digest.database.engine import read_only
from digest.database.migrate import migrate
from digest.demo import papers as demo_papers
from digest.demo import readers
from digest.issues.publish import Published, publish
from digest.ledger.deliveries import count_accepted
from digest.ledger.kinds import Kind
from digest.run import processes
from digest.run.maildir import mails
from digest.run.parts import wait_for_port
from digest.run.supervisor import StepFailed, Supervisor
from digest.settings import Settings

_PATIENCE = 30.0  # seconds for one mail, which usually takes one


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
    """Today's issue, and where its papers came from: "live" or "bundled". Raises StepFailed without any paper."""
    source = demo_papers.fill(engine, own, clock.now())
    issue = publish(engine, wiring.plan(own), clock.now().date(), clock.now())
    if not issue.papers:
        raise StepFailed("the issue holds no paper")
    return source, issue


def sign_up(programs: Supervisor, own: Settings) -> None:
    """Take the readers to their confirmed address. Raises StepFailed."""
    wait_for_port(programs, own.web_port)
    with _told_with_logs(own):
        readers.sign_up(own.public_url, _inbox(own), _PATIENCE, programs.check)


def wait_for_digests(programs: Supervisor, own: Settings, engine: Engine) -> tuple[int, int]:
    """How many digests the ledger has as accepted, and how many the mail server holds. Raises StepFailed."""
    with _told_with_logs(own):
        readers.wait_for_digests(_inbox(own), _PATIENCE, programs.check)
    # The mail server has a mail a moment before the ledger knows.
    processes.wait_until(lambda: _accepted(engine) >= len(readers.READERS), seconds=5)
    return _accepted(engine), sum(mail.kind == Kind.DIGEST for mail in mails(_inbox(own)))


def _accepted(engine: Engine) -> int:
    with read_only(engine) as connection:
        return count_accepted(connection, Kind.DIGEST)


@contextmanager
def _told_with_logs(own: Settings) -> Iterator[None]:
    try:
        yield
    except readers.LifeGotStuck as problem:
        raise StepFailed(f"{problem}; the logs are in {own.data_dir / 'logs'}") from None


def _inbox(own: Settings) -> Path:
    if own.inbox_dir is None:
        raise ValueError("the demo has an inbox")
    return own.inbox_dir
