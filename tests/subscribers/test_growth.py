"""Subscribers over time: the days of both databases are counted in UTC."""

from datetime import UTC, date, datetime

from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.subscribers.growth import growth
from digest.subscribers.subscriptions import say_why, unsubscribe
from digest.subscribers.suppressions import all_suppressions, suppress_by_hand
from tests.support.scenario import add_subscriber


def test_those_who_left_lower_the_total_of_their_day(engine: Engine) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    add_subscriber(engine, "ada@example.com", confirmed_at=midnight)
    bob = add_subscriber(engine, "bob@example.com", confirmed_at=datetime(2026, 2, 28, 23, 59, tzinfo=UTC))
    at = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
    unsubscribe(engine, bob.id, at, "page")
    say_why(engine, bob.id, "no time", "", at)
    with read_only(engine) as connection:
        counted = growth(connection, "day", date(2026, 2, 28), date(2026, 3, 3))
    assert [(row.confirmed, row.left, row.total) for row in counted.rows] == [
        (1, 0, 1),
        (1, 0, 2),
        (0, 1, 1),
        (0, 0, 1),
    ]
    assert (counted.reasons, counted.now) == ({"no time": 1}, {"confirmed": 1, "unsubscribed": 1})


def test_a_suppression_shows_the_address_of_a_subscriber_alone(engine: Engine) -> None:
    ada = add_subscriber(engine, "ada@example.com")
    for key in (ada.key, "0" * 32):
        suppress_by_hand(engine, key, "asked by phone", datetime(2026, 3, 1, tzinfo=UTC))
    with transaction(engine) as connection:
        listed = {row.key: row.address for row in all_suppressions(connection)}
    assert listed == {ada.key: "ada@example.com", "0" * 32: None}
