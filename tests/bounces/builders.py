"""Real messages with their own envelope senders, and the reports that mail servers would send about them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from digest.bounces.effects import Acceptance, accept
from digest.bounces.report import Report, ReportKind
from digest.database.engine import read_only, transaction
from digest.database.tables import suppressions
from digest.mail.compose.context import MailContext, issue_settings
from digest.subscribers.subscriber import Subscriber
from tests.mail.delivery.builders import SEVEN, Hands
from tests.support.scenario import DAY, LOOK, PLAN, SECRET, SENDERS, add_papers, add_subscriber, cut, desk
from tests.support.smtp_server import SmtpServer, Taken

SIGNING: MailContext = replace(
    desk(), senders=replace(SENDERS, signs_reverse_path=True, unsubscribe_address="unsubscribe@example.org")
)

_PLAN = replace(PLAN, settings=issue_settings(LOOK, SIGNING.senders, (SECRET,), ()))


@dataclass
class Post:
    """An installation whose messages can be reported."""

    engine: Engine
    hands: Hands
    server: SmtpServer

    def send(self, day: int = 0) -> None:
        """Cut the issue of a day and deliver it."""
        self.hands.at = SEVEN + timedelta(days=day)
        seen_at = self.hands.at - timedelta(hours=3)
        add_papers(self.engine, range(10 * day, 10 * day + 5), seen_at=seen_at, listed_at=seen_at)
        cut(self.engine, DAY + timedelta(days=day), plan=_PLAN)
        self.hands.deliver(desk_=SIGNING)

    def message(self, address: str) -> Taken:
        """The last message to an address."""
        return self.server.taken_for(address)[-1]

    def report(self, address: str, kind: ReportKind = ReportKind.HARD, **changes: Any) -> Report:
        """Return a report about the last message to the address."""
        status = {ReportKind.HARD: "5.1.1", ReportKind.SOFT: "4.2.2"}.get(kind)
        report = Report(kind, status, address, "550 no such user", self.message(address).mail_from)
        return replace(report, **changes)

    def accept(self, report: Report, now: datetime | None = None, **how: Any) -> Acceptance:
        with transaction(self.engine) as connection:
            return accept(connection, report, "maildir", [SECRET], now or self.hands.at, **how)

    def suppression(self, subscriber: Subscriber) -> tuple[str, str, str, datetime | None] | None:
        """Return the reason, detail, source and end."""
        columns = [suppressions.c[name] for name in ("reason", "detail", "source", "expires_at")]
        with read_only(self.engine) as connection:
            row = connection.execute(select(*columns).where(suppressions.c.key == subscriber.key)).one_or_none()
        return tuple(row) if row else None


@pytest.fixture
def post(engine: Engine, smtp_server: SmtpServer, tmp_path: Any) -> Iterator[Post]:
    hands = Hands(engine, smtp_server, tmp_path / "journal")
    yield Post(engine, hands, smtp_server)
    hands.sender.close()


def subscribe(post: Post, *addresses: str) -> list[Subscriber]:
    return [add_subscriber(post.engine, address) for address in addresses]
