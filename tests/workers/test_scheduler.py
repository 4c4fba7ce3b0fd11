"""The schedules, with a real database and a local server as the source."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from digest import clock as the_clock
from digest.database.engine import connect, read_only, transaction
from digest.database.tables import buckets
from digest.issues.audit import audit_all
from digest.issues.issue import NoticeText
from digest.issues.store import issue_by_id, issue_dates, newest_issue
from digest.issues.summaries.coming import MOST
from digest.ledger import events
from digest.ledger.kinds import Status
from digest.ledger.replies import count_replies, replies_to
from digest.ledger.sending import claim
from digest.ledger.totals import counts_of, uncounted_issues
from digest.mail.notices import add_notice, send_notice
from digest.papers.collecting import last_runs
from digest.settings import settings
from digest.subscribers.admission import Admission, EmailRequest
from digest.subscribers.erasing import TRACES, TRACES_LEFT
from digest.subscribers.tokens import Purpose, sign
from digest.web.app import create_app
from tests.issues.profiles.builders import fill, paper_id
from tests.mail.delivery.builders import hands, opened
from tests.support.language_model import model_server
from tests.support.lists import PAPERS_A_DAY, daily_lists
from tests.support.replay import Reply, replaying
from tests.support.scenario import PLAN, SECRET, add_papers, add_subscriber, cut
from workers.scheduler import Jobs, schedule

__all__ = ["hands"]  # a fixture

DAY = date(2026, 3, 4)


def at(hour, minute=0, day=DAY):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.fixture
def lists():
    with daily_lists() as address:
        yield address


@pytest.fixture
def jobs(engine, clock, lists, database_url, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", lists)
    monkeypatch.setenv("DIGEST_SOURCES", "huggingface")
    clock.move_to(at(5, 50))
    return Jobs(settings(), engine)


def dates(engine):
    with read_only(engine) as connection:
        return issue_dates(connection, 10)


def test_before_its_time_no_issue_is_cut(jobs, engine):
    jobs.cut()
    assert dates(engine) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_model_writes_summaries_before_the_cut_and_what_is_left_at_the_cut(jobs, engine, clock, monkeypatch):
    add_subscriber(engine, "bo@example.org", language="zh-CN")  # the lists have English summaries of their own
    with model_server() as model:
        monkeypatch.setenv("DIGEST_LLM_URL", model.url)
        monkeypatch.setenv("DIGEST_LLM_MODEL", "tiny-1")
        jobs.settings = settings.__wrapped__()
        jobs.collect()
        jobs.summaries()
        before = len(model.requests)
        clock.move_to(at(6))
        jobs.cut()
    with read_only(engine) as connection:
        issue = newest_issue(connection)
        event = events.latest(connection, 1, f"issue:{DAY}", "summaries")[0]
    assert before == MOST
    assert len(model.requests) == len(set(model.asked_about))
    assert all(ranked.paper.model_summary_in("zh-CN") for ranked in issue.papers[:MOST])
    assert event.detail == {"model": "tiny-1", "written": MOST, "missing": 0, "problem": ""}


def test_at_its_time_the_issue_holds_what_was_read_for_it_a_moment_before(jobs, engine, clock):
    clock.move_to(at(6))
    jobs.cut()
    with read_only(engine) as connection:
        issue = newest_issue(connection)
    assert issue.date == DAY
    assert len(issue.papers) == 7 * PAPERS_A_DAY


def test_a_date_is_cut_once_and_each_date_has_its_own(jobs, engine, clock):
    for instant in (at(6), at(6, 1), at(23, 59), at(5, 59, DAY + timedelta(days=1)), at(6, 0, DAY + timedelta(days=1))):
        clock.move_to(instant)
        jobs.cut()
    assert dates(engine) == [DAY + timedelta(days=1), DAY]


def test_a_date_that_passed_while_nobody_looked_is_not_cut_afterwards(jobs, engine, clock):
    clock.move_to(at(6))
    jobs.cut()
    clock.move_to(at(9, 30, DAY + timedelta(days=3)))
    jobs.cut()
    assert dates(engine) == [DAY + timedelta(days=3), DAY]


def test_when_no_source_can_be_read_the_issue_waits_and_the_source_is_not_pressed(jobs, engine, clock, monkeypatch):
    with replaying() as without_lists:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", without_lists.url)
        settings.cache_clear()
        cut_off = Jobs(settings(), engine)
        for minute in range(5):
            clock.move_to(at(6, minute))
            cut_off.cut()
    assert dates(engine) == []
    with read_only(engine) as connection:
        (run,) = last_runs(connection)
        (event,) = events.latest(connection, 9, f"issue:{DAY}")
    assert at(6) <= run.started_at < at(6, 1)
    assert (event.what, event.detail["reason"].startswith("huggingface could not be read")) == ("not cut", True)
    clock.move_to(at(6, 20))
    jobs.cut()
    assert dates(engine) == [DAY]


def test_a_source_that_never_answers_does_not_keep_the_issue_waiting(jobs, engine, clock, monkeypatch):
    add_papers(engine, range(3), seen_at=at(1))
    monkeypatch.setattr("workers.scheduler.PATIENCE_SECONDS", 0.2)
    clock.move_to(at(6))
    with replaying() as silent:
        silent.reply = lambda _target: Reply(b"[]", silent_seconds=60)
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", silent.url)
        settings.cache_clear()
        Jobs(settings(), engine).cut()
    with read_only(engine) as connection:
        issue = newest_issue(connection)
    assert len(issue.papers) == 3
    assert issue.note.startswith("We couldn’t read Hugging Face when we made this issue")


def test_a_reading_under_way_that_hangs_does_not_keep_the_issue_waiting_either(jobs, engine, clock, monkeypatch):
    add_papers(engine, range(3), seen_at=at(1))
    monkeypatch.setattr("workers.scheduler.PATIENCE_SECONDS", 0.2)
    clock.move_to(at(6))
    with jobs._one_reading:
        jobs.cut()
    assert dates(engine) == [DAY]


def test_the_sweep_expires_what_is_overdue(jobs, engine, clock):
    add_subscriber(engine, "ada@example.com")
    clock.move_to(at(6))
    jobs.cut()
    clock.move_to(at(7) + timedelta(hours=18, minutes=1))
    jobs.sweep()
    with read_only(engine) as connection:
        issue = audit_all(connection)[0]
    assert (issue.expired, issue.unexplained) == (1, 0)


def test_the_sweep_hints_the_workers_at_what_is_due_and_only_then(jobs, engine, clock, redis_url, monkeypatch):
    import redis

    monkeypatch.setenv("DIGEST_REDIS_URL", redis_url)
    settings.cache_clear()
    hinting = Jobs(settings(), engine)
    add_subscriber(engine, "ada@example.com")
    clock.move_to(at(6))
    hinting.cut()
    with redis.Redis.from_url(redis_url) as broker:
        hinting.sweep()
        assert broker.llen("digest") == 0
        clock.move_to(at(7))
        hinting.sweep()
        assert broker.llen("digest") == 1


def test_the_sweep_goes_on_without_redis(jobs, engine, clock, monkeypatch):
    monkeypatch.setenv("DIGEST_REDIS_URL", "redis://127.0.0.1:9/0")
    settings.cache_clear()
    add_subscriber(engine, "ada@example.com")
    clock.move_to(at(7))
    jobs.cut()
    Jobs(settings(), engine).sweep()
    with transaction(engine) as connection:
        assert len(claim(connection, "worker", 10, the_clock.now())) == 1


def test_what_the_deleted_left_in_the_files_of_a_large_database_is_removed_within_the_hour(jobs, engine):
    with transaction(engine) as connection:
        events.record(connection, the_clock.now(), TRACES, TRACES_LEFT, {})
    jobs.tidy()
    with read_only(engine) as connection:
        assert [event.what for event in events.latest(connection, 9, TRACES)] == ["removed", TRACES_LEFT]


def test_who_never_confirmed_is_forgotten_after_a_week(jobs, engine, clock):
    add_subscriber(engine, "pending@example.com", confirmed_at=None)
    add_subscriber(engine, "ada@example.com")
    clock.move_to(at(6, 0, DAY + timedelta(days=8)))
    jobs.tidy()
    from digest.subscribers.store import with_status

    with read_only(engine) as connection:
        assert [subscriber.status for subscriber in with_status(connection)] == [Status.CONFIRMED]


def test_papers_beyond_the_best_that_nobody_was_sent_are_deleted_after_a_month(jobs, engine, clock):
    add_papers(engine, range(8))
    issue_id = cut(engine, plan=replace(PLAN, papers=3)).issue_id
    kept = []
    for days in (30, 33):
        clock.move_to(at(6, 0, DAY + timedelta(days=days)))
        jobs.tidy()
        with read_only(engine) as connection:
            kept.append(len(issue_by_id(connection, issue_id, whole=True).pool))
    assert kept == [8, 3]


def test_limits_that_are_full_again_are_deleted(jobs, engine, clock):
    clock.move_to(at(6))
    with transaction(engine) as connection:
        Admission(engine, lambda: 500, SECRET).take(
            connection, EmailRequest("192.0.2.1", "example.org"), the_clock.now()
        )
    jobs.tidy()
    with read_only(engine) as connection:
        assert connection.execute(select(func.count()).select_from(buckets)).scalar() == 4
    clock.move_to(at(7))
    jobs.tidy()
    with read_only(engine) as connection:
        assert connection.execute(select(func.count()).select_from(buckets)).scalar() == 0


def test_the_tidy_job_counts_finished_issues_and_notes_the_largest_destinations(jobs, engine, clock):
    for number in range(10):
        add_subscriber(engine, f"reader{number}@big.example")
    add_subscriber(engine, "ada@own.example")
    clock.move_to(at(6))
    jobs.cut()
    jobs.tidy()
    with transaction(engine) as connection:
        assert uncounted_issues(connection) == []
        count_replies(connection, DAY, {("big.example", "2xx"): 1, ("own.example", "2xx"): 1})
        assert set(replies_to(connection)) == {("big.example", "2xx"), ("other", "2xx")}
    clock.move_to(at(7) + timedelta(hours=18, minutes=1))
    jobs.sweep()
    jobs.tidy()
    with read_only(engine) as connection:
        assert counts_of(connection, [1]) == {1: {("expired", ""): 11}}
        assert uncounted_issues(connection) == []


def test_feedback_by_a_link_in_one_email_decides_on_the_next(jobs, engine, clock, hands, monkeypatch):
    monkeypatch.setenv("DIGEST_SECRET_KEY", SECRET.decode())
    settings.cache_clear()
    jobs = Jobs(settings(), engine)
    fill(engine)
    ada = add_subscriber(engine, "ada@example.com", papers=6)
    browser = TestClient(create_app(engine, settings(), lambda: None), base_url="http://127.0.0.1:8000")
    token = sign(Purpose.FEEDBACK, ada.id, the_clock.now(), settings().secret_keys)
    for number in (100, 101):
        browser.post(f"/feedback/{token}/more/{paper_id(number)}")
    jobs.fit()
    jobs.profiles()
    clock.move_to(at(6))
    jobs.cut()
    hands.deliver()
    (email,) = hands.server.taken_for("ada@example.com")
    text = " ".join(opened(email).get_body(("plain",)).get_content().split())
    assert "Like “Graphs and their nodes”, which you liked" in text


def test_schedules_tick_in_utc_keep_nothing_and_run_late_ones_once(jobs):
    made = schedule(jobs)
    assert str(made.timezone) == "UTC"
    names = {
        "collect",
        "cut",
        "sweep",
        "finish",
        "notices",
        "bounces",
        "profiles",
        "fit",
        "libraries",
        "similar",
        "tidy",
        "summaries",
    }
    assert {job.id for job in made.get_jobs()} == names
    defaults = made._job_defaults
    assert (defaults["coalesce"], defaults["max_instances"], defaults["misfire_grace_time"]) == (True, 1, None)


def test_the_notice_that_an_operator_has_sent_is_queued_once(jobs, engine):
    add_subscriber(engine, "ada@example.com")
    with transaction(engine) as connection:
        send_notice(connection, add_notice(connection, {"en": NoticeText("Subject", "Text")}, at(5)), at(5))
    for _ in range(2):
        jobs.notices()
    with read_only(engine) as connection:
        assert [(each.issue, each.candidates) for each in audit_all(connection)] == [(f"{DAY} notice", 1)]


def test_two_schedulers_cut_one_issue(jobs, engine, database_url, clock):
    from concurrent.futures import ThreadPoolExecutor

    add_subscriber(engine, "ada@example.com")
    clock.move_to(at(6))
    other_engine = connect(database_url)
    other = Jobs(settings(), other_engine)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(jobs.cut), pool.submit(other.cut)]:
            done.result()
    other_engine.dispose()
    assert dates(engine) == [DAY]
    with read_only(engine) as connection:
        assert audit_all(connection)[0].candidates == 1
