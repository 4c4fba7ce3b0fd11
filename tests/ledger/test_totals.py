"""The totals of finished issues are what counting their deliveries gives, whatever happened before."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, select, text, update

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import deliveries, issues
from digest.issues.audit import audit, audit_all
from digest.ledger import sending, totals, transitions
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import IssueStatus, Kind, SkipReason, State
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.ledger.sending import DeliveryResult, MessageRecord
from digest.subscribers import erasing, store
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut
from tests.support.waiting import wait_for

LATER = MORNING + timedelta(hours=2)
WORKERS = ("one", "two")
FINAL = (State.ACCEPTED, State.REFUSED, State.UNCERTAIN)


@dataclass
class History:
    """Actions of two workers, the scheduler, subscribers and the operator on the deliveries of an issue."""

    connection: Connection
    issue_id: int
    at: datetime = LATER
    number: int = 0
    claims: dict[str, list[Delivery]] = field(default_factory=lambda: {worker: [] for worker in WORKERS})

    def act(self, action: str, worker: str, pick: int) -> None:
        self.at += timedelta(minutes=1)
        getattr(self, action)(worker, pick)

    def claim(self, worker: str, pick: int) -> None:
        self.claims[worker] += sending.claim(self.connection, worker, 1 + pick, self.at + timedelta(days=1))

    def send(self, worker: str, pick: int) -> None:
        records = [MessageRecord(claim.id, "m@example.org", "a" * 64, DAY) for claim in self.claims[worker]]
        sending.mark_sending(self.connection, worker, records)

    def answer(self, worker: str, pick: int) -> None:
        """The reply to each claim so far, also to what the worker has lost meanwhile."""
        for claim in self.claims[worker]:
            state = (*FINAL, State.QUEUED)[(pick + claim.id) % 4]
            until = self.at if state is State.QUEUED else None
            result = DeliveryResult(claim.id, state, self.at, until=until, in_doubt=state is State.UNCERTAIN)
            sending.record(self.connection, worker, [result])

    def skip(self, worker: str, pick: int) -> None:
        for claim in self.claims[worker][:1]:
            transitions.skip(self.connection, claim.id, (*SkipReason,)[pick], self.at)

    def quarantine(self, worker: str, pick: int) -> None:
        for claim in self.claims[worker]:
            transitions.quarantine(self.connection, claim.id, f"problem {pick}", self.at)

    def die(self, worker: str, pick: int) -> None:
        begun = [claim.id for claim in self.claims[worker][:pick]]
        transitions.recover_by_journal(self.connection, worker, begun, None, pick % 2 == 0, self.at)

    def lose_lock(self, worker: str, pick: int) -> None:
        transitions.recover_by_lock(self.connection, worker, self.at)

    def requeue(self, worker: str, pick: int) -> None:
        transitions.requeue_held_by(self.connection, worker, self.at)

    def expire(self, worker: str, pick: int) -> None:
        self.at += timedelta(hours=6 * pick)
        transitions.expire(self.connection, self.at, timedelta(hours=18), 10)

    def cancel(self, worker: str, pick: int) -> None:
        status = IssueStatus.CANCELLED if pick == 3 else IssueStatus.RUNNING
        self.connection.execute(update(issues).values(status=status))
        transitions.skip_cancelled(self.connection, self.at)

    def retry(self, worker: str, pick: int) -> None:
        transitions.retry(self.connection, self.at, self.issue_id if pick % 2 else None)

    def retry_uncertain(self, worker: str, pick: int) -> None:
        transitions.retry_uncertain(self.connection, self.at, self.issue_id if pick % 2 else None)

    def join(self, worker: str, pick: int) -> None:
        """Someone who has just confirmed gets the issue."""
        self.number += 1
        kind, issue_id = (Kind.DIGEST, self.issue_id) if pick else (Kind.CONFIRMATION, None)
        queue_delivery(self.connection, NewDelivery(kind, DAY, f"key {self.number}", 1, self.at, issue_id), self.at)

    def erase(self, worker: str, pick: int) -> None:
        for subscriber in list(store.with_status(self.connection))[pick : pick + 1]:
            erasing.erase(self.connection, subscriber.id, subscriber.key)

    def tidy(self, worker: str, pick: int) -> None:
        for issue_id in totals.issues_without_totals(self.connection):
            totals.store_totals(self.connection, issue_id)


ACTIONS = tuple(name for name, member in vars(History).items() if callable(member) and name[0] != "_" and name != "act")
STEPS = st.tuples(st.sampled_from(ACTIONS), st.sampled_from(WORKERS), st.integers(0, 3))


def counted(connection, *columns, which=True):
    query = select(*columns, func.count()).where(which).group_by(*columns)
    return {tuple(key): count for *key, count in connection.execute(query)}


def check_sums(connection, issue_id):
    """Each sum that is read from totals is what counting gives; returns whether there are totals."""
    mine = deliveries.c.issue_id == issue_id
    rows = counted(connection, deliveries.c.state, deliveries.c.reason, which=mine)
    stored = totals.totals_of(connection, issue_id)
    if stored:
        assert {(total.state, total.reason): total.deliveries for total in stored} == rows
        ends = connection.execute(select(func.max(deliveries.c.finished_at)).where(mine)).scalar()
        assert max((total.last_at for total in stored if total.last_at), default=None) == ends
    sums = audit(connection, issue_id)
    assert sums.unexplained == 0
    assert sums.accepted == sum(count for (state, _), count in rows.items() if state == State.ACCEPTED)
    assert sums.skipped == {reason: count for (state, reason), count in rows.items() if state == State.SKIPPED}
    assert totals.message_counts(connection) == counted(connection, deliveries.c.kind, deliveries.c.state)
    return bool(stored)


@pytest.fixture(scope="module")
def sent_issue(sqlite_template, tmp_path_factory):
    """An engine, and an issue for four subscribers; what a test changes is rolled back."""
    path = tmp_path_factory.mktemp("totals") / "test.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    engine = connect(f"sqlite:///{path}")
    add_papers(engine, range(3))
    for name in ("ada", "ben", "eve", "joe"):
        add_subscriber(engine, f"{name}@example.com")
    yield engine, cut(engine).issue_id
    engine.dispose()


FINISHING = [("claim", "one", 3), ("send", "one", 0), ("answer", "one", 0), ("answer", "one", 0), ("tidy", "one", 0)]


@settings(max_examples=25)
@given(before=st.lists(STEPS, max_size=8), after=st.lists(STEPS, max_size=12))
def test_after_any_history_totals_are_what_counting_gives(sent_issue, before, after):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        history = History(connection, issue_id)
        for step in (*before, *FINISHING, *after):
            history.act(*step)
            check_sums(connection, issue_id)
        change.rollback()


@pytest.mark.parametrize("reopening", ["retry", "retry_uncertain", "join"])
def test_what_lets_a_delivery_of_a_finished_issue_wait_again_ends_its_totals(sent_issue, reopening):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        history = History(connection, issue_id)
        history.act("claim", "one", 0)
        history.act("quarantine", "one", 0)
        history.act("claim", "one", 3)
        history.act("send", "one", 0)
        for _ in range(3):
            history.act("answer", "one", 3)
            history.act("claim", "one", 3)
            history.act("send", "one", 0)
        with_doubt = DeliveryResult(history.claims["one"][-1].id, State.UNCERTAIN, LATER, in_doubt=True)
        sending.record(connection, "one", [with_doubt])
        history.act("expire", "one", 3)
        history.act("expire", "one", 3)
        history.act("tidy", "one", 0)
        assert check_sums(connection, issue_id)
        history.act(reopening, "one", 1)
        assert not check_sums(connection, issue_id)
        history.act("tidy", "one", 0)
        assert not check_sums(connection, issue_id)
        change.rollback()


@pytest.mark.parametrize("last", ["queued", "claimed", "sending", "uncertain"])
def test_an_issue_with_a_delivery_that_may_still_change_has_no_totals(sent_issue, last):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        ids = list(connection.scalars(select(deliveries.c.id).where(deliveries.c.issue_id == issue_id)))
        for states in ({"state": "accepted", "finished_at": LATER}, {"state": last, "finished_at": None}):
            connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(states))
            ids = ids[:1]
        assert totals.is_unfinished(connection, issue_id)
        assert not totals.store_totals(connection, issue_id)
        connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(state="skipped"))
        assert not totals.is_unfinished(connection, issue_id)
        assert totals.store_totals(connection, issue_id)
        change.rollback()


def is_blocked(engine):
    with read_only(engine) as connection:
        return connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar()


@pytest.fixture
def with_quarantined(postgresql_url):
    """An issue whose only delivery is quarantined, so that it is finished."""
    engine = connect(postgresql_url)
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue_id = cut(engine).issue_id
    with transaction(engine) as connection:
        (claim,) = sending.claim(connection, "one", 1, LATER)
        transitions.quarantine(connection, claim.id, "broken", LATER)
    yield engine, issue_id
    engine.dispose()


@pytest.mark.parametrize("first", ["count", "retry"])
def test_a_retry_at_the_moment_of_the_counting_is_never_overlooked(with_quarantined, first):
    engine, issue_id = with_quarantined
    work = {
        "count": lambda connection: totals.store_totals(connection, issue_id),
        "retry": lambda connection: transitions.retry(connection, LATER),
    }
    second = work["retry" if first == "count" else "count"]

    def in_a_transaction():
        with transaction(engine) as connection:
            second(connection)

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            work[first](connection)
            other = pool.submit(in_a_transaction)
            wait_for(lambda: other.done() or is_blocked(engine), 10, "the other transaction")
        other.result()
    with read_only(engine) as connection:
        assert totals.totals_of(connection, issue_id) == []


def test_an_audit_of_all_reads_no_delivery_of_a_finished_issue(sent_issue):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        history = History(connection, issue_id)
        for step in (("expire", "one", 3), ("tidy", "one", 0)):
            history.act(*step)
        before = [audit(connection, issue_id)]
        statements = []
        event.listen(connection, "before_cursor_execute", lambda *about: statements.append(about[2]))
        assert audit_all(connection) == before
        read = [statement for statement in statements if "FROM deliveries" in statement]
        assert len(read) == 1
        assert "issue_id IS NULL" in read[0]
        change.rollback()
