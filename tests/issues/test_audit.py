"""Audits for operators: sums, the reason for every problem, and the deliveries still to come."""

from datetime import timedelta

import pytest

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues.audit import audit, audit_all, explained, outlook
from digest.issues.publish import halt
from digest.ledger.deliveries import LEASE
from digest.ledger.kinds import IssueStatus, Kind, SkipReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.subscribers import erasing, store
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, change_deliveries, cut

SEVEN = MORNING + timedelta(hours=1)


@pytest.fixture
def issue(engine):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    return cut(engine)


def change(engine, **values):
    with transaction(engine) as connection:
        change_deliveries(connection, **(values or {"reason": ""}))


def rows(engine, issue, **part):
    with read_only(engine) as connection:
        return explained(connection, issue.issue_id if issue else None, **part)


RETRY = "; digest retry --uncertain sends it once more"
REPLY = {"reply_code": 451, "reply_enhanced": "4.7.1", "reply_text": "4.7.1 Greylisted, try again"}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "due 2026-03-04 07:00 UTC"),
        (
            {"attempts": 3, "next_attempt_at": SEVEN + timedelta(minutes=25), **REPLY},
            "deferred 3 times, next attempt 2026-03-04 07:25 UTC, the server said 451 4.7.1 Greylisted, try again",
        ),
        (
            {"reply_text": "connecting: refused"},
            "could not be tried yet, next attempt 2026-03-04 07:00 UTC, connecting: refused",
        ),
        ({"crashes": 1}, "1 worker died with it; due 2026-03-04 07:00 UTC"),
        (
            {"state": "claimed", "worker": "mx1:77:a0", "lease_until": SEVEN + LEASE},
            "claimed, not begun, by worker mx1:77:a0 since 2026-03-04 07:00 UTC",
        ),
        (
            {"state": "sending", "worker": "mx1:77:a0", "lease_until": SEVEN + LEASE},
            "being sent by worker mx1:77:a0 since 2026-03-04 07:00 UTC",
        ),
        ({"state": "uncertain"}, "may have arrived; the same bytes go once more at 2026-03-04 07:00 UTC"),
        (
            {"state": "uncertain", "finished_at": SEVEN, "reason": "held: it may have arrived"},
            "may have arrived; held since 2026-03-04 07:00 UTC" + RETRY,
        ),
        (
            {"state": "uncertain", "finished_at": SEVEN, "reason": "overdue"},
            "may have arrived; given up as overdue since 2026-03-04 07:00 UTC" + RETRY,
        ),
        (
            {"state": "refused", "reply_code": 550, "reply_enhanced": "5.1.1", "reply_text": "5.1.1 No such user"},
            "the server said 550 5.1.1 No such user",
        ),
        (
            {"state": "expired", "reason": "overdue", "attempts": 12, **REPLY},
            "overdue, deferred 12 times, was due 2026-03-04 07:00 UTC, the server said 451 4.7.1 Greylisted, try again",
        ),
        ({"state": "skipped", "reason": "nothing new"}, "nothing new"),
        (
            {"state": "skipped", "reason": SkipReason.TOO_FEW},
            "too few papers were worth an email to this subscriber; they wait for the next one",
        ),
        (
            {"state": "quarantined", "reason": "3 workers died with it"},
            "3 workers died with it; digest retry queues it again",
        ),
    ],
)
def test_every_row_explains_its_state(engine, issue, values, why):
    change(engine, **values)
    (row,) = rows(engine, issue)
    assert (row.why, row.state, row.address) == (why, values.get("state", "queued"), "ada@example.com")


def test_accepted_deliveries_are_not_listed(engine, issue):
    change(engine, state="accepted")
    assert rows(engine, issue) == []


def test_deliveries_wait_because_their_issue_is_paused_or_cancelled(engine, issue):
    halt(engine, DAY, IssueStatus.PAUSED, MORNING)
    assert rows(engine, issue)[0].why == "the issue is paused; due 2026-03-04 07:00 UTC"
    halt(engine, DAY, IssueStatus.CANCELLED, MORNING)
    assert rows(engine, issue)[0].why == "issue cancelled"


def test_of_a_deleted_subscriber_only_the_beginning_of_the_key_is_shown(engine, issue):
    with transaction(engine) as connection:
        (subscriber,) = store.with_status(connection)
        erasing.erase(connection, subscriber.id, subscriber.key)
    (row,) = rows(engine, issue)
    assert (row.address, row.recipient) == (None, subscriber.key[:8])


def test_problems_come_first_and_can_be_read_page_by_page(engine):
    add_papers(engine, range(3))
    subscribers = [add_subscriber(engine, f"reader{number}@example.com") for number in range(4)]
    issue = cut(engine)
    with transaction(engine) as connection:
        for subscriber, state in zip(subscribers[1:], ("skipped", "refused", "quarantined"), strict=True):
            change_deliveries(connection, deliveries.c.recipient == subscriber.key, state=state)
    states = ["quarantined", "refused", "queued", "skipped"]
    assert [row.state for row in rows(engine, issue)] == states
    assert [rows(engine, issue, limit=1, offset=number)[0].state for number in range(4)] == states


def test_deliveries_without_an_issue_are_explained_too(engine):
    subscriber = add_subscriber(engine, "ada@example.com", confirmed_at=None)
    with transaction(engine) as connection:
        queue_delivery(connection, NewDelivery(Kind.CONFIRMATION, DAY, subscriber.key, subscriber.id, MORNING), MORNING)
    with read_only(engine) as connection:
        (others,) = audit_all(connection)
    assert (others.issue, others.issue_id, others.queued) == (None, None, 1)
    assert rows(engine, None)[0].kind == "confirmation"


def test_the_document_of_an_audit_has_the_agreed_keys_and_no_others(engine, issue):
    with read_only(engine) as connection:
        document = audit(connection, issue.issue_id).as_dict()
    assert list(document) == [
        "issue", "candidates", "accepted", "refused", "expired", "quarantined", "uncertain", "queued", "deferred",
        "claimed", "sending", "skipped", "status", "not_queued", "unexplained",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "to_come"),
    [
        ({}, 1),
        ({"state": "claimed"}, 1),
        ({"state": "sending"}, 1),
        ({"state": "uncertain"}, 1),
        ({"state": "uncertain", "finished_at": SEVEN}, 0),
        ({"state": "accepted"}, 0),
        ({"state": "skipped"}, 0),
    ],
)
def test_waiting_and_claimed_deliveries_are_still_to_come(engine, issue, values, to_come):
    change(engine, **values)
    with read_only(engine) as connection:
        left = outlook(connection, issue.issue_id)
    assert (left.deliveries, left.last_attempt_at) == (to_come, SEVEN if to_come else None)
