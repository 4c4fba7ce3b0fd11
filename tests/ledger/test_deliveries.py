"""The ledger's transitions, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries as table
from digest.issues.publish import halt
from digest.issues.selection import Pick, Selection, packed_selection, selection_of
from digest.ledger import deliveries, queueing, sending, transitions
from digest.ledger.kinds import IssueStatus, Kind, State, SuppressionReason
from digest.ledger.messages import forget_messages, message_of
from digest.ledger.queueing import NewDelivery
from digest.ledger.received import AlreadySent, already_sent
from digest.ledger.sending import DeliveryResult, MessageRecord
from digest.subscribers import erasing, store
from digest.subscribers.suppressions import suppress
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut

LATER = MORNING + timedelta(hours=2)  # after the default subscriber's hour, 7 o'clock UTC
ME = "worker one"


@pytest.fixture
def claimed(engine):
    """One subscriber's digest, claimed by this worker."""
    add_papers(engine, range(3))
    subscriber = add_subscriber(engine, "ada@example.com")
    cut(engine)
    with transaction(engine) as connection:
        (claim,) = sending.claim(connection, ME, 10, LATER)
    return engine, subscriber, claim


def row_of(engine, delivery_id):
    with read_only(engine) as connection:
        return connection.execute(select(table).where(table.c.id == delivery_id)).one()


def mark(engine, claim, sha256="a" * 64, selection=None, worker=ME):
    with transaction(engine) as connection:
        return sending.mark_sending(
            connection,
            worker,
            [
                MessageRecord(
                    claim.id, "id@example.org", sha256, DAY, packed_selection(selection, RANKS) if selection else None
                )
            ],
        )


def result(claim, state, code=250, until=None):
    counts, in_doubt = until is not None, state == "uncertain"
    return DeliveryResult(claim.id, state, LATER, code, "", "said the server", until, counts, in_doubt)


def answered(engine, claim, state, code=250, until=None, worker=ME):
    with transaction(engine) as connection:
        sending.record(connection, worker, [result(claim, state, code, until)])


def end_leases(engine):
    with transaction(engine) as connection:
        connection.execute(update(table).values(lease_until=table.c.created_at))


def test_a_mail_is_queued_once_however_often_it_is_asked_for(engine):
    subscriber = add_subscriber(engine, "ada@example.com", confirmed_at=None)
    with transaction(engine) as connection:
        first, second = (
            queueing.queue_delivery(
                connection, NewDelivery(Kind.CONFIRMATION, DAY, subscriber.key, subscriber.id, MORNING), MORNING
            )
            for _ in range(2)
        )
    assert first is not None
    assert second is None
    with read_only(engine) as connection:
        assert queueing.count_mails(connection, Kind.CONFIRMATION, [subscriber.key], MORNING) == 1
        assert queueing.count_mails(connection, Kind.CONFIRMATION, [subscriber.key], LATER) == 0


def test_a_mail_is_not_claimed_before_it_is_due(engine):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    with transaction(engine) as connection:
        assert sending.claim(connection, ME, 10, MORNING + timedelta(minutes=59)) == []
        assert len(sending.claim(connection, ME, 10, MORNING + timedelta(minutes=60))) == 1


def test_many_workers_at_once_claim_each_mail_once(engine):
    add_papers(engine, range(3))
    for number in range(40):
        add_subscriber(engine, f"reader{number}@example.com")
    cut(engine)

    def claim_some(worker):
        found = []
        for _ in range(5):
            with transaction(engine) as connection:
                found += [one.id for one in sending.claim(connection, worker, 3, LATER)]
        return found

    with ThreadPoolExecutor(4) as pool:
        per_worker = list(pool.map(claim_some, ["a", "b", "c", "d"]))
    everything = sorted(number for found in per_worker for number in found)
    assert len(everything) == 40
    assert len(set(everything)) == 40


def test_accepting_ends_a_mail_with_its_receipt(claimed):
    engine, _reader, claim = claimed
    assert mark(engine, claim) == {claim.id}
    answered(engine, claim, State.ACCEPTED)
    row = row_of(engine, claim.id)
    assert (row.state, row.reply_code, row.reply_text, row.finished_at) == ("accepted", 250, "said the server", LATER)


