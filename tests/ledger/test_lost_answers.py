"""The database has committed, and the connection ends before the worker knows: nothing is lost or sent twice."""

import pytest
from sqlalchemy.exc import OperationalError

from digest import machine_clock
from digest.database.engine import connect, retry_transaction, transaction
from digest.issues.audit import audit
from digest.ledger import sending, transitions
from digest.ledger.kinds import State
from digest.ledger.sending import DeliveryResult, MessageRecord
from tests.ledger.test_deliveries import LATER, ME, row_of
from tests.support.pooler import serving
from tests.support.scenario import DAY, add_papers, add_subscriber, cut


@pytest.fixture
def loser(postgresql_url, monkeypatch):
    """A claimed delivery, an engine whose answers can be lost, and the server that loses them."""
    monkeypatch.setattr(machine_clock, "sleep", lambda _seconds: None)  # between two attempts
    with serving(postgresql_url) as server:
        engine = connect(server.url)
        add_papers(engine, range(3))
        add_subscriber(engine, "ada@example.com")
        cut(engine)
        with transaction(engine) as connection:
            (claim,) = sending.claim(connection, ME, 10, LATER)
        yield server, engine, claim
        engine.dispose()


def record_of(claim):
    return MessageRecord(claim.id, "id@example.org", "a" * 64, DAY)


def test_a_claim_whose_answer_is_lost_is_requeued_by_its_worker(loser):
    server, engine, claim = loser
    with transaction(engine) as connection:
        transitions.requeue_held_by(connection, ME, LATER)
    server.lost_answers = 1
    with pytest.raises(OperationalError), transaction(engine) as connection:
        sending.claim(connection, ME, 10, LATER)
    assert (server.lost_answers, row_of(engine, claim.id).state) == (0, State.CLAIMED)
    with transaction(engine) as connection:
        assert transitions.requeue_held_by(connection, ME, LATER) == 1
        assert [again.id for again in sending.claim(connection, "two", 10, LATER)] == [claim.id]


def test_what_was_marked_without_an_answer_is_not_sent_by_the_repetition(loser):
    server, engine, claim = loser
    server.lost_answers = 1
    may_go = retry_transaction(engine, lambda connection: sending.mark_sending(connection, ME, [record_of(claim)]))
    assert (server.lost_answers, may_go) == (0, set())
    with transaction(engine) as connection:
        assert transitions.requeue_held_by(connection, ME, LATER) == 1
    assert row_of(engine, claim.id).state == State.QUEUED


def test_a_result_whose_answer_is_lost_is_recorded_and_counted_once(loser):
    server, engine, claim = loser
    with transaction(engine) as connection:
        sending.mark_sending(connection, ME, [record_of(claim)])
    result = DeliveryResult(claim.id, State.ACCEPTED, LATER, 250, "", "queued")
    server.lost_answers = 1
    retry_transaction(engine, lambda connection: sending.record(connection, ME, [result]))
    with transaction(engine) as connection:
        sums = audit(connection, claim.issue_id)
    assert (server.lost_answers, sums.accepted, sums.unexplained) == (0, 1, 0)
