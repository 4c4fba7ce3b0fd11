"""Postmen for tests: real journals in the test's folder, and nothing that slows them down."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from digest.issues.selection.history import IssueCache
from digest.mail.compose.composer import Composer
from digest.mail.compose.context import MailContext
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.worker import DeliveryWorker, SenderPort
from digest.smtp.envelope import Envelope, Receipt
from tests.support.scenario import desk


class Unlimited:
    """Flow control that lets everything go."""

    def halted(self, now: datetime) -> str:
        return ""

    def at_once(self, at_most: int) -> int:
        return at_most

    def admit(self, domains: Sequence[str], now: datetime) -> list[timedelta]:
        return [timedelta()] * len(domains)

    def learn(self, answers: Sequence[tuple[str, Receipt]], now: datetime) -> None:
        pass


@dataclass(frozen=True)
class Shared:
    """Connections that several postmen use one after another: who closes them is the test."""

    sender: SenderPort

    def submit(self, window: Sequence[Envelope], now: Callable[[], datetime]) -> Future[list[Receipt]]:
        return self.sender.submit(window, now)

    def close(self) -> None:
        pass


def postman(
    engine: Engine,
    sender: SenderPort,
    folder: Path,
    now: Callable[[], datetime],
    name: str = "one",
    desk_: MailContext | None = None,
    hold: bool = False,
) -> DeliveryWorker:
    """One worker. Its journal is in `folder`, and gone when the postman is closed."""
    journal = Journal(folder, name)
    context = desk_ or desk()
    issues = IssueCache(engine, context.renderer.languages)
    composer = Composer(engine, context, journal, issues)
    return DeliveryWorker(engine, Shared(sender), issues, composer, Unlimited(), journal, name, hold, now)