def test_a_deferred_mail_waits_and_is_not_in_doubt(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim)
    answered(engine, claim, State.QUEUED, 451, until=LATER + timedelta(minutes=5))
    with transaction(engine) as connection:
        assert sending.claim(connection, ME, 10, LATER) == []
        (again,) = sending.claim(connection, ME, 10, LATER + timedelta(minutes=5))
    assert (again.attempts, again.in_doubt) == (1, False)


def test_a_mail_in_doubt_waits_and_remembers_its_bytes(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim, "b" * 64)
    answered(engine, claim, State.UNCERTAIN, None, until=LATER)
    with transaction(engine) as connection:
        (again,) = sending.claim(connection, ME, 10, LATER)
    assert (again.in_doubt, again.sha256, again.message_id) == (True, "b" * 64, "id@example.org")


def test_an_answer_counts_only_from_the_worker_that_is_sending(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim)
    answered(engine, claim, State.REFUSED, 550, worker="another worker")
    assert row_of(engine, claim.id).state == State.SENDING


@pytest.mark.parametrize(
    "what", ["unsubscribed", "erased", "suppressed", "paused issue", "cancelled issue", "lease over"]
)
def test_the_last_check_holds_back_a_mail_that_is_not_wanted_any_more(claimed, what):
    engine, subscriber, claim = claimed
    with transaction(engine) as connection:
        if what == "unsubscribed":
            store.set_unsubscribed(connection, subscriber.id, LATER)
        elif what == "erased":
            erasing.erase(connection, subscriber.id, subscriber.key)
        elif what == "suppressed":
            suppress(connection, subscriber.key, SuppressionReason.OPERATOR, "", LATER)
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
        transitions.requeue(connection, [claim.id], LATER)
    assert (row_of(engine, claim.id).state, row_of(engine, claim.id).sha256) == (State.QUEUED, "")


def test_the_last_check_lets_a_confirmation_go_to_a_pending_reader_only(engine):
    pending = add_subscriber(engine, "ada@example.com", confirmed_at=None)
    confirmed = add_subscriber(engine, "ben@example.com")
    with transaction(engine) as connection:
        for subscriber in (pending, confirmed):
            queueing.queue_delivery(
                connection, NewDelivery(Kind.CONFIRMATION, DAY, subscriber.key, subscriber.id, MORNING), MORNING
            )
        claims = sending.claim(connection, ME, 10, LATER)
        may_go = sending.mark_sending(connection, ME, [MessageRecord(one.id, "", "", DAY) for one in claims])
    assert may_go == {one.id for one in claims if one.subscriber_id == pending.id}


def test_mails_of_a_paused_issue_are_not_claimed_until_it_goes_on(engine):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    halt(engine, DAY, IssueStatus.PAUSED, MORNING)
    with transaction(engine) as connection:
        assert sending.claim(connection, ME, 10, LATER) == []
        assert deliveries.due_count(connection, LATER, 100) == 0
    halt(engine, DAY, IssueStatus.RUNNING, MORNING)
    with transaction(engine) as connection:
        assert deliveries.due_count(connection, LATER, 100) == 1
        assert len(sending.claim(connection, ME, 10, LATER)) == 1


RANKS = {"2603.00000": 1, "2603.00001": 2}
BY_RANK = {rank: paper_id for paper_id, rank in RANKS.items()}
CHOSEN = Selection((Pick("2603.00001", "you follow graphs"), Pick("2603.00000", "")), left_out=1)


def got_by(engine, claim, worker="two", since=DAY):
    """The history of the subscriber of `claim`, as their next message sees it."""
    with read_only(engine) as connection:
        other = replace(claim, id=claim.id + 1)
        return already_sent(connection, [other], worker, since, lambda _issue: BY_RANK)[claim.recipient]


