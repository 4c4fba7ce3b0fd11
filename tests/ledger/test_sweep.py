"""Looking after the ledger: what is overdue, what is tried again, and sums that add up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.database.engine import read_only, transaction
from digest.issues.audit import audit as audit_of
from digest.issues.publish import halt
from digest.ledger import deliveries, listings, queueing, sending, transitions
from digest.ledger.kinds import IssueStatus, Kind, State
from digest.ledger.queueing import NewDelivery
from tests.ledger.test_deliveries import LATER, ME, answered, claimed, mark, row_of
from tests.support.scenario import DAY, MORNING, PLAN, add_papers, add_subscriber, cut

__all__ = ["claimed"]


def audit(engine, issue_id):
    with read_only(engine) as connection:
        return audit_of(connection, issue_id)


def test_an_issue_that_could_not_be_sent_in_time_expires_and_is_counted(engine):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    due = MORNING + timedelta(hours=1)
    with transaction(engine) as connection:
        assert transitions.expire(connection, due + timedelta(hours=18), timedelta(hours=18), 12) == 0
        assert transitions.expire(connection, due + timedelta(hours=18, seconds=1), timedelta(hours=18), 12) == 1
    found = audit(engine, issue.issue_id)
    assert (found.candidates, found.expired, found.unexplained) == (1, 1, 0)


def test_a_mail_that_was_deferred_too_often_expires(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim)
    answered(engine, claim, State.QUEUED, 451, until=LATER)
    with transaction(engine) as connection:
        assert transitions.expire(connection, LATER, timedelta(hours=18), 2) == 0
        assert transitions.expire(connection, LATER, timedelta(hours=18), 1) == 1


def held_back(engine, claim):
    mark(engine, claim, "c" * 64)
    answered(engine, claim, State.UNCERTAIN, None)


def test_what_is_held_back_waits_for_the_operator_and_then_goes_as_the_same_bytes_however_late_it_is(claimed):
    engine, _reader, claim = claimed
    held_back(engine, claim)
    much_later = LATER + timedelta(days=3)
    with transaction(engine) as connection:
        assert deliveries.due_count(connection, much_later, 10) == 0
        assert listings.count_uncertain(connection) == 1
        assert transitions.retry_uncertain(connection, much_later) == 1
        assert transitions.expire(connection, much_later, timedelta(hours=18), 12) == 0
        (again,) = sending.claim(connection, ME, 10, much_later)
    assert (again.in_doubt, again.sha256, again.due_at) == (True, "c" * 64, claim.due_at)


def test_a_retry_of_what_is_set_apart_leaves_alone_what_is_held_back(claimed):
    engine, _reader, claim = claimed
    held_back(engine, claim)
    with transaction(engine) as connection:
        assert transitions.retry(connection, LATER) == 0
    assert row_of(engine, claim.id).state == State.UNCERTAIN


def test_a_confirmation_that_could_not_be_sent_for_a_day_expires(engine):
    subscriber = add_subscriber(engine, "ada@example.com", confirmed_at=None)
    with transaction(engine) as connection:
        queueing.queue_delivery(
            connection, NewDelivery(Kind.CONFIRMATION, DAY, subscriber.key, subscriber.id, MORNING), MORNING
        )
        assert transitions.expire(connection, MORNING + timedelta(hours=24), timedelta(hours=1), 12) == 0
        assert transitions.expire(connection, MORNING + timedelta(hours=25), timedelta(hours=1), 12) == 1


def test_cancelling_skips_what_is_queued(engine):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    halt(engine, DAY, IssueStatus.CANCELLED, MORNING)
    found = audit(engine, issue.issue_id)
    assert (found.skipped, found.unexplained) == ({"issue cancelled": 1}, 0)


@pytest.mark.parametrize("state", ["queued", "claimed", "sending", "deferred", "accepted", "refused"])
def test_in_every_state_the_sums_of_an_audit_add_up(engine, state):
    add_papers(engine, range(3))
    for number in range(3):
        add_subscriber(engine, f"reader{number}@example.com")
    issue = cut(engine)
    if state != "queued":
        with transaction(engine) as connection:
            claim = sending.claim(connection, ME, 1, LATER)[0]
        if state != "claimed":
            mark(engine, claim)
        if state == "deferred":
            answered(engine, claim, State.QUEUED, 451, until=LATER)
        elif state in ("accepted", "refused"):
            answered(engine, claim, State(state))
    found = audit(engine, issue.issue_id).as_dict()
    assert found["candidates"] == 3
    assert found["unexplained"] == 0
    assert found["queued"] == (3 if state == "queued" else 2)
    assert state == "queued" or found[state] == 1


def test_a_row_that_vanished_is_noticed(engine):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    assert audit(engine, issue.issue_id).unexplained == 1


def test_in_a_warm_up_left_overs_wait_for_todays_issue_and_whom_it_left_out_go_first_in_it(engine):
    add_papers(engine, range(3))
    left_out = add_subscriber(engine, "zoe@example.com")
    cut(engine)
    for number in range(3):
        add_subscriber(engine, f"reader{number}@example.com")
    midnight = MORNING.replace(hour=0) + timedelta(days=1)
    with transaction(engine) as connection:
        assert sending.claim(connection, ME, 9, midnight, midnight) == []
    today = cut(engine, DAY + timedelta(days=1), plan=replace(PLAN, warm_up=True))
    due = midnight + timedelta(hours=7)
    with transaction(engine) as connection:
        (first,) = sending.claim(connection, ME, 1, due, midnight)
        rest = sending.claim(connection, ME, 9, due, midnight)
    assert (first.recipient, first.issue_id) == (left_out.key, today.issue_id)
    assert {claim.issue_id for claim in rest} == {today.issue_id}
    with transaction(engine) as connection:
        (left_over,) = sending.claim(connection, ME, 9, due, midnight)
    assert left_over.recipient == left_out.key


def test_whom_a_warm_up_left_out_goes_first_whatever_hour_they_chose(engine):
    add_papers(engine, range(3))
    late = add_subscriber(engine, "zoe@example.com", hour=20)
    cut(engine)
    for number in range(3):
        add_subscriber(engine, f"subscriber{number}@example.com", hour=7)
    today = cut(engine, DAY + timedelta(days=1), plan=replace(PLAN, warm_up=True))
    with transaction(engine) as connection:
        batch = sending.claim(connection, ME, 9, MORNING + timedelta(days=1, hours=2), MORNING.replace(hour=0))
    of_today = [claim.recipient for claim in batch if claim.issue_id == today.issue_id]
    assert of_today[0] == late.key
    assert len(of_today) == 4
