"""An installation on the morning of an issue that was cut and partly sent: something for each question of operators."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from digest.database.engine import transaction
from digest.database.tables import deliveries, subscribers
from digest.ledger.kinds import State
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.smtp import Sender, parse_relay
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.subscriptions import say_why, unsubscribe
from digest.subscribers.suppressions import suppress_by_hand
from tests.support.scenario import DAY, MORNING, SECRET, add_papers, add_subscriber, change_deliveries, cut
from tests.support.smtp_server import Step
from tests.support.workers import postman

NOW = MORNING + timedelta(hours=2)
YESTERDAY = DAY - timedelta(days=1)
LONG = "somebody.with.a.long.name." + "x" * 30 + "@an-institute-with-a-long-name.example.com"


def make_morning(engine: Engine, smtp_server, journal: Path) -> None:
    """Yesterday had no issue; today's was cut at six, and sent at NOW to those who were due."""
    add_papers(engine, range(12), title="A paper about graphs 图神经网络 " + "and more " * 20)
    _without_an_issue_yesterday(engine)
    _subscribe(engine)
    suppress_by_hand(engine, recipient_key("blocked@example.com", SECRET), "asked by phone", NOW)
    cut(engine)
    smtp_server.always(Step.RCPT, "550 5.1.1 no such user here", to=LONG)
    smtp_server.always(Step.RCPT, "451 4.7.1 try again later", to="slow@example.com")
    with Sender((parse_relay(smtp_server.url),), connections=1) as sender:
        worker = postman(engine, sender, journal, lambda: NOW)
        worker.deliver_due(100)
        worker.close()
    _change(engine, "bob@example.com", finished_at=NOW + timedelta(seconds=4))
    broken = {"state": State.QUARANTINED, "reason": "it cannot be composed", "finished_at": NOW, "reply_text": ""}
    _change(engine, "broken@example.com", reply_code=None, **broken)


def _subscribe(engine: Engine) -> None:
    names = ("ada", "bob", "slow", "broken", "blocked", "gone")
    people = {name: add_subscriber(engine, f"{name}@example.com") for name in names}
    add_subscriber(engine, LONG)
    add_subscriber(engine, "evening@example.com", hour=23)
    add_subscriber(engine, "weekend@example.com", weekdays=frozenset({5}))
    add_subscriber(engine, "paused@example.com", paused_until=DAY + timedelta(days=9))
    add_subscriber(engine, "new@example.com", confirmed_at=None)
    unsubscribe(engine, people["gone"].id, MORNING - timedelta(days=1), "page")
    say_why(engine, people["gone"].id, "too many", "", MORNING - timedelta(days=1))


def _without_an_issue_yesterday(engine: Engine) -> None:
    """The first issue was two days ago; yesterday the one source failed."""
    add_papers(engine, range(20, 23), MORNING - timedelta(days=3))
    cut(engine, DAY - timedelta(days=2))
    at = MORNING - timedelta(days=1) + timedelta(minutes=5)
    run = SourceRun("arxiv", YESTERDAY, at, SourceHealth.FAILING, 0, 0, (), "export.arxiv.org answered 503")
    with transaction(engine) as connection:
        record_run(connection, run)


def _change(engine: Engine, address: str, **values: object) -> None:
    with transaction(engine) as connection:
        subscriber_id = select(subscribers.c.id).where(subscribers.c.email == address).scalar_subquery()
        which = deliveries.c.subscriber_id == subscriber_id
        change_deliveries(connection, which, **values)
