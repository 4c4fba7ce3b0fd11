"""Sending webhooks to real receivers: nothing is lost, whoever is killed, and no endpoint waits for another."""

import json
import socket
import threading
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from multiprocessing import get_context

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook, WebhookVerificationError

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import webhook_endpoints, webhook_events
from digest.ledger.outbox import EventType, NewEvent, publish
from digest.monitoring.webhooks import events, sender
from digest.monitoring.webhooks.endpoints import enable, rotate, secret_of
from digest.monitoring.webhooks.events import DISABLED_AFTER, WAITS
from digest.monitoring.webhooks.sender import WebhookSender
from digest.subscribers import subscriptions
from tests.monitoring.webhooks.conftest import INSIDE, NOW, add_endpoint
from tests.support.scenario import ON_SQLITE, SECRET, add_papers, add_subscriber, cut
from tests.support.waiting import wait_for
from tests.support.webhook_receiver import receive_to, receiving


def tell(engine, *numbers, at=NOW):
    """Publish one event for each number."""
    with transaction(engine) as connection:
        publish(connection, EventType.ISSUE_CUT, at, [NewEvent({"number": number}) for number in numbers])


def rows(engine):
    with read_only(engine) as connection:
        return connection.execute(select(webhook_events).order_by(webhook_events.c.id)).all()


def endpoint_row(engine):
    with read_only(engine) as connection:
        return connection.execute(select(webhook_endpoints)).one()


def secrets_of(endpoint):
    return [secret_of(SECRET, salt) for salt in endpoint.salts]


def test_each_event_arrives_signed_at_the_endpoints_that_chose_it(engine, send, receiver):
    endpoint = add_endpoint(engine, receiver.url, "issue.cut")
    with receiving() as other:
        add_endpoint(engine, other.url, "issue.finished")
        tell(engine, 1, 2)
        send()
        assert other.requests == []
    assert [document["data"]["number"] for document in receiver.documents] == [1, 2]
    assert len(set(receiver.ids)) == 2
    (secret,) = secrets_of(endpoint)
    for headers, body in receiver.requests:
        assert Webhook(secret).verify(body, headers)["type"] == "issue.cut"
        with pytest.raises(WebhookVerificationError):
            Webhook(secret_of(SECRET, "another salt")).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body + b" ", headers)
    assert [(row.state, row.status, row.attempts) for row in rows(engine)] == [("delivered", 204, 1)] * 2
    send()
    assert len(receiver.requests) == 2


@ON_SQLITE
def test_after_a_rotation_both_secrets_verify_for_a_day(engine, send, receiver, clock):
    before = add_endpoint(engine, receiver.url)
    with transaction(engine) as connection:
        after = rotate(connection, before.id, NOW)
    old, new = secrets_of(before)[0], secrets_of(after)[0]
    assert old != new
    for hours, accepted in ((23, {old, new}), (25, {new})):
        clock.move_to(NOW + timedelta(hours=hours))
        tell(engine, hours)
        send()
        headers, body = receiver.requests[-1]
        assert len(headers["webhook-signature"].split()) == len(accepted)
        for secret in accepted:
            Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, headers)


def test_no_change_that_is_rolled_back_tells_anybody(engine, send, receiver):
    add_endpoint(engine, receiver.url)
    with transaction(engine) as connection:
        publish(connection, EventType.ISSUE_CUT, NOW, [NewEvent()])
        connection.rollback()
    send()
    assert (receiver.requests, rows(engine)) == ([], [])


# --- failures ---


@ON_SQLITE
def test_an_event_is_tried_for_three_days_with_the_same_id_and_then_fails(engine, send, receiver, clock):
    add_endpoint(engine, receiver.url)
    receiver.answer = lambda _: (500, {}, b"no\r\n  luck")
    tell(engine, 1)
    at = NOW
    for number, wait in enumerate((*WAITS, None), 1):
        send()
        (row,) = rows(engine)
        assert (row.attempts, row.status, row.answer) == (number, 500, "no luck")
        if wait:
            assert 0.9 * wait <= row.next_attempt_at - at <= 1.1 * wait + timedelta(seconds=5)
            at = row.next_attempt_at
            clock.move_to(at + timedelta(seconds=1))
    assert row.state == "failed"
    assert timedelta(days=2.8) < at - NOW < timedelta(days=4)
    assert len(set(receiver.ids)) == 1
    receiver.answer = lambda _: (200, {}, b"")
    with transaction(engine) as connection:
        assert events.replay_failed(connection, row.endpoint_id, NOW, at) == 1
        assert events.replay_failed(connection, row.endpoint_id, NOW, at) == 0
    clock.move_to(at + timedelta(hours=1))
    send()
    assert (rows(engine)[0].state, len(set(receiver.ids)), len(receiver.ids)) == ("delivered", 1, len(WAITS) + 2)


