"""Processes messages: each report in a separate transaction, so that its source may then delete the message."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from digest.bounces.domains.reading import domain_summaries
from digest.bounces.domains.store import store
from digest.bounces.effects import Acceptance, accept
from digest.bounces.reading import is_automatic, read
from digest.bounces.report import Report
from digest.database.engine import transaction


@dataclass(frozen=True)
class Taker:
    """Processes messages from every source. `keys` sign tokens, newest first."""

    engine: Engine
    keys: tuple[bytes, ...]
    now: Callable[[], datetime]

    def message(self, message: bytes, way: str, return_path: str | None = None) -> list[Acceptance]:
        """Process a message; if this raises, try again later. `return_path`: the envelope recipient of the message."""
        if summaries := domain_summaries(message):
            with transaction(self.engine) as connection:
                store(connection, summaries, self.now())
            return []
        return self.reports(read(message, return_path=return_path), way, is_automatic(message))

    def reports(self, reports: Iterable[Report], way: str, automatic: bool = True) -> list[Acceptance]:
        outcomes = []
        for report in reports:
            with transaction(self.engine) as connection:
                outcomes.append(accept(connection, report, way, self.keys, self.now(), automatic))
        return outcomes
