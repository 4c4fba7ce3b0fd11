"""Looking after the ledger: crashes, what is overdue, and sums that add up."""

from datetime import timedelta

import pytest

from digest.issues.issue import IssueStatus
from digest.issues.publish import halt
from digest.mail.message import Kind, Outcome
from digest.store import deliveries, ledger, queueing
from digest.store.database import reading, transaction
from digest.store.deliveries import State
from tests.store.test_deliveries import LATER, ME, claimed, end_leases, mark, receipt, row_of
from tests.world import DAY, MORNING, add_papers, add_reader, cut

__all__ = ["claimed"]


def recover(engine, now=LATER):
    with transaction(engine) as connection:
        return ledger.recover(connection, now)


def audit(engine, issue_id):
    with reading(engine) as connection:
        return ledger.audit(connection, issue_id)


def test_while_a_lease_lasts_its_mail_is_left_alone(claimed):
    engine, _reader, claim = claimed
    assert not any(recover(engine).values())
    assert row_of(engine, claim.id).state == State.CLAIMED


def test_a_claim_whose_worker_died_is_queued_again_and_its_bytes_are_free(claimed):
    engine, _reader, claim = claimed
    end_leases(engine)
    assert recover(engine)["queued again"] == 1
    row = row_of(engine, claim.id)
    assert (row.state, row.worker, row.crashes) == ("queued", "", 1)


def test_a_mail_that_three_workers_died_with_is_set_apart_and_can_be_retried(claimed):
    engine, _reader, claim = claimed
    for _ in range(3):
        end_leases(engine)
        recover(engine)
        with transaction(engine) as connection:
            deliveries.claim(connection, ME, 10, LATER)
    assert row_of(engine, claim.id).state == State.QUARANTINED
    with transaction(engine) as connection:
        assert ledger.count_quarantined(connection) == 1
        assert ledger.retry(connection, LATER) == 1
        assert len(deliveries.claim(connection, ME, 10, LATER)) == 1


def test_a_mail_that_was_being_sent_when_its_worker_died_goes_once_more_as_the_same_bytes(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim, "c" * 64)
    end_leases(engine)
    assert recover(engine)["in doubt"] == 1
    with transaction(engine) as connection:
        (again,) = deliveries.claim(connection, ME, 10, LATER)
    assert again.sha256 == "c" * 64


def test_an_issue_that_could_not_be_sent_in_time_expires_and_is_counted(engine):
    add_papers(engine, range(3))
    add_reader(engine, "ada@example.com")
    issue = cut(engine)
    due = MORNING + timedelta(hours=1)
    with transaction(engine) as connection:
        assert ledger.expire(connection, due + timedelta(hours=18), timedelta(hours=18), 12) == 0
        assert ledger.expire(connection, due + timedelta(hours=18, seconds=1), timedelta(hours=18), 12) == 1
    found = audit(engine, issue.issue_id)
    assert (found.candidates, found.expired, found.unexplained) == (1, 1, 0)


def test_a_mail_that_was_deferred_too_often_expires(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim)
    with transaction(engine) as connection:
        deliveries.defer(connection, ME, receipt(claim, Outcome.DEFERRED, 451), LATER, counts=True)
        assert ledger.expire(connection, LATER, timedelta(hours=18), 2) == 0
        assert ledger.expire(connection, LATER, timedelta(hours=18), 1) == 1


def test_a_confirmation_that_could_not_be_sent_for_a_day_expires(engine):
    reader = add_reader(engine, "ada@example.com", confirmed_at=None)
    with transaction(engine) as connection:
        queueing.queue_mail(connection, Kind.CONFIRMATION, DAY, reader.key, reader.id, MORNING, MORNING)
        assert ledger.expire(connection, MORNING + timedelta(hours=24), timedelta(hours=1), 12) == 0
        assert ledger.expire(connection, MORNING + timedelta(hours=25), timedelta(hours=1), 12) == 1


def test_cancelling_skips_what_is_queued(engine):
    add_papers(engine, range(3))
    add_reader(engine, "ada@example.com")
    issue = cut(engine)
    halt(engine, DAY, IssueStatus.CANCELLED, MORNING)
    with transaction(engine) as connection:
        assert ledger.skip_cancelled(connection, MORNING) == 1
    found = audit(engine, issue.issue_id)
    assert (found.skipped, found.unexplained) == ({"issue cancelled": 1}, 0)


@pytest.mark.parametrize("state", ["queued", "claimed", "sending", "deferred", "accepted", "refused"])
def test_in_every_state_the_sums_of_an_audit_add_up(engine, state):
    add_papers(engine, range(3))
    for number in range(3):
        add_reader(engine, f"reader{number}@example.com")
    issue = cut(engine)
    if state != "queued":
        with transaction(engine) as connection:
            claim = deliveries.claim(connection, ME, 1, LATER)[0]
        if state != "claimed":
            mark(engine, claim)
        with transaction(engine) as connection:
            if state == "deferred":
                deliveries.defer(connection, ME, receipt(claim, Outcome.DEFERRED, 451), LATER, counts=True)
            elif state == "accepted":
                deliveries.accept(connection, ME, receipt(claim, Outcome.ACCEPTED))
            elif state == "refused":
                deliveries.refuse(connection, ME, receipt(claim, Outcome.REFUSED, 550))
    found = audit(engine, issue.issue_id).as_dict()
    assert found["candidates"] == 3
    assert found["unexplained"] == 0
    assert found["queued"] == (3 if state == "queued" else 2)
    assert state == "queued" or found[state] == 1


def test_a_row_that_vanished_is_noticed(engine):
    add_papers(engine, range(3))
    add_reader(engine, "ada@example.com")
    issue = cut(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    assert audit(engine, issue.issue_id).unexplained == 1
