"""Heartbeats in the database, of processes that live, stopped, died or were replaced."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import heartbeats as table
from digest.monitoring.heartbeats import (
    DEAD_AFTER,
    HeartbeatThread,
    ProcessName,
    Role,
    beat,
    heartbeats,
    stopped,
)
from digest.settings import settings
from tests.support.waiting import wait_for

SECOND = timedelta(seconds=1)


def at_work(engine, now=None):
    """The process numbers, with "alive", "stopped" or "dead"."""
    now = now or datetime.now(UTC)
    with read_only(engine) as connection:
        beats = heartbeats(connection, now)
    return {each.pid: "alive" if each.is_alive(now) else "dead" if each.is_dead(now) else "stopped" for each in beats}


def age(engine, pid, by):
    """Move what is stored of a process back in time."""
    with transaction(engine) as connection:
        row = connection.execute(select(table).where(table.c.pid == pid)).one()
        moved = {name: getattr(row, name) - by for name in ("started_at", "seen_at")}
        connection.execute(update(table).where(table.c.pid == pid).values(moved))


def worker(pid, host="mail1"):
    return ProcessName(Role.WORKER, host, pid)


def test_a_process_is_alive_until_it_was_not_seen_for_45_seconds(engine):
    beat(engine, worker(1), {}, is_first=True)
    beat(engine, worker(2, "mail2"), {}, is_first=True)
    age(engine, 1, DEAD_AFTER)
    age(engine, 2, DEAD_AFTER - 10 * SECOND)
    assert at_work(engine) == {1: "dead", 2: "alive"}
    beat(engine, worker(1), {})
    assert at_work(engine)[1] == "alive"


def test_one_that_ends_in_good_order_is_not_dead(engine):
    beat(engine, worker(1), {}, is_first=True)
    stopped(engine, worker(1))
    age(engine, 1, DEAD_AFTER + SECOND)
    assert at_work(engine) == {1: "stopped"}


def test_what_died_is_forgotten_once_another_started_in_its_stead_on_the_same_machine(engine):
    for pid, is_first in ((1, True), (2, True), (1, False)):
        beat(engine, worker(pid), {}, is_first)
    for pid in (1, 2):
        age(engine, pid, DEAD_AFTER)
    beat(engine, worker(2), {})
    assert at_work(engine) == {1: "dead", 2: "alive"}, "both worked at the same time"
    beat(engine, worker(3, "mail2"), {}, is_first=True)
    assert at_work(engine)[1] == "dead", "on another machine"
    beat(engine, ProcessName(Role.WEB, "mail1", 4), {}, is_first=True)
    assert at_work(engine)[1] == "dead", "of another role"
    beat(engine, worker(5), {}, is_first=True)
    assert 1 not in at_work(engine)


def test_a_process_with_the_number_of_an_earlier_one_is_a_new_one(engine):
    beat(engine, worker(1), {}, is_first=True)
    age(engine, 1, timedelta(hours=5))
    beat(engine, worker(1), {"rate": 2.5}, is_first=True)
    with read_only(engine) as connection:
        (beat_now,) = heartbeats(connection, datetime.now(UTC))
    # PostgreSQL reads its clock twice in the statement.
    assert abs(beat_now.seen_at - beat_now.started_at) < timedelta(seconds=1)
    assert beat_now.detail == {"rate": 2.5}


def test_they_are_measured_by_the_clock_of_the_database(engine):
    """Ours may be moved, or wrong."""
    beat(engine, worker(1), {}, is_first=True)
    future = datetime.now(UTC) + timedelta(days=3)
    assert at_work(engine, future) == {1: "alive"}
    with read_only(engine) as connection:
        (beat_then,) = heartbeats(connection, future)
    assert abs(future - beat_then.seen_at) < 40 * SECOND


def test_a_day_later_they_are_deleted_with_the_first_beat_of_another(engine):
    beat(engine, worker(1), {}, is_first=True)
    age(engine, 1, timedelta(days=1, seconds=1))
    assert at_work(engine) == {}
    beat(engine, worker(2), {}, is_first=True)
    with read_only(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 1


@pytest.fixture
def thread(database_url, engine, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    settings.cache_clear()
    return HeartbeatThread(settings(), Role.WEB, lambda: {"rate": 1.0})


def read(engine):
    with read_only(engine) as connection:
        return heartbeats(connection, datetime.now(UTC))


def test_the_thread_beats_at_once_and_says_goodbye(thread, engine):
    with thread:
        wait_for(lambda: read(engine), 20, "the first beat")
        (alive,) = read(engine)
        assert alive.is_alive(datetime.now(UTC))
        assert alive.detail["rate"] == 1.0
        assert 0 < alive.detail["free"] < 1
    assert read(engine)[0].stopped_at is not None


def test_who_ends_by_an_error_says_no_goodbye(thread, engine):
    thread.__enter__()
    wait_for(lambda: read(engine), 20, "the first beat")
    thread.__exit__(RuntimeError)
    assert read(engine)[0].stopped_at is None


def test_a_process_stops_although_the_database_is_away(monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://127.0.0.1:9/digest")
    settings.cache_clear()
    with HeartbeatThread(settings(), Role.WEB):
        pass
