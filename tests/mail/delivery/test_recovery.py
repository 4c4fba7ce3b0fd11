"""After the death of a worker: what its journal, its token and its lease say, on SQLite and PostgreSQL."""

import os
from contextlib import closing
from dataclasses import asdict

import pytest
from sqlalchemy import update

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import deliveries as table
from digest.ledger import listings, sending, transitions
from digest.ledger.kinds import State
from digest.ledger.replies import name_destinations, replies_to
from digest.ledger.sending import MessageRecord
from digest.ledger.worker_lock import WorkerLock
from digest.mail.delivery.journal import ALL, Journal
from digest.mail.delivery.recovery import recover
from digest.smtp import Phase, Reply
from digest.subscribers import erasing
from digest.subscribers.suppressions import is_suppressed
from tests.ledger.test_deliveries import LATER, row_of
from tests.support.scenario import DAY, add_papers, add_subscriber, cut

WORKER = "host:1:dead"


@pytest.fixture
def work(engine, tmp_path):
    return Work(engine, tmp_path / "journal")


class Work:
    """Six deliveries claimed by a worker, which a test lets die at a chosen stage."""

    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder
        add_papers(engine, range(3))
        for number in range(6):
            add_subscriber(engine, f"reader{number}@example.com")
        cut(engine)
        self.claim()
        self.journal = Journal(folder, WORKER)

    def claim(self, worker=WORKER, limit=10):
        with transaction(self.engine) as connection:
            self.mails = sending.claim(connection, worker, limit, LATER) or self.mails
        return self.mails

    def mark(self, *mails):
        with transaction(self.engine) as connection:
            composed = [MessageRecord(mail.id, f"{mail.id}@example.org", "a" * 64, DAY) for mail in mails]
            assert len(sending.mark_sending(connection, WORKER, composed)) == len(mails)

    def answered(self, mail, code, text="said the server"):
        self.journal.answered(Reply(mail.id, Phase.CONTENT, code, text, LATER))

    def die(self, with_journal=False):
        self.journal._memory.close()
        os.close(self.journal._handle)
        if with_journal:
            self.journal._file.unlink()

    def end_leases(self):
        with transaction(self.engine) as connection:
            connection.execute(update(table).values(lease_until=table.c.created_at))

    def recover(self, hold=False):
        return {name: count for name, count in asdict(recover(self.engine, self.folder, hold, LATER)).items() if count}

    def states(self):
        return [row_of(self.engine, mail.id).state for mail in self.mails]


# --- its journal is there ---


def test_each_mail_goes_where_the_journal_says(work):
    accepted, refused, on_the_wire, waiting, making, claimed = work.mails
    work.mark(accepted, refused, on_the_wire, waiting)
    for mail in (accepted, refused, on_the_wire):
        work.journal.began(mail.id)
    work.answered(accepted, 250)
    work.answered(refused, 550, "5.1.1 no such user")
    work.journal.making(making.id)
    with transaction(work.engine) as connection:
        name_destinations(connection, [("example.com", 5)])
        erasing.erase(connection, refused.subscriber_id, refused.recipient)
    work.die()
    assert work.recover() == {"answered": 2, "in_doubt": 1, "queued": 3}
    assert work.states() == ["accepted", "refused", "uncertain", "queued", "queued", "queued"]
    assert [row_of(work.engine, mail.id).crashes for mail in (waiting, making, claimed)] == [0, 1, 0]
    with read_only(work.engine) as connection:
        assert is_suppressed(connection, refused.recipient)
        assert not is_suppressed(connection, accepted.recipient)
        assert replies_to(connection) == {("example.com", "2xx"): 1, ("other", "5xx"): 1}
    assert work.recover() == {}


def test_a_mail_that_was_on_the_wire_is_claimed_again_and_only_its_bytes_may_go(work):
    mail = work.mails[0]
    work.mark(mail)
    work.journal.began(mail.id)
    work.die()
    work.recover()
    again = next(one for one in work.claim("two") if one.id == mail.id)
    assert (again.in_doubt, again.sha256, again.attempts) == (True, "a" * 64, 1)


def test_under_the_policy_hold_what_was_on_the_wire_waits_for_the_operator(work):
    mail = work.mails[0]
    work.mark(*work.mails)
    work.journal.began(mail.id)
    work.die()
    assert work.recover(hold=True) == {"in_doubt": 1, "queued": 5}
    assert mail.id not in {one.id for one in work.claim("two")}
    with transaction(work.engine) as connection:
        assert transitions.retry_uncertain(connection, LATER) == 1
    assert [one.id for one in work.claim("two")] == [mail.id]


