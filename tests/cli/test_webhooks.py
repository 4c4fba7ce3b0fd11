"""The commands webhooks …, with a real receiver."""

import json

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import metadata, webhook_events
from digest.ledger import events
from digest.ledger.outbox import EventType, NewEvent, publish
from tests.support.scenario import ON_SQLITE
from tests.support.webhook_receiver import receiving

pytestmark = ON_SQLITE


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setenv("DIGEST_WEBHOOK_NETWORKS", "127.0.0.1")
    with receiving() as receiver:
        yield receiver


def document(run, *arguments):
    done = run("webhooks", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def publish_one(engine, state="pending"):
    with transaction(engine) as connection:
        publish(connection, EventType.ISSUE_CUT, now(), [NewEvent()])
        connection.execute(update(webhook_events).values(state=state, attempts=10, status=500, answer="no luck"))


def test_an_endpoint_is_added_tested_and_its_secret_renewed(run, engine, receiver):
    added = document(run, "add", receiver.url, "--events", "issue.cut,issue.finished", "--description", "the chat")
    assert added["events"] == ["issue.cut", "issue.finished"]
    tested = document(run, "test", 1)
    headers, body = receiver.requests[0]
    assert Webhook(added["secret"]).verify(body, headers)["type"] == "webhook.test"
    assert (tested["status"], tested["webhook_id"]) == (204, receiver.ids[0])
    renewed = document(run, "rotate-secret", 1)["secret"]
    receiver.answer = lambda _: (500, {}, b"no luck")
    failed = run("webhooks", "test", 1)
    assert (failed.exit_code, failed.stderr) == (1, "127.0.0.1 answered 500: no luck\n")
    headers, body = receiver.requests[1]
    for secret in (added["secret"], renewed):
        Webhook(secret).verify(body, headers)
    assert renewed not in run("webhooks", "list", "--json").stdout
    with read_only(engine) as connection:
        assert [event.detail["by"] for event in events.latest(connection, 9, "webhook:1")] == ["ada"] * 2


def test_what_failed_is_listed_and_sent_again(run, engine, receiver):
    run("webhooks", "add", receiver.url)
    publish_one(engine, "failed")
    (listed,) = document(run, "attempts", 1, "--state", "failed")
    assert (listed["status"], listed["answer"], listed["attempts"]) == (500, "no luck", 10)
    assert "500 no luck" in run("webhooks", "attempts").stdout
    assert document(run, "list")[0]["failed"] == 1
    assert document(run, "replay", "--endpoint", 1, "--since", "tomorrow")["events"] == 0
    assert document(run, "replay", "--endpoint", 1, "--since", "today")["events"] == 1
    assert document(run, "replay", listed["webhook_id"])["events"] == 1
    (again,) = document(run, "attempts")
    assert (again["webhook_id"], again["state"], again["attempts"]) == (listed["webhook_id"], "pending", 0)


def test_an_endpoint_is_disabled_enabled_and_removed(run, engine, receiver):
    run("webhooks", "add", receiver.url)
    assert document(run, "disable", 1, "--reason", "they move")["changed"]
    assert not document(run, "disable", 1)["changed"]
    assert "disabled: they move" in run("webhooks", "list").stdout
    assert document(run, "enable", 1)["changed"]
    run("webhooks", "remove", 1)
    assert run("webhooks", "list").stdout == "There are no endpoints. To add one: digest webhooks add URL\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "https://example.org/"),
        ("remove", 1),
        ("disable", 1),
        ("rotate-secret", 1),
        ("test", 1),
        ("replay", "--endpoint", 1, "--since", "today"),
    ],
)
def test_a_dry_run_changes_and_sends_nothing(run, engine, receiver, arguments):
    run("webhooks", "add", receiver.url)
    publish_one(engine, "failed")

    def stored():
        with read_only(engine) as connection:
            return [connection.execute(select).all() for select in (table.select() for table in metadata.sorted_tables)]

    before = stored()
    done = run("webhooks", *arguments, "--dry-run")
    assert (done.exit_code, "would" in done.stderr) == (0, True)
    assert (stored(), receiver.requests) == (before, [])


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("add", "http://example.com:99999/"), 2, "not a web address"),
        (("add", "https://example.org/", "--events", "issue.eaten"), 2, "unknown event 'issue.eaten' (available: sub"),
        (("replay",), 2, "name an event, or an endpoint and a day"),
        (("replay", "--since", "today"), 2, "name an event, or an endpoint and a day"),
        (("attempts", "--state", "lost"), 2, "unknown state 'lost' (available: pending, delivered, failed)"),
        (("remove", 7), 3, "There is no endpoint 7. To list them: digest webhooks list"),
        (("remove", 10**20), 2, f"'{10**20}' is not one of the numbers that digest webhooks list shows"),
        (("replay", "msg_1"), 3, "There is no event 'msg_1'."),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(command, engine, database_url, arguments, code, why):
    done = command("webhooks", *map(str, arguments), DIGEST_DATABASE_URL=database_url)
    assert (done.returncode, done.stderr.count("\n"), why in done.stderr) == (code, 1, True), done.stderr
