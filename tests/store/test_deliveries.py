"""The ledger's transitions, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from digest.issues.issue import IssueStatus
from digest.issues.publish import halt
from digest.issues.selection import Pick, Selection
from digest.mail.message import Kind, Outcome, Receipt
from digest.store import deliveries, ledger, queueing, subscribers
from digest.store.database import reading, transaction
from digest.store.deliveries import Composed, State
from digest.store.suppressions import SuppressionReason, suppress
from digest.store.tables import deliveries as table
from tests.world import DAY, MORNING, add_papers, add_reader, cut

LATER = MORNING + timedelta(hours=2)  # after the default reader's hour, 7 o'clock UTC
ME = "worker one"


@pytest.fixture
def claimed(engine):
    """One reader's digest, claimed by this worker."""
    add_papers(engine, range(3))
    reader = add_reader(engine, "ada@example.com")
    cut(engine)
    with transaction(engine) as connection:
        (claim,) = deliveries.claim(connection, ME, 10, LATER)
    return engine, reader, claim


def row_of(engine, delivery_id):
    with reading(engine) as connection:
        return connection.execute(select(table).where(table.c.id == delivery_id)).one()


def receipt(claim, outcome, code=250):
    return Receipt(claim.id, outcome, code, "", "said the server", LATER)


def mark(engine, claim, sha256="a" * 64):
    with transaction(engine) as connection:
        return deliveries.mark_sending(connection, ME, [Composed(claim.id, "id@example.org", sha256)])


def end_leases(engine):
    with transaction(engine) as connection:
        connection.execute(update(table).values(lease_until=table.c.created_at))


def test_a_mail_is_queued_once_however_often_it_is_asked_for(engine):
    reader = add_reader(engine, "ada@example.com", confirmed_at=None)
    with transaction(engine) as connection:
        first, second = (
            queueing.queue_mail(connection, Kind.CONFIRMATION, DAY, reader.key, reader.id, MORNING, MORNING)
            for _ in range(2)
        )
    assert first is not None
    assert second is None
    with reading(engine) as connection:
        assert queueing.count_mails(connection, Kind.CONFIRMATION, reader.key, MORNING) == 1
        assert queueing.count_mails(connection, Kind.CONFIRMATION, reader.key, LATER) == 0


def test_a_mail_is_not_claimed_before_it_is_due(engine):
    add_papers(engine, range(3))
    add_reader(engine, "ada@example.com")
    cut(engine)
    with transaction(engine) as connection:
        assert deliveries.claim(connection, ME, 10, MORNING + timedelta(minutes=59)) == []
        assert len(deliveries.claim(connection, ME, 10, MORNING + timedelta(minutes=60))) == 1


def test_many_workers_at_once_claim_each_mail_once(engine):
    add_papers(engine, range(3))
    for number in range(40):
        add_reader(engine, f"reader{number}@example.com")
    cut(engine)

    def claim_some(worker):
        found = []
        for _ in range(5):
            with transaction(engine) as connection:
                found += [one.id for one in deliveries.claim(connection, worker, 3, LATER)]
        return found

    with ThreadPoolExecutor(4) as pool:
        per_worker = list(pool.map(claim_some, ["a", "b", "c", "d"]))
    everything = sorted(number for found in per_worker for number in found)
    assert len(everything) == 40
    assert len(set(everything)) == 40


def test_accepting_ends_a_mail_with_its_receipt(claimed):
    engine, _reader, claim = claimed
    assert mark(engine, claim) == {claim.id}
    with transaction(engine) as connection:
        deliveries.accept(connection, ME, receipt(claim, Outcome.ACCEPTED))
    row = row_of(engine, claim.id)
    assert (row.state, row.reply_code, row.reply_text, row.finished_at) == ("accepted", 250, "said the server", LATER)


def test_a_deferred_mail_waits_and_forgets_the_bytes_that_nobody_took(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim)
    with transaction(engine) as connection:
        deliveries.defer(
            connection, ME, receipt(claim, Outcome.DEFERRED, 451), LATER + timedelta(minutes=5), counts=True
        )
        assert deliveries.claim(connection, ME, 10, LATER) == []
        (again,) = deliveries.claim(connection, ME, 10, LATER + timedelta(minutes=5))
    assert (again.attempts, again.sha256) == (1, "")