def test_a_mail_in_doubt_stays_in_doubt_when_a_second_worker_dies_before_sending_it(work):
    mail = work.mails[0]
    work.mark(mail)
    work.journal.began(mail.id)
    work.die()
    work.recover()
    work.claim(WORKER)
    work.journal = Journal(work.folder, WORKER)
    work.die()
    work.recover()
    assert row_of(work.engine, mail.id).state == State.UNCERTAIN


def test_a_worker_that_lives_keeps_its_mails(work):
    work.mark(*work.mails[:3])
    assert work.recover() == {}
    assert work.states() == ["sending"] * 3 + ["claimed"] * 3
    work.journal.close()


def test_a_mail_that_kills_its_workers_is_set_apart_after_three_and_no_other_is(work):
    poison = work.mails[0]
    for death in range(3):
        if death:
            claimed = work.claim(WORKER)
            # Others first, and then it alone.
            assert (poison.id in {one.id for one in claimed}) == (len(claimed) == 1)
            if len(claimed) > 1:
                work.claim(WORKER)
            work.journal = Journal(work.folder, WORKER)
        work.journal.making(poison.id)
        work.die()
        work.recover()
    with read_only(work.engine) as connection:
        assert listings.count_quarantined(connection) == 1
    assert row_of(work.engine, poison.id).state == State.QUARANTINED
    assert row_of(work.engine, poison.id).reason == "3 workers died with it"


def test_of_mails_any_of_which_may_have_killed_a_worker_only_the_deadly_one_is_set_apart(work):
    poison, *others = work.mails
    for together, recovered in ((6, {"queued": 6}), (6, {"queued": 6}), (1, {"quarantined": 1})):
        assert len(work.mails) == together
        assert work.mails[0].id == poison.id
        work.journal.making(ALL)
        work.die()
        assert work.recover() == recovered
        work.claim()
        work.journal = Journal(work.folder, WORKER)
    work.journal.close()
    assert row_of(work.engine, poison.id).state == State.QUARANTINED
    assert [row_of(work.engine, mail.id).crashes for mail in others] == [2] * len(others)
    assert len(work.mails) == 1  # one of the others, alone


# --- its journal is gone ---


def test_without_a_token_what_was_only_claimed_is_queued_at_once_on_postgresql(work):
    work.mark(work.mails[0])
    work.die(with_journal=True)
    found = work.recover()
    if work.engine.dialect.name == "postgresql":
        assert found == {"queued": 5}
        assert work.states() == ["sending"] + ["queued"] * 5
    else:
        assert found == {}  # there is no token; the lease has to tell


def test_who_holds_its_token_is_left_alone(work, database_url):
    other = connect(database_url)
    with closing(_Held(other)):
        work.die(with_journal=True)
        assert work.recover() == {}
    other.dispose()


class _Held:
    def __init__(self, engine):
        self._token = WorkerLock(engine, WORKER)
        self._token.hold()
        self._token.hold()  # again, as before each task

    def close(self):
        self._token.release()


def test_when_the_lease_is_over_what_was_sending_is_in_doubt(work):
    work.mark(work.mails[0])
    work.die(with_journal=True)
    work.end_leases()
    assert sum(work.recover().values()) == 6
    assert work.states() == ["uncertain"] + ["queued"] * 5


def test_what_a_suspended_worker_knows_to_be_accepted_is_not_sent_again(work):
    accepted, deferred, begun, marked, *_claimed = work.mails
    work.mark(accepted, deferred, begun, marked)
    for mail in (accepted, deferred, begun):
        work.journal.began(mail.id)
    work.answered(accepted, 250)
    work.answered(deferred, 451)
    work.end_leases()
    assert work.recover() == {"answered": 1, "queued": 2, "in_doubt": 3}
    assert work.states() == ["accepted", "uncertain", "uncertain", "uncertain", "queued", "queued"]
    work.journal.close()


def test_a_token_is_taken_again_after_the_database_was_away(postgresql_url):
    engine = connect(postgresql_url)
    token = WorkerLock(engine, WORKER)
    token.hold()
    with transaction(engine) as connection:
        others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.exec_driver_sql(f"{others} AND datname = current_database()")
    token.hold()
    with read_only(engine) as connection:
        held = connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").scalar_one()
    token.release()
    engine.dispose()
    assert held == 1
