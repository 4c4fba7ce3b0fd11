"""A subscriber, and short names for their actions on the pages."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine, select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues import first_issue
from digest.issues.issue import IssueSettings
from digest.issues.store import NewIssue, add_issue
from digest.ledger import events
from digest.papers.paper import Paper, RankedPaper
from digest.papers.score_terms import ScoreTerms
from digest.subscribers import store, subscriptions
from digest.subscribers.subscriber import Consent, Preferences, Subscriber, recipient_key

SECRET = b"a secret of at least thirty-two characters"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ADDRESS = "ada@example.org"
KEY = recipient_key(ADDRESS, SECRET)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def subscribe(engine: Engine, now: datetime = NOW, address: str = ADDRESS, wishes: Preferences | None = None) -> None:
    subscriptions.subscribe(engine, address, Consent(now, "0" * 32, "web 1"), SECRET, wishes)


def the_subscriber(engine: Engine, key: str = KEY) -> Subscriber:
    with read_only(engine) as connection:
        found = store.by_key(connection, key)
    assert found is not None
    return found


def confirmed(engine: Engine, now: datetime = NOW) -> Subscriber:
    subscribe(engine, now)
    found = first_issue.confirm(engine, the_subscriber(engine).id, "1" * 32, now)
    assert found is not None
    return found


def mails(engine: Engine) -> list[tuple[str, str]]:
    with read_only(engine) as connection:
        rows = connection.execute(select(deliveries.c.kind, deliveries.c.occasion).order_by(deliveries.c.id))
        return [(row.kind, row.occasion) for row in rows]


def happened(engine: Engine, key: str = KEY) -> list[str]:
    """Oldest first."""
    with read_only(engine) as connection:
        return [event.what for event in reversed(events.latest(connection, 100, f"subscriber:{key}"))]


def cut(engine: Engine, day: date, at: datetime) -> int:
    papers = [RankedPaper(1, Paper("2405.17247", "A paper"), 1.0, ScoreTerms(upvotes=3.0))]
    with transaction(engine) as connection:
        issue = add_issue(connection, NewIssue("daily", day, at, "f", {}, IssueSettings(), ""), papers)
    assert issue is not None
    return issue
