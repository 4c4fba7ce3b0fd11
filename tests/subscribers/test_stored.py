"""Everything stored about subscribers can be exported and deleted, on both databases."""

import json
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import deliveries
from digest.issues import first_issue
from digest.issues.personal_data import export
from digest.ledger import events
from digest.ledger.kinds import SuppressionReason
from digest.subscribers import store, subscriptions
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import suppress
from tests.support.page_actions import (
    ADDRESS,
    DAY,
    HOUR,
    KEY,
    NOW,
    SECRET,
    confirmed,
    cut,
    mails,
    subscribe,
    the_subscriber,
)
from tests.support.scenario import add_subscriber


def test_a_subscriber_can_see_everything_that_is_stored(engine: Engine) -> None:
    cut(engine, date(2026, 11, 23), NOW)
    subscriber = confirmed(engine)
    stored = export(engine, subscriber.id)
    assert stored is not None
    assert json.loads(json.dumps(stored)) == stored
    assert stored["subscriber"]["email"] == ADDRESS
    assert stored["subscriber"]["preferences"]["weekdays"] == [0, 1, 2, 3, 4, 5, 6]
    assert [mail["kind"] for mail in stored["mails"]] == ["confirmation", "digest"]
    assert [event["what"] for event in stored["events"]] == ["confirmed", "asked to subscribe"]


def test_after_a_deletion_nothing_names_the_subscriber(engine: Engine) -> None:
    cut(engine, date(2026, 11, 23), NOW)
    subscriber = confirmed(engine)
    with transaction(engine) as connection:
        connection.execute(update(deliveries).values(reply_text=f"250 ok {ADDRESS}"))
        suppress(connection, KEY, SuppressionReason.REFUSED, f"550 <{ADDRESS}> unknown", NOW)
    assert subscriptions.erase(engine, subscriber.id, NOW)
    assert not subscriptions.erase(engine, subscriber.id, NOW)
    assert export(engine, subscriber.id) is None
    assert len(mails(engine)) == 2, "the ledger keeps the deliveries"
    assert ADDRESS not in dump(engine)


def test_signing_up_again_after_a_deletion_brings_no_second_copy(engine: Engine) -> None:
    cut(engine, date(2026, 11, 23), NOW)
    subscriber = confirmed(engine)
    subscriptions.erase(engine, subscriber.id, NOW)
    subscribe(engine, NOW + 25 * HOUR)
    first_issue.confirm(engine, the_subscriber(engine).id, "", NOW + 25 * HOUR)
    assert [kind for kind, _ in mails(engine)] == ["confirmation", "digest", "confirmation"]


def test_subscribers_who_never_confirm_are_deleted_after_a_week(engine: Engine) -> None:
    subscribe(engine)
    assert subscriptions.purge_pending(engine, NOW + 7 * DAY) == 0
    assert subscriptions.purge_pending(engine, NOW + 7 * DAY + HOUR) == 1
    with read_only(engine) as connection:
        assert list(store.with_status(connection)) == []
        assert connection.execute(select(deliveries.c.subscriber_id)).scalar_one() is None


def test_only_who_never_confirmed_is_purged(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscriptions.unsubscribe(engine, subscriber.id, NOW, "test")
    subscribe(engine, address="eve@example.org")
    subscriptions.unsubscribe(engine, the_subscriber(engine, recipient_key("eve@example.org", SECRET)).id, NOW, "test")
    assert subscriptions.purge_pending(engine, NOW + 90 * DAY) == 1
    with read_only(engine) as connection:
        assert [row.id for row in store.with_status(connection)] == [subscriber.id]


def test_no_event_holds_an_address(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscribe(engine, NOW + HOUR)
    subscriptions.mail_link(engine, ADDRESS, NOW, SECRET)
    subscriptions.mail_link(engine, "nobody@example.org", NOW, SECRET)
    subscriptions.unsubscribe(engine, subscriber.id, NOW, "test")
    subscriptions.resubscribe(engine, subscriber.id, NOW)
    subscriptions.erase(engine, subscriber.id, NOW)
    with read_only(engine) as connection:
        logged = events.latest(connection, 100)
    assert [event.subject == f"subscriber:{KEY}" for event in logged].count(True) == 7
    assert "example.org" not in repr(logged)


def test_nothing_is_stored_when_queueing_fails(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(subscriptions, "queue_delivery", full)
    with pytest.raises(OSError, match="disk full"):
        subscribe(engine)
    with read_only(engine) as connection:
        assert store.by_key(connection, KEY) is None


def dump(engine: Engine) -> str:
    from digest.database.tables import metadata

    with read_only(engine) as connection:
        return repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])


def test_a_list_of_subscribers_is_read_through_a_cursor_of_the_server(postgresql_url: str) -> None:
    engine = connect(postgresql_url)
    for name in ("ada", "bob"):
        add_subscriber(engine, f"{name}@example.com")
    with read_only(engine) as connection:
        listed = store.with_status(connection)
        assert next(listed).email == "ada@example.com"
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_cursors").scalar() == 1
        assert [subscriber.email for subscriber in listed] == ["bob@example.com"]
    engine.dispose()
