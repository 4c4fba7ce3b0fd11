"""The events that other programs get, after the product's own actions."""

from datetime import timedelta

from sqlalchemy import func, select, update

from digest.bounces.report import ReportKind
from digest.database.engine import read_only, transaction
from digest.database.tables import metadata, webhook_endpoints, webhook_events
from digest.issues import first_issue
from digest.issues.publish import halt
from digest.ledger import totals
from digest.ledger.kinds import IssueStatus
from digest.monitoring.retention.run import delete_old
from digest.settings import Settings
from digest.subscribers import subscriptions
from digest.subscribers.imports import Import, import_rows
from tests.bounces.builders import post as post
from tests.mail.delivery.builders import hands as hands
from tests.monitoring.webhooks.conftest import NOW, add_endpoint
from tests.support.scenario import DAY, ON_SQLITE, SECRET, add_papers, add_subscriber, cut
from tests.support.smtp_server import Step
from workers.scheduler import Jobs

ADDRESS = "zora.quist@zephyrine.example"


def told(engine):
    """The types of the stored events, oldest first."""
    with read_only(engine) as connection:
        return list(connection.scalars(select(webhook_events.c.type).order_by(webhook_events.c.id)))


def test_each_change_of_a_subscription_is_told_once(engine, send, receiver):
    add_endpoint(engine, receiver.url)
    ada = add_subscriber(engine, ADDRESS, confirmed_at=None)
    assert told(engine) == [], "a request is not a subscription"
    for _ in range(2):
        first_issue.confirm(engine, ada.id, "192.0.2.1", NOW)
        first_issue.confirm(engine, ada.id, "192.0.2.1", NOW)
        subscriptions.unsubscribe(engine, ada.id, NOW, "page")
        subscriptions.unsubscribe(engine, ada.id, NOW, "page")
        subscriptions.resubscribe(engine, ada.id, NOW)
        subscriptions.resubscribe(engine, ada.id, NOW)
    subscriptions.unsubscribe_confirmed(engine, [ada.id], NOW, "one click")
    subscriptions.resubscribe_with_consent(engine, ada.id, "a letter", NOW)
    on, off = "subscriber.subscribed", "subscriber.unsubscribed"
    assert told(engine) == [on, off, on, off, on, off, on]
    send()
    assert [document["data"] for document in receiver.documents] == [
        {"subscriber": {"id": ada.id, "email": ADDRESS}}
    ] * 7


@ON_SQLITE
def test_a_request_that_is_withdrawn_or_forgotten_is_nobodys_business(engine):
    add_endpoint(engine, "https://example.org/")
    ada = add_subscriber(engine, ADDRESS, confirmed_at=None)
    subscriptions.unsubscribe(engine, ada.id, NOW, "page")
    add_subscriber(engine, "eve@example.org", confirmed_at=None)
    subscriptions.purge_pending(engine, NOW + timedelta(days=30))
    assert told(engine) == []


def test_each_imported_subscriber_is_told_of(engine):
    add_endpoint(engine, "https://example.org/")
    rows = [[("email", f"s{number}@example.org")] for number in range(5)] + [
        [("email", "left@example.org"), ("status", "unsubscribed")]
    ]
    import_rows(engine, rows, Import("old list", NOW, SECRET))
    assert told(engine) == ["subscriber.subscribed"] * 5


def test_a_refusal_by_the_mail_server_is_told_with_its_words(engine, hands, smtp_server, send, receiver, clock):
    add_endpoint(engine, receiver.url, "message.bounced")
    add_papers(engine, range(3))
    ada = add_subscriber(engine, ADDRESS)
    add_subscriber(engine, "eve@example.org")
    cut(engine)
    smtp_server.always(Step.RCPT, "550 5.1.1 no such user", to=ADDRESS)
    hands.deliver()
    hands.deliver("two")
    clock.move_to(hands.at)
    send()
    (document,) = receiver.documents
    message = document["data"].pop("message")
    assert message.pop("message_id").endswith("@example.org")
    assert message == {"kind": "digest", "date": str(DAY)}
    assert document["data"] == {
        "subscriber": {"id": ada.id, "email": ADDRESS},
        "reply": {"code": 550, "enhanced": "5.1.1", "text": "5.1.1 no such user"},
        "bounce": "refused",
    }


def test_the_event_of_a_message_that_comes_back_later_has_the_text_of_the_report(post, send, receiver, clock):
    add_endpoint(post.engine, receiver.url, "message.bounced")
    ada = add_subscriber(post.engine, ADDRESS)
    post.send()
    post.accept(post.report(ADDRESS, ReportKind.SOFT, diagnostic="452 mailbox full"))
    clock.move_to(post.hands.at)
    send()
    (document,) = receiver.documents
    assert document["data"]["subscriber"] == {"id": ada.id, "email": ADDRESS}
    assert document["data"]["reply"] == {"code": None, "enhanced": "4.2.2", "text": "452 mailbox full"}
    assert document["data"]["bounce"] == "soft"


