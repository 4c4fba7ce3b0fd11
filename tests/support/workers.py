"""Workers for tests: real journals in the test's folder, and nothing that slows them down."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from digest.issues.selection import IssueCache
from digest.ledger.deliveries import Shares
from digest.mail.compose.composer import Composer
from digest.mail.compose.context import MailContext
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.outcome import Receipt
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.mail.throttle import Throttle
from digest.smtp import Sender
from tests.support.scenario import desk


class Unlimited(Throttle):
    """Lets everything go, whatever the mail server says."""

    def __init__(self) -> None:
        pass

    def why_paused(self, now: datetime) -> str:
        return ""

    def day_began(self, now: datetime) -> datetime | None:
        return None

    def claim_limit(self, limit: int) -> int:
        return limit

    def shares(self, limit: int, now: datetime) -> Shares:
        return Shares(limit, limit, limit)

    def admit(self, addresses: Sequence[str], now: datetime, requested: Collection[int] = ()) -> list[timedelta]:
        return [timedelta()] * len(addresses)

    def paused_meanwhile(self, addresses: Sequence[str], now: datetime) -> list[bool]:
        return [False] * len(addresses)

    def record(self, responses: Sequence[tuple[str, Receipt]], now: datetime, requested: Collection[int] = ()) -> None:
        pass


class Shared(Sender):
    """Connections that several workers use one after another; the test closes them."""

    def __init__(self, sender: Sender) -> None:
        self.submit = sender.submit  # type: ignore[method-assign]

    def close(self, patience: float = 0) -> None:
        pass


def postman(
    engine: Engine,
    sender: Sender,
    folder: Path,
    now: Callable[[], datetime],
    name: str = "one",
    desk_: MailContext | None = None,
    hold: bool = False,
    throttle: Throttle | None = None,
) -> DeliveryWorker:
    """One worker. Its journal is in `folder`, and deleted when the worker is closed."""
    journal = Journal(folder, name)
    context = desk_ or desk()
    issues = IssueCache(engine, context.renderer.languages)
    composer = Composer(engine, context, journal.making, issues)
    limits = throttle or Unlimited()
    settings = WorkerSettings(name, hold, now)
    return DeliveryWorker(engine, Shared(sender), composer, limits, journal, settings)
