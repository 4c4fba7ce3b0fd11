"""A small world for tests: papers, subscribers and issues in a database; what a test leaves out gets fitting values."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import ColumnElement, Connection, Engine, select, true, update

from digest.database.engine import transaction
from digest.database.tables import deliveries, issues
from digest.issues.issue import Plan
from digest.issues.publish import Published, publish
from digest.language import Languages
from digest.ledger.totals import store_totals
from digest.mail.compose.context import MailContext, issue_settings
from digest.mail.compose.render import Renderer
from digest.mail.message import Branding, Senders
from digest.papers.paper import Paper, Votes
from digest.papers.ranking import RankingWeights
from digest.papers.store import keep_papers, keep_votes
from digest.resources import resource
from digest.subscribers import store
from digest.subscribers.subscriber import Consent, Preferences, Subscriber, recipient_key

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # for what no database changes
DAY = date(2026, 3, 4)  # a Wednesday
CUT = time(6, 0)
MORNING = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
SECRET = b"a-secret-of-at-least-thirty-two-characters"
LOOK = Branding("Daily Papers", "https://papers.example.org", postal_address="1 Lab Street, Ghent", contact="")
SENDERS = Senders(
    bulk="Daily Papers <papers@example.org>",
    transactional="Daily Papers <hello@example.org>",
    reply_to="",
    reverse_path="bounces@example.org",
)
LANGUAGES = Languages(resource("locale"))
PLAN = Plan(CUT, 5, 200, RankingWeights(), issue_settings(LOOK, SENDERS, (SECRET,), ()), LANGUAGES)


def desk() -> MailContext:
    """A context for composing."""
    return MailContext(Renderer(resource("templates"), LANGUAGES), LOOK, SENDERS, (SECRET,))


def paper(number: int, **fields: object) -> Paper:
    """A paper; `number` makes it distinct."""
    default = Paper(
        id=f"2603.{number:05}",
        title=f"Paper number {number}",
        abstract=f"What paper {number} found out.",
        authors=("Ada Lovelace", "Alan Turing"),
        categories=("cs.LG",),
        listed_at=MORNING - timedelta(hours=6),
        url=f"https://arxiv.org/abs/2603.{number:05}",
    )
    return replace(default, **fields)  # type: ignore[arg-type]


def add_papers(
    engine: Engine, numbers: range, seen_at: datetime = MORNING - timedelta(hours=1), **fields: object
) -> None:
    """Papers with fewer votes the higher their number."""
    papers = [paper(number, **fields) for number in numbers]
    votes = [
        Votes(listed.id, "huggingface", seen_at, max(0, 200 - number))
        for number, listed in zip(numbers, papers, strict=True)
    ]
    with transaction(engine) as connection:
        keep_papers(connection, "huggingface", seen_at, papers)
        keep_votes(connection, votes)


def add_subscriber(
    engine: Engine, email: str, confirmed_at: datetime | None = MORNING - timedelta(days=3), **preferences: object
) -> Subscriber:
    """A confirmed subscriber, or a pending one with `confirmed_at=None`; the rest are preferences."""
    asked_at = MORNING - timedelta(days=4)
    consent = Consent(requested_at=asked_at, requested_from="", form="test")
    key = recipient_key(email, SECRET)
    chosen = Preferences(**preferences)  # type: ignore[arg-type]
    with transaction(engine) as connection:
        number = store.add_pending(connection, email, key, chosen, consent)
        assert number is not None
        if confirmed_at is not None:
            store.set_confirmed(connection, number, "", confirmed_at)
        subscriber = store.by_id(connection, number)
    assert subscriber is not None
    return subscriber


def change_deliveries(connection: Connection, which: ColumnElement[bool] | None = None, **values: object) -> None:
    """Change deliveries as no transition does (None: all), and the totals of their issues as transitions would."""
    connection.execute(update(deliveries).where(true() if which is None else which).values(values))
    for issue_id in connection.scalars(select(issues.c.id)).all():
        store_totals(connection, issue_id)


def cut(engine: Engine, day: date = DAY, now: datetime | None = None, plan: Plan = PLAN) -> Published:
    """The issue of `day`, cut at its time."""
    return publish(engine, plan, day, now or datetime.combine(day, CUT, tzinfo=UTC))
