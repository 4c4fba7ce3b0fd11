"""The totals of issues equal the counts of their deliveries at any time, whatever happened before."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, and_, case, event, func, select, text, update
from sqlalchemy.exc import OperationalError

from digest.database.engine import connect, one_view, read_only, transaction
from digest.database.tables import deliveries
from digest.issues.audit import audit, audit_all
from digest.issues.store import bare_issues, set_status
from digest.ledger import sending, totals, transitions
from digest.ledger.deliveries import Delivery, is_waiting
from digest.ledger.kinds import IssueStatus, Kind, SkipReason, State
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.ledger.sending import DeliveryResult, MessageRecord
from digest.monitoring.progress import read_progress
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
        self.claims[worker] += sending.claim(self.connection, worker, 1 + pick, self.at)

    def wait(self, worker: str, pick: int) -> None:
        self.at += timedelta(hours=6)

    def postpone(self, worker: str, pick: int) -> None:
        """As for a rate: what is claimed is not tried, and due again later."""
        ids = [claim.id for claim in self.claims[worker]]
        transitions.requeue(self.connection, ids, self.at + timedelta(hours=pick))

    def send(self, worker: str, pick: int) -> None:
        records = [MessageRecord(claim.id, "m@example.org", "a" * 64, DAY) for claim in self.claims[worker]]
        sending.mark_sending(self.connection, worker, records)

    def answer(self, worker: str, pick: int) -> None:
        """The reply to each claim so far, also to what the worker has lost meanwhile."""
        for claim in self.claims[worker]:
            state = (*FINAL, State.QUEUED)[(pick + claim.id) % 4]
            until = self.at + timedelta(hours=pick) if state is State.QUEUED else None
            tried = {"counts": until is not None and pick > 0, "in_doubt": state is State.UNCERTAIN}
            result = DeliveryResult(claim.id, state, self.at, until=until, **tried)
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
        set_status(self.connection, self.issue_id, status)  # a cancelled issue stays cancelled
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
        for issue_id in totals.uncounted_issues(self.connection):
            totals.store_totals(self.connection, issue_id)


ACTIONS = tuple(name for name, member in vars(History).items() if callable(member) and name[0] != "_" and name != "act")
STEPS = st.tuples(st.sampled_from(ACTIONS), st.sampled_from(WORKERS), st.integers(0, 3))


def counted(connection, *columns, which=True):
    query = select(*columns, func.count()).where(which).group_by(*columns)
    return {tuple(key): count for *key, count in connection.execute(query)}


def check_sums(connection, issue_id, now):
    """Each sum that is not counted by rows is what counting them gives."""
    mine = deliveries.c.issue_id == issue_id
    tried = and_(deliveries.c.state == State.QUEUED, deliveries.c.attempts > 0)
    decides = and_(deliveries.c.state == State.UNCERTAIN, deliveries.c.finished_at.is_not(None))
    skipped = (deliveries.c.state == State.SKIPPED, deliveries.c.reason)
    why = case(skipped, (tried, totals.DEFERRED), (decides, totals.UNDECIDED), else_="").label("why")
    rows = counted(connection, deliveries.c.state, why, which=mine)
    assert totals.counts_of(connection, [issue_id]) == {issue_id: rows}
    assert totals.message_counts(connection) == counted(connection, deliveries.c.kind, deliveries.c.state)
    sums = audit(connection, issue_id)
    assert sums.unexplained == 0
    assert sums.accepted == rows.get((State.ACCEPTED, ""), 0)
    check_progress(connection, issue_id, rows, now)


def check_progress(connection, issue_id, rows, now):
    """The deliveries of a running issue that wait are due or not, as its rows say."""
    shown, waiting = read_progress(connection, now)
    (issue,) = bare_issues(connection, 1, issue_id + 1)
    unfinished = sum(each.unfinished for each in shown if each.id == issue_id)  # an old one is shown only if unfinished
    assert unfinished == sum(
        count
        for (state, why), count in rows.items()
        if state not in totals.FINAL and (state, why) != (State.UNCERTAIN, totals.UNDECIDED)
    )
    waits = and_(is_waiting(), deliveries.c.issue_id == issue_id)
    times = list(connection.scalars(select(deliveries.c.next_attempt_at).where(waits)))
    if issue.status is not IssueStatus.RUNNING:
        times = []
    due = [at for at in times if at <= now]
    assert (waiting.due_of_issues, waiting.oldest_of_issues_at) == (len(due), min(due, default=None))
    requested = and_(is_waiting(), deliveries.c.issue_id.is_(None), deliveries.c.next_attempt_at > now)
    later = connection.execute(select(func.count()).where(requested)).scalar_one()
    assert waiting.later == len(times) - len(due) + later


@pytest.fixture(scope="module")
def on_sqlite(sqlite_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("totals") / "test.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def on_postgresql(postgres):
    with postgres.database("test_totals") as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sent_issue(request):
    """An engine, and an issue for four subscribers, two of them due later; changes of a test are rolled back."""
    engine = connect(request.getfixturevalue(f"on_{request.param}"))
    add_papers(engine, range(3))
    for name, hour in (("ada", 7), ("ben", 7), ("eve", 14), ("joe", 20)):
        add_subscriber(engine, f"{name}@example.com", hour=hour)
    yield engine, cut(engine).issue_id
    engine.dispose()


FINISHING = [("wait", "one", 0)] * 3 + [
    ("claim", "one", 3), ("send", "one", 0), ("answer", "one", 0), ("answer", "one", 0), ("tidy", "one", 0)
]  # fmt: skip


@settings(max_examples=int(os.environ.get("HISTORIES", "15")))
@given(before=st.lists(STEPS, max_size=8), after=st.lists(STEPS, max_size=12))
def test_during_any_history_totals_are_what_counting_gives(sent_issue, before, after):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        history = History(connection, issue_id)
        check_sums(connection, issue_id, history.at)
        for step in (*before, *FINISHING, *after):
            history.act(*step)
            check_sums(connection, issue_id, history.at)
        change.rollback()


@pytest.mark.parametrize("last", ["queued", "claimed", "sending", "uncertain"])
def test_an_issue_with_a_delivery_that_may_still_change_is_not_finished(sent_issue, last):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        ids = list(connection.scalars(select(deliveries.c.id).where(deliveries.c.issue_id == issue_id)))
        for states in ({"state": "accepted", "finished_at": LATER}, {"state": last, "finished_at": None}):
            connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(states))
            ids = ids[:1]
        assert totals.is_unfinished(connection, issue_id)
        connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(state="skipped"))
        assert not totals.is_unfinished(connection, issue_id)
        change.rollback()


def test_counting_mends_totals_that_a_version_without_them_left_behind(sent_issue):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        history = History(connection, issue_id)
        for step in FINISHING[:-1]:
            history.act(*step)
        connection.execute(update(deliveries).values(state="accepted", finished_at=LATER))
        assert totals.uncounted_issues(connection) == [issue_id]
        history.act("tidy", "one", 0)
        check_sums(connection, issue_id, history.at)
        assert totals.uncounted_issues(connection) == []
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


def in_one_view(engine, work):
    with transaction(one_view(engine)) as connection:
        work(connection)


@pytest.mark.parametrize("first", ["count", "retry"])
def test_a_retry_at_the_moment_of_the_counting_is_never_overlooked(with_quarantined, first):
    engine, issue_id = with_quarantined
    work = {
        "count": lambda connection: totals.store_totals(connection, issue_id),
        "retry": lambda connection: transitions.retry(connection, LATER),
    }
    second = "retry" if first == "count" else "count"
    with ThreadPoolExecutor(1) as pool:
        with transaction(one_view(engine)) as connection:
            work[first](connection)
            other = pool.submit(in_one_view, engine, work[second])
            wait_for(lambda: other.done() or is_blocked(engine), 10, "the other transaction")
        with suppress(OperationalError):  # then the issue is counted an hour later
            other.result()
    with read_only(engine) as connection:
        assert totals.counts_of(connection, [issue_id]) == {issue_id: {(State.QUEUED, ""): 1}}


def test_two_sessions_that_end_deliveries_of_an_issue_do_not_wait_for_each_other(postgresql_url):
    engine = connect(postgresql_url)
    add_papers(engine, range(3))
    for name in ("ada", "ben"):
        add_subscriber(engine, f"{name}@example.com")
    issue_id = cut(engine).issue_id
    with transaction(engine) as one, transaction(engine) as two:
        two.exec_driver_sql("SET lock_timeout = '1s'")
        for connection, worker in ((one, "one"), (two, "two")):
            (claim,) = sending.claim(connection, worker, 1, LATER)
            transitions.skip(connection, claim.id, SkipReason.TOO_FEW, LATER)
    with read_only(engine) as connection:
        assert totals.counts_of(connection, [issue_id]) == {issue_id: {(State.SKIPPED, SkipReason.TOO_FEW): 2}}
    engine.dispose()


def test_an_audit_of_all_reads_no_delivery_of_a_finished_issue(sent_issue):
    engine, issue_id = sent_issue
    with engine.connect() as connection, connection.begin() as change:
        history = History(connection, issue_id)
        for step in (("expire", "one", 3), ("expire", "one", 3), ("tidy", "one", 0)):
            history.act(*step)
        before = [audit(connection, issue_id)]
        statements = []
        event.listen(connection, "before_cursor_execute", lambda *about: statements.append(about[2]))
        assert audit_all(connection) == before
        read = [statement for statement in statements if "FROM deliveries" in statement]
        by_small_indexes = [statement for statement in read if "attempts > 0 OR" in statement]
        assert len(read) == len(by_small_indexes) + 1
        assert "issue_id IS NULL" in read[0]
        change.rollback()