def test_a_mail_in_doubt_waits_and_remembers_its_bytes(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim, "b" * 64)
    with transaction(engine) as connection:
        deliveries.doubt(connection, ME, receipt(claim, Outcome.UNKNOWN, None), LATER)
        (again,) = deliveries.claim(connection, ME, 10, LATER)
    assert again.sha256 == "b" * 64


def test_an_answer_counts_only_from_the_worker_that_is_sending(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim)
    with transaction(engine) as connection:
        deliveries.refuse(connection, "another worker", receipt(claim, Outcome.REFUSED, 550))
    assert row_of(engine, claim.id).state == State.SENDING


@pytest.mark.parametrize(
    "what", ["unsubscribed", "erased", "suppressed", "paused issue", "cancelled issue", "lease over"]
)
def test_the_last_check_holds_back_a_mail_that_is_not_wanted_any_more(claimed, what):
    engine, reader, claim = claimed
    with transaction(engine) as connection:
        if what == "unsubscribed":
            subscribers.set_unsubscribed(connection, reader.id, LATER)
        elif what == "erased":
            subscribers.erase(connection, reader.id, reader.key)
        elif what == "suppressed":
            suppress(connection, reader.key, SuppressionReason.OPERATOR, "", LATER)
    if what.endswith("issue"):
        halt(engine, DAY, IssueStatus.PAUSED if what.startswith("paused") else IssueStatus.CANCELLED, LATER)
    if what == "lease over":
        end_leases(engine)
    assert mark(engine, claim) == set()
    assert row_of(engine, claim.id).state == State.CLAIMED


def test_a_mail_that_the_last_check_held_back_is_not_in_doubt(claimed):
    engine, _reader, claim = claimed
    halt(engine, DAY, IssueStatus.PAUSED, LATER)
    assert mark(engine, claim) == set()
    with transaction(engine) as connection:
        deliveries.release(connection, [claim.id], LATER)
    assert (row_of(engine, claim.id).state, row_of(engine, claim.id).sha256) == (State.QUEUED, "")


def test_the_last_check_lets_a_confirmation_go_to_a_pending_reader_only(engine):
    pending = add_reader(engine, "ada@example.com", confirmed_at=None)
    confirmed = add_reader(engine, "ben@example.com")
    with transaction(engine) as connection:
        for reader in (pending, confirmed):
            queueing.queue_mail(connection, Kind.CONFIRMATION, DAY, reader.key, reader.id, MORNING, MORNING)
        claims = deliveries.claim(connection, ME, 10, LATER)
        may_go = deliveries.mark_sending(connection, ME, [Composed(one.id, "", "") for one in claims])
    assert may_go == {one.id for one in claims if one.subscriber_id == pending.id}


def test_mails_of_a_paused_issue_are_not_claimed_until_it_goes_on(engine):
    add_papers(engine, range(3))
    add_reader(engine, "ada@example.com")
    cut(engine)
    halt(engine, DAY, IssueStatus.PAUSED, MORNING)
    with transaction(engine) as connection:
        assert deliveries.claim(connection, ME, 10, LATER) == []
        assert ledger.due_count(connection, LATER, 100) == 0
    halt(engine, DAY, IssueStatus.RUNNING, MORNING)
    with transaction(engine) as connection:
        assert ledger.due_count(connection, LATER, 100) == 1
        assert len(deliveries.claim(connection, ME, 10, LATER)) == 1


def test_a_frozen_selection_is_what_a_retry_gets_and_what_other_mails_leave_out(claimed):
    engine, _reader, claim = claimed
    chosen = Selection((Pick("2603.00001", "why"), Pick("2603.00000", "why not")), left_out=1)
    with transaction(engine) as connection:
        deliveries.store_selections(connection, ME, {claim.id: chosen})
        deliveries.release(connection, [claim.id], LATER)
        (again,) = deliveries.claim(connection, ME, 10, LATER)
        got = deliveries.already_got(connection, [again])
    assert again.selection == chosen
    assert got == {claim.recipient: {"2603.00000", "2603.00001"}}


def test_what_was_never_going_to_arrive_is_not_counted_as_received(claimed):
    engine, _reader, claim = claimed
    with transaction(engine) as connection:
        deliveries.store_selections(connection, ME, {claim.id: Selection((Pick("2603.00001", ""),))})
    mark(engine, claim)
    with transaction(engine) as connection:
        deliveries.refuse(connection, ME, receipt(claim, Outcome.REFUSED, 550))
        assert deliveries.already_got(connection, [claim]) == {claim.recipient: set()}