@ON_SQLITE
@pytest.mark.parametrize("status", [301, 302, 404, 500])
def test_only_2xx_is_a_success_and_no_redirect_is_followed(engine, send, receiver, status):
    add_endpoint(engine, receiver.url)
    receiver.answer = lambda _: (status, {"location": receiver.url}, b"")
    tell(engine, 1)
    send()
    assert (len(receiver.requests), rows(engine)[0].status, rows(engine)[0].state) == (1, status, "pending")


@ON_SQLITE
def test_retry_after_is_heeded_for_the_event_and_its_endpoint(engine, send, receiver, clock):
    add_endpoint(engine, receiver.url)
    receiver.answer = lambda _: (503, {"retry-after": "3600"}, b"")
    tell(engine, 1, 2)
    send()
    assert (len(receiver.requests), rows(engine)[0].next_attempt_at >= NOW + timedelta(hours=1)) == (1, True)
    clock.move_to(NOW + timedelta(minutes=59))
    send()
    assert len(receiver.requests) == 1


@ON_SQLITE
def test_an_endpoint_that_says_it_is_gone_gets_nothing_more_until_it_is_enabled(engine, send, receiver, clock):
    endpoint = add_endpoint(engine, receiver.url)
    receiver.answer = lambda _: (410, {}, b"")
    tell(engine, 1, 2)
    send()
    tell(engine, 3)
    clock.move_to(NOW + timedelta(days=1))
    send()
    assert (len(receiver.requests), endpoint_row(engine).disabled_why) == (1, "it answered 410 Gone")
    receiver.answer = lambda _: (204, {}, b"")
    with transaction(engine) as connection:
        assert enable(connection, endpoint.id, NOW + timedelta(days=1))
    send()
    assert sorted(document["data"]["number"] for document in receiver.documents[1:]) == [1, 2, 3]


@ON_SQLITE
def test_days_of_failures_alone_disable_an_endpoint(engine, send, receiver, clock):
    add_endpoint(engine, receiver.url)
    receiver.answer = lambda _: (500, {}, b"")
    for days in (0, DISABLED_AFTER.days - 1, DISABLED_AFTER.days + 1):
        clock.move_to(NOW + timedelta(days=days))
        tell(engine, days, at=NOW + timedelta(days=days))
        assert endpoint_row(engine).disabled_at is None
        send()
    row = endpoint_row(engine)
    assert (row.disabled_why, row.failing_since.date()) == ("every attempt failed for 5 days", NOW.date())


@ON_SQLITE
def test_an_outage_costs_few_events_their_attempts_and_all_arrive_soon_after_it(engine, send, clock):
    with receiving() as receiver:
        url = receiver.url
    add_endpoint(engine, url)
    tell(engine, *range(100))
    for minutes in range(0, 120, 10):
        clock.move_to(NOW + timedelta(minutes=minutes))
        send()
    assert sum(row.attempts for row in rows(engine)) < 20
    with receiving(int(url.rpartition(":")[2].partition("/")[0])) as receiver:
        for minutes in (131, 142):
            clock.move_to(NOW + timedelta(minutes=minutes))
            send()
        assert len(receiver.requests) > 85
        clock.move_to(NOW + timedelta(hours=12))
        send()
        assert sorted(document["data"]["number"] for document in receiver.documents) == list(range(100))
    assert endpoint_row(engine).failing_since is None


@ON_SQLITE
def test_one_event_that_always_fails_neither_stops_the_others_nor_is_tried_more_often(engine, send, receiver, clock):
    add_endpoint(engine, receiver.url)
    receiver.answer = lambda document: (500 if document["data"]["number"] == 0 else 204, {}, b"")
    tell(engine, *range(50))
    send()
    clock.move_to(NOW + timedelta(minutes=1))
    send()
    assert sorted(document["data"]["number"] for document in receiver.documents) == [0, *range(50)]


