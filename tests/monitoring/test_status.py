"""The status of an installation, read from real issues, deliveries, pauses, runs and heartbeats."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, select

from digest.database.engine import connect, transaction
from digest.database.tables import deliveries
from digest.issues.audit import audit
from digest.issues.publish import halt
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus, Kind, SkipReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.mail.pauses import BREAKS_AT, EVERYTHING, Pause, pause_by_hand, resume, set_pause
from digest.mail.throttle.warm_up import reserve
from digest.monitoring.checks import problems
from digest.monitoring.heartbeats import ProcessName, Role, beat, stopped
from digest.monitoring.status import read_status
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.settings import settings
from tests.support.scenario import CUT, DAY, MORNING, add_papers, add_subscriber, change_deliveries, cut

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NOON = MORNING + 6 * HOUR
STATES = (
    {"state": "accepted"},
    {"state": "accepted"},
    {"state": "queued"},
    {"state": "queued", "attempts": 2},
    {"state": "claimed", "worker": "one"},
    {"state": "sending", "worker": "one"},
    {"state": "uncertain"},
    {"state": "uncertain", "finished_at": NOON},
    {"state": "refused", "finished_at": NOON},
    {"state": "expired", "finished_at": NOON},
    {"state": "quarantined", "finished_at": NOON},
    {"state": "skipped", "reason": str(SkipReason.NOTHING_NEW)},
    {"state": "skipped", "reason": str(SkipReason.TOO_FEW)},
    {"state": "skipped", "reason": str(SkipReason.TOO_FEW)},
)


@pytest.fixture
def read(engine, database_url, monkeypatch):
    """Reads the status at an instant, with these settings."""
    monkeypatch.setenv("DIGEST_CUT_AT", f"{CUT:%H:%M}")

    def read(now=NOON, **values):
        for name, value in values.items():
            monkeypatch.setenv(f"DIGEST_{name.upper()}", str(value))
        settings.cache_clear()
        return read_status(engine, settings(), now)

    return read


def issue_for(engine, count, day=DAY):
    add_papers(engine, range(3))
    for number in range(count):
        add_subscriber(engine, f"subscriber{number}@example.com")
    return cut(engine, day)


def change(engine, number, **values):
    """Change the delivery with this number among all."""
    with transaction(engine) as connection:
        row = connection.scalars(select(deliveries.c.id).order_by(deliveries.c.id).offset(number).limit(1)).one()
        change_deliveries(connection, deliveries.c.id == row, **values)


def test_what_it_tells_of_an_issue_is_what_an_audit_counts(engine, read):
    made = issue_for(engine, len(STATES))
    for number, values in enumerate(STATES):
        change(engine, number, **values)
    progress = read().todays_issue
    with transaction(engine) as connection:
        sums = audit(connection, made.issue_id)
    for name in (
        "candidates", "accepted", "queued", "deferred", "claimed", "sending", "uncertain", "refused", "expired",
        "quarantined", "skipped",
    ):  # fmt: skip
        assert getattr(progress, name) == getattr(sums, name), name
    assert (progress.accepted, progress.held, progress.waiting, progress.unfinished) == (2, 1, 3, 5)
    assert progress.skipped == {"nothing new": 1, "too few papers": 2}


def test_what_waits_is_counted_by_when_it_may_go(engine, read):
    issue_for(engine, 4)
    due = MORNING + HOUR
    change(engine, 0, next_attempt_at=due + MINUTE, attempts=1)
    change(engine, 1, next_attempt_at=due + 10 * HOUR)
    change(engine, 2, state="uncertain", finished_at=NOON, next_attempt_at=due - HOUR)
    change(engine, 3, state="quarantined")
    with transaction(engine) as connection:
        queue_delivery(connection, NewDelivery(Kind.LINK, DAY, "key", None, due + 2 * MINUTE), NOON)
    waiting = read().waiting
    assert (waiting.due_of_issues, waiting.due_requested, waiting.later, waiting.deferred) == (1, 1, 1, 1)
    assert (waiting.held, waiting.quarantined, waiting.all) == (1, 1, 3)
    assert (waiting.oldest_of_issues_at, waiting.oldest_requested_at) == (due + MINUTE, due + 2 * MINUTE)
    assert waiting.oldest_due_at == due + MINUTE
    assert read(due).waiting.due == 0


def test_of_a_paused_issue_it_tells_what_waits_by_whom_and_why(engine, read):
    issue_for(engine, 3)
    halt(engine, DAY, IssueStatus.PAUSED, NOON - HOUR)
    status = read()
    assert (status.waiting.due, status.waiting.in_paused_issues, status.waiting.oldest_due_at) == (0, 3, None)
    assert status.todays_issue.paused_at == NOON - HOUR
    with transaction(engine) as connection:
        details = {"by": "ada", "reason": "a wrong title"}
        events.record(connection, NOON, f"issue:{DAY}", str(IssueStatus.PAUSED), details)
    paused = read().todays_issue
    assert (paused.paused_by, paused.pause_reason) == ("ada", "a wrong title")
    halt(engine, DAY, IssueStatus.RUNNING, NOON)
    assert read().todays_issue.paused_at is None
    assert read().resumed_at == NOON


def test_of_a_cancelled_issue_nothing_is_due(engine, read):
    issue_for(engine, 2)
    halt(engine, DAY, IssueStatus.CANCELLED, NOON)
    status = read()
    assert (status.waiting.all, status.todays_issue.skipped) == (0, {"issue cancelled": 2})
    change(engine, 0, state="queued", reason="")  # as a worker that had claimed it returns it
    assert (read().waiting.all, read().todays_issue.queued) == (0, 1)


def test_issues_are_shown_for_two_days_and_older_ones_while_anything_of_them_waits(engine, read):
    add_papers(engine, range(3), seen_at=MORNING - timedelta(days=4, hours=1))
    add_subscriber(engine, "ada@example.com", confirmed_at=MORNING - timedelta(days=9))
    for back in (4, 3, 1, 0):
        cut(engine, DAY - timedelta(days=back))
    for number in (0, 2, 3):
        change(engine, number, state="accepted")
    assert [issue.date for issue in read().issues] == [DAY, DAY - timedelta(days=1), DAY - timedelta(days=3)]


def test_the_time_left_follows_from_the_rate_and_from_when_the_last_is_due(engine, read):
    issue_for(engine, 4)
    progress = read().todays_issue
    assert progress.seconds_left(2.0, NOON) == 2.0
    assert progress.seconds_left(0.0, NOON) is None
    assert read(MORNING).todays_issue.seconds_left(2.0, MORNING) == HOUR.total_seconds()
    assert replace(progress, status=IssueStatus.PAUSED).seconds_left(2.0, NOON) is None
    assert replace(progress, queued=0, accepted=4).seconds_left(0.0, NOON) == 0.0


def test_nothing_reads_the_whole_ledger(postgresql_url, monkeypatch):
    """PostgreSQL would, where a tenth of its rows wait, and where it does not know how many do."""
    engine = connect(postgresql_url)
    issue_for(engine, 1)
    others = [column.name for column in deliveries.columns if column.name not in ("id", "recipient")]
    copies = f"SELECT md5(n::text), {', '.join(others)} FROM deliveries, generate_series(1, 3000) n"
    indexes = {"due", "asked_for", "held", "unsent", "again"}
    plans = []

    def explain(connection, _cursor, statement, values, *_about):
        if "FROM deliveries" in statement and not statement.startswith("EXPLAIN"):
            plans.extend(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars())

    with transaction(engine) as connection:
        connection.exec_driver_sql(f"INSERT INTO deliveries (recipient, {', '.join(others)}) {copies}")
        connection.exec_driver_sql("UPDATE issues SET candidates = 3001")
    event.listen(engine, "before_cursor_execute", explain)
    assert read_status(engine, settings(), NOON).waiting.due == 3001
    engine.dispose()
    assert {name for name in indexes if f"ix_deliveries_{name}" in "".join(plans)} == indexes
    assert not [line for line in plans if "Seq Scan on deliveries" in line or "->  Sort" in line]


# --- the cut ---


def test_the_cut_of_today_and_the_next(engine, read):
    before = read(MORNING - MINUTE).cut
    assert (before.at, before.next_at, before.is_done, before.last_issue) == (MORNING, MORNING, False, None)
    issue_for(engine, 1)
    after = read(MORNING + MINUTE).cut
    assert (after.is_done, after.next_at, after.last_issue) == (True, MORNING + timedelta(days=1), DAY)
    assert read(MORNING - MINUTE).cut.next_at == MORNING + timedelta(days=1), "today's was cut early, by hand"


def test_why_there_is_no_issue_is_what_the_scheduler_recorded_last(engine, read):
    with transaction(engine) as connection:
        events.record(connection, NOON, f"issue:{DAY}", "not cut", {"reason": "arxiv could not be read."})
        record_run(connection, SourceRun("arxiv", DAY, MORNING, SourceHealth.FAILING, 0, 0, (), "no answer"))
    cut_ = read().cut
    assert (cut_.why_not, cut_.first_reading_at) == ("arxiv could not be read.", MORNING)
    issue_for(engine, 1)
    assert read().cut.why_not == ""


# --- processes ---


def test_rate_and_last_work_come_from_the_workers_that_live(engine, read):
    assert (read().rate, read().worked_at) == (None, None)
    for pid, rate, idle in ((1, 2.5, None), (2, 4.0, 120.0)):
        beat(engine, ProcessName(Role.WORKER, "mail1", pid), {"rate": rate, "idle_seconds": idle}, is_first=True)
    status = read()
    assert status.rate == 6.5
    assert abs(status.at - status.worked_at - 2 * MINUTE) < MINUTE
    stopped(engine, ProcessName(Role.WORKER, "mail1", 2))
    assert read().rate == 2.5


def test_the_disk_of_another_machine_is_told_by_its_processes(engine, read, tmp_path):
    detail = {"folder": "/srv/digest", "free": 0.04, "free_bytes": 4_000_000}
    beat(engine, ProcessName(Role.WORKER, "mail2", 1), detail, is_first=True)
    here, there = read().disks
    assert (here.host, here.folder) == ("", str(tmp_path / "data"))
    assert (there.host, there.folder, there.free) == ("mail2", "/srv/digest", 0.04)


# --- pauses and limits ---


def test_a_pause_by_hand_and_the_breaker_are_told_apart(engine, read):
    pause_by_hand(engine, "gmail.com", "too many complaints", NOON - HOUR)
    opened = Pause(EVERYTHING, NOON - HOUR, NOON - MINUTE, "550 5.7.1 rejected", BREAKS_AT)
    with transaction(engine) as connection:
        set_pause(connection, opened)
        set_pause(connection, Pause("example.org", NOON - HOUR, NOON - MINUTE, "421 slow down", 2))
    breaker, by_hand = read().pauses
    assert (breaker.domain, breaker.is_breaker, breaker.is_by_hand) == ("", True, False)
    assert (by_hand.domain, by_hand.is_by_hand, by_hand.reason) == ("gmail.com", True, "too many complaints")
    resume(engine, EVERYTHING, NOON)
    resume(engine, "gmail.com", NOON)
    assert read().pauses == ()


def test_a_full_day_of_the_warm_up_is_why_nothing_is_sent(engine, read):
    assert read(warm_up_from=DAY, warm_up_first_day=10).warm_up_full == ""
    with transaction(engine) as connection:
        reserve(connection, DAY, 10, 10)
    assert read().why_nothing_is_sent == (
        "the 10 messages of this day of the warm-up are sent; it goes on at 2026-03-05 00:00 UTC",
    )


# --- sources ---


def ran(engine, outcome, hours_ago, day=DAY, name="arxiv"):
    with transaction(engine) as connection:
        run = SourceRun(name, day, NOON - hours_ago * HOUR, outcome, 5, 0, (), f"{outcome} of {day}")
        record_run(connection, run)


def test_failures_of_a_source_are_counted_by_readings_not_by_the_days_that_each_reads(engine, read):
    yesterday = DAY - timedelta(days=1)
    for hours_ago, today_, yesterday_ in ((3, "fresh", "fresh"), (2, "failing", "failing"), (1, "failing", "failing")):
        ran(engine, SourceHealth(today_), hours_ago)
        ran(engine, SourceHealth(yesterday_), hours_ago, yesterday)
    (source,) = read(sources="arxiv").sources
    assert (source.failures, source.failing_since, source.read_at) == (2, NOON - 2 * HOUR, NOON - HOUR)
    ran(engine, SourceHealth.FAILING, 0)
    ran(engine, SourceHealth.FRESH, 0, yesterday)
    (source,) = read().sources
    assert (source.failures, source.outcome) == (0, SourceHealth.FAILING)


def test_a_source_that_was_not_read_for_a_day_or_never_is_told(engine, read):
    ran(engine, SourceHealth.FRESH, 25, DAY - timedelta(days=1))
    read_once, never = read(sources="arxiv,huggingface").sources
    assert (read_once.is_out_of_touch, read_once.failures) == (True, 0)
    assert (never.read_at, never.message, never.is_out_of_touch) == (None, "never read", False)


# --- Redis and the database ---


def test_the_queue_is_counted_and_an_outage_of_redis_told(read, redis_url):
    import redis

    with redis.Redis.from_url(redis_url) as broker:
        broker.lpush("digest", "a", "b")
    assert read().queue.is_set is False
    assert (read(redis_url=redis_url).queue.hints, read().queue.problem) == (2, "")
    assert "refused" in read(redis_url="redis://127.0.0.1:9/0").queue.problem


def test_without_a_database_it_tells_why_and_the_rest(read, tmp_path):
    nowhere = connect("postgresql://127.0.0.1:9/digest", patience=1)
    status = read_status(nowhere, settings(), NOON)
    assert "refused" in status.database_problem
    assert len(status.disks) == 1
    assert [problem.name for problem in problems(status)] == ["database"]


def test_a_database_of_another_version_names_the_remedy(tmp_path):
    empty = connect(f"sqlite:///{tmp_path}/empty.sqlite", create=True)
    status = read_status(empty, settings(), NOON)
    assert status.database_remedy == "Run: digest migrate"
    empty.dispose()


def test_a_fresh_installation_without_any_process_has_no_scheduler_and_nothing_else(engine, read):
    assert [problem.name for problem in problems(read(datetime.now(UTC)))] == ["no-scheduler"]


def test_subscribers_are_counted_by_status(engine, read):
    add_subscriber(engine, "ada@example.com")
    add_subscriber(engine, "alan@example.com", confirmed_at=None)
    assert read().subscribers == {"confirmed": 1, "pending": 1}


def test_every_kind_of_issue_of_a_date_is_shown(engine, read):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    add_subscriber(engine, "weekly@example.com", frequency="weekly", weekdays=(DAY.weekday(),))
    cut(engine)
    assert [(issue.kind, issue.candidates) for issue in read().issues] == [
        (IssueKind.DAILY, 1),
        (IssueKind.WEEKLY, 1),
    ]
    assert read().todays_issue.date == date(2026, 3, 4)
