"""Subscribers over time: the days of both databases are counted in UTC."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine, delete, update

from digest.database.engine import read_only, transaction
from digest.database.tables import subscribers
from digest.subscribers import growth as module
from digest.subscribers.growth import count_days, growth, quick_growth, store_days
from digest.subscribers.subscriber import Period
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
        counted = growth(connection, Period.DAY, date(2026, 2, 28), date(2026, 3, 3))
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


def test_a_page_of_many_subscribers_shows_what_the_scheduler_counted(engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(module, "COUNTED_AT_ONCE", 1)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    people = [add_subscriber(engine, f"{name}@example.com", confirmed_at=at) for name in ("ada", "bob")]
    first, last = date(2026, 3, 1), date(2026, 3, 2)

    def totals() -> list[int]:
        with read_only(engine) as connection:
            return [row.total for row in quick_growth(connection, Period.DAY, first, last).rows]

    def count(now: datetime) -> None:
        with transaction(engine) as connection:
            store_days(connection, count_days(connection), now)

    assert totals() == [2, 2], "counted now, while nothing is stored"
    count(at)
    unsubscribe(engine, people[0].id, datetime(2026, 3, 2, tzinfo=UTC), "page")
    assert totals() == [2, 2]
    count(at + timedelta(hours=1))
    assert totals() == [2, 1]
    with read_only(engine) as connection:
        stored = quick_growth(connection, Period.DAY, first, last)
        exact = growth(connection, Period.DAY, first, last)
    assert (stored.counted_at, exact.counted_at) == (at + timedelta(hours=1), None)
    assert (stored.rows, stored.now) == (exact.rows, exact.now)


def test_a_day_that_no_longer_counts_anybody_is_forgotten(engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(module, "COUNTED_AT_ONCE", 0)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for name, day in (("ada", 1), ("bob", 2)):
        add_subscriber(engine, f"{name}@example.com", confirmed_at=at.replace(day=day))
    with transaction(engine) as connection:
        connection.execute(update(subscribers).values(created_at=subscribers.c.confirmed_at))
        store_days(connection, count_days(connection), at)
        connection.execute(delete(subscribers).where(subscribers.c.email == "ada@example.com"))
        store_days(connection, count_days(connection), at + timedelta(hours=1))
    with read_only(engine) as connection:
        rows = quick_growth(connection, Period.DAY, date(2026, 3, 1), date(2026, 3, 2)).rows
    assert [(row.signed_up, row.confirmed) for row in rows] == [(0, 0), (1, 1)]