def test_an_endpoint_that_never_answers_delays_no_other(engine, send, receiver, monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        add_endpoint(engine, f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        add_endpoint(engine, receiver.url)
        tell(engine, *range(60))
        both = WebhookSender(engine, INSIDE)
        both.look()
        wait_for(lambda: len(receiver.requests) == 60, 10, "all events")
        before = rows(engine)
        assert sum(row.state == "delivered" for row in before) >= 40
        assert [row.attempted_at for row in before if row.endpoint_id == 1] == [None] * 60
    both.finish()  # what waited for it fails now


@ON_SQLITE
def test_an_answer_that_drips_is_ended_and_one_that_is_large_is_cut(engine, send, receiver, monkeypatch):
    add_endpoint(engine, receiver.url)
    receiver.answer = lambda _: (400, {}, b"x" * 5_000_000)
    tell(engine, 1)
    send()
    assert rows(engine)[0].answer == "x" * 500
    monkeypatch.setattr("digest.monitoring.webhooks.post.ATTEMPT_SECONDS", 0.2)
    is_over = threading.Event()
    receiver.answer = lambda _: (200 + is_over.wait(10), {}, b"")
    tell(engine, 2)
    send()
    is_over.set()
    assert rows(engine)[1].answer.startswith("did not answer")


@ON_SQLITE
def test_nothing_is_sent_inside_the_network_unless_the_operator_allows_it(engine, clock, receiver):
    clock.move_to(NOW)
    add_endpoint(engine, receiver.url)
    add_endpoint(engine, receiver.url.replace("127.0.0.1", "localhost"))
    tell(engine, 1)
    strict = WebhookSender(engine, INSIDE.model_copy(update={"webhook_networks": ("10.0.0.0/8",)}))
    strict.look()
    strict.finish()
    assert receiver.requests == []
    assert {row.answer for row in rows(engine)} == {
        "leads to 127.0.0.1, which is neither public nor in DIGEST_WEBHOOK_NETWORKS"
    }


# --- kills ---


def test_an_event_that_was_sent_but_not_marked_is_sent_again_after_its_lease(engine, send, receiver):
    """As after kill -9 between the answer and the transaction that records it."""
    add_endpoint(engine, receiver.url)
    tell(engine, 1)
    with transaction(engine) as connection:
        assert len(events.claim(connection, 1, NOW, 10)) == 1
        assert events.claim(connection, 1, NOW, 10) == []
    send()
    assert receiver.requests == []
    with transaction(engine) as connection:
        connection.execute(update(webhook_events).values(lease_until=NOW))
    send()
    assert len(receiver.requests) == 1


def send_until_killed(database_url):
    """A process that sends, with a short lease and small batches."""
    events.LEASE = timedelta(seconds=0.5)
    sender._BATCH = 2
    process = WebhookSender(connect(database_url), INSIDE)
    while True:
        process.look()
        time.sleep(0.01)


def test_neither_a_killed_receiver_nor_a_killed_sender_loses_an_event_in_mid_issue(database_url, clock, tmp_path):
    """A receiver is killed and started again while the messages of an issue are recorded; so is the sender."""
    engine = connect(database_url)
    clock.move_to(NOW)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    endpoint = add_endpoint(engine, f"http://127.0.0.1:{port}/hook")
    log = tmp_path / "received"
    log.touch()
    receives, sends = (receive_to, log, secrets_of(endpoint)[0], port), (send_until_killed, database_url)
    people = [add_subscriber(engine, f"s{number}@example.org") for number in range(24)]
    add_papers(engine, range(3))
    with started(*receives) as first_receiver, started(*sends) as first_sender:
        cut(engine)
        leave(engine, people[:8])
        wait_for(lambda: len(log.read_text().splitlines()) > 3, 20, "the first events")
        kill(first_receiver)
        leave(engine, people[8:16])
        wait_for(lambda: any(row.attempts for row in rows(engine) if row.state == "pending"), 20, "a failure")
        kill(first_sender)
        leave(engine, people[16:])
    with started(*receives), started(*sends):
        clock.move_to(NOW + timedelta(hours=12))
        wait_for(lambda: all(row.state == "delivered" for row in rows(engine)), 60, "the rest")
    received = [json.loads(line) for line in log.read_text().splitlines()]
    assert {webhook_id for webhook_id, _ in received} == {row.webhook_id for row in rows(engine)}
    left = {document["data"]["subscriber"]["email"] for _, document in received if "unsub" in document["type"]}
    assert left == {person.email for person in people}
    assert [document["data"]["candidates"] for _, document in received if document["type"] == "issue.cut"] == [24]
    engine.dispose()


def leave(engine, people):
    for person in people:
        subscriptions.unsubscribe(engine, person.id, NOW, "test")


@contextmanager
def started(work, *arguments):
    process = get_context("spawn").Process(target=work, args=arguments)
    process.start()
    try:
        yield process
    finally:
        kill(process)


def kill(process):
    process.kill()
    process.join()