def test_what_a_mail_was_begun_with_is_what_a_retry_gets_and_what_other_mails_leave_out(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim, selection=CHOSEN)
    answered(engine, claim, State.QUEUED, 451, until=LATER)
    with transaction(engine) as connection:
        (again,) = sending.claim(connection, ME, 10, LATER)
    assert selection_of(again.chosen, BY_RANK) == CHOSEN
    assert got_by(engine, claim) == AlreadySent({"2603.00000", "2603.00001"})


def test_what_was_never_going_to_arrive_is_not_counted_as_received(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim, selection=CHOSEN)
    answered(engine, claim, State.REFUSED, 550)
    assert got_by(engine, claim) == AlreadySent(set())


def test_days_before_the_pool_are_not_looked_at(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim, selection=CHOSEN)
    assert got_by(engine, claim, since=DAY + timedelta(days=1)) == AlreadySent(set())


def test_while_another_worker_chooses_for_the_same_reader_that_is_seen(claimed):
    engine, _reader, claim = claimed
    assert got_by(engine, claim, worker="two") == AlreadySent(set(), being_chosen=True)
    assert got_by(engine, claim, worker=ME) == AlreadySent(set())


def test_the_bytes_of_a_mail_without_an_issue_are_kept_until_it_need_not_be_repeated(engine):
    subscriber = add_subscriber(engine, "ada@example.com", confirmed_at=None)
    with transaction(engine) as connection:
        queueing.queue_delivery(
            connection, NewDelivery(Kind.CONFIRMATION, DAY, subscriber.key, subscriber.id, MORNING), MORNING
        )
        (claim,) = sending.claim(connection, ME, 10, LATER)
        sending.mark_sending(
            connection, ME, [MessageRecord(claim.id, "id@example.org", "a" * 64, DAY, content=b"the bytes")]
        )
        assert forget_messages(connection) == 0
        assert message_of(connection, claim.id) == b"the bytes"
    answered(engine, claim, State.ACCEPTED)
    with transaction(engine) as connection:
        assert forget_messages(connection) == 1
        assert message_of(connection, claim.id) is None


def test_what_somebody_asked_for_just_now_is_claimed_before_an_issue(claimed):
    engine, subscriber, _claim = claimed
    add_subscriber(engine, "ben@example.com")
    with transaction(engine) as connection:
        transitions.requeue_held_by(connection, ME, LATER)
        queueing.queue_delivery(connection, NewDelivery(Kind.LINK, DAY, subscriber.key, subscriber.id, LATER), LATER)
        (first,) = sending.claim(connection, ME, 1, LATER)
    assert first.kind is Kind.LINK


def test_what_a_living_worker_holds_without_having_begun_it_is_given_back_at_once(claimed):
    engine, _reader, claim = claimed
    mark(engine, claim)
    with transaction(engine) as connection:
        assert transitions.requeue_held_by(connection, "two", LATER) == 0
        assert transitions.requeue_held_by(connection, ME, LATER) == 1
    assert (row_of(engine, claim.id).state, row_of(engine, claim.id).worker) == (State.QUEUED, "")


def test_many_mails_are_recorded_at_once_each_with_its_own_answer(engine):
    add_papers(engine, range(3))
    for number in range(4):
        add_subscriber(engine, f"reader{number}@example.com")
    cut(engine)
    with transaction(engine) as connection:
        claims = sending.claim(connection, ME, 10, LATER)
        sending.mark_sending(
            connection, ME, [MessageRecord(one.id, f"{one.id}@example.org", "a" * 64, DAY) for one in claims]
        )
        states = [State.ACCEPTED, State.REFUSED, State.QUEUED, State.UNCERTAIN]
        answers = [
            result(one, state, 200 + place, LATER if place > 1 else None)
            for place, (one, state) in enumerate(zip(claims, states, strict=True))
        ]
        sending.record(connection, ME, answers)
    rows = [row_of(engine, one.id) for one in claims]
    assert [(row.state, row.reply_code) for row in rows] == list(zip(states, range(200, 204), strict=True))
    assert [row.finished_at for row in rows] == [LATER, LATER, None, None]
    assert {row.message_id for row in rows} == {f"{one.id}@example.org" for one in claims}