def test_a_cut_and_the_end_of_its_sending_are_told_within_a_minute_and_once(
    engine, hands, smtp_server, send, receiver, database_url, monkeypatch
):
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    jobs = Jobs(Settings(), engine)
    add_endpoint(engine, receiver.url, "issue.cut", "issue.finished")
    add_papers(engine, range(3))
    for number in range(3):
        add_subscriber(engine, f"s{number}@example.org")
    cut(engine)
    jobs.finish()
    assert told(engine) == ["issue.cut"]
    hands.deliver()
    jobs.finish()
    jobs.finish()
    new = add_subscriber(engine, "new@example.org", confirmed_at=None)
    first_issue.confirm(engine, new.id, "", NOW)
    hands.deliver("two")
    jobs.finish()
    send()
    about = {"date": str(DAY), "kind": "daily"}
    assert [document["data"] for document in receiver.documents] == [
        {"issue": about, "candidates": 3},
        {"issue": about | {"status": "running"}, "messages": {"accepted": 3}},
    ]


@ON_SQLITE
def test_a_cancelled_issue_is_finished_as_well(engine, send, receiver):
    add_endpoint(engine, receiver.url, "issue.finished")
    add_papers(engine, range(3))
    add_subscriber(engine, ADDRESS)
    issue = cut(engine)
    halt(engine, DAY, IssueStatus.CANCELLED, NOW)
    with transaction(engine) as connection:
        assert totals.announce_finished(connection, issue.issue_id, NOW)
        assert not totals.announce_finished(connection, issue.issue_id, NOW), "by another scheduler"
    send()
    assert receiver.documents[0]["data"]["issue"]["status"] == "cancelled"
    assert receiver.documents[0]["data"]["messages"] == {"skipped": 1}


def test_after_a_deletion_the_outbox_names_nobody_and_nothing_that_is_sent_does(
    engine, hands, smtp_server, send, receiver
):
    add_endpoint(engine, receiver.url)
    receiver.answer = lambda document: (500, {}, f"who is {document['data'].get('subscriber')}?".encode())
    add_papers(engine, range(3))
    ada = add_subscriber(engine, ADDRESS)
    cut(engine)
    smtp_server.always(Step.RCPT, f"550 5.1.1 <{ADDRESS}> is unknown", to=ADDRESS)
    hands.deliver()
    send()
    with read_only(engine) as connection:
        assert "zora" in repr(connection.execute(select(webhook_events)).all()), "an answer repeats the address"
    subscriptions.erase(engine, ada.id, NOW)
    with read_only(engine) as connection:
        assert "zora" not in repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])
    before = len(receiver.requests)
    receiver.answer = lambda _: (204, {}, b"")
    with transaction(engine) as connection:
        connection.execute(webhook_events.update().values(next_attempt_at=NOW))
    send()
    later = receiver.documents[before:]
    assert {document["type"] for document in later} == {
        "subscriber.subscribed",
        "message.bounced",
        "issue.cut",
        "subscriber.unsubscribed",
    }
    assert [document for document in later if "zora" in repr(document)] == []
    (left,) = (document["data"] for document in later if document["type"] == "subscriber.unsubscribed")
    assert left == {"subscriber": {"id": ada.id, "email": None}}


@ON_SQLITE
def test_events_are_deleted_a_month_after_their_end(engine, send, receiver):
    add_endpoint(engine, receiver.url)
    add_subscriber(engine, ADDRESS)
    send()
    month = timedelta(days=30)
    for later, kept in ((month - timedelta(hours=1), 1), (month + timedelta(hours=1), 0)):
        delete_old(engine, Settings(), NOW + later)
        with read_only(engine) as connection:
            assert connection.scalar(select(func.count()).select_from(webhook_events)) == kept


@ON_SQLITE
def test_events_of_a_disabled_endpoint_are_deleted_a_month_later_without_an_end(engine):
    add_endpoint(engine, "http://127.0.0.1:9")
    add_subscriber(engine, ADDRESS)
    with transaction(engine) as connection:
        connection.execute(update(webhook_endpoints).values(disabled_at=NOW))
    for days, is_kept in ((29, True), (31, False)):
        delete_old(engine, Settings(), NOW + timedelta(days=days))
        with read_only(engine) as connection:
            assert bool(connection.scalar(select(func.count()).select_from(webhook_events))) == is_kept


def test_without_endpoints_nothing_is_stored(engine):
    add_subscriber(engine, ADDRESS)
    assert told(engine) == []
