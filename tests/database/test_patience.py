"""Pages wait a moment for the database, not half a minute and not forever."""

import os
import signal
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from digest.database.engine import connect, read_only, read_singly, transaction
from digest.database.tables import subscribers
from tests.support.pooler import pooled

PATIENCE = 0.2


@pytest.fixture
def hurried(database_url):
    engine = connect(database_url, patience=PATIENCE)
    yield engine
    engine.dispose()


@pytest.fixture
def frozen(postgresql_url):
    """An engine whose one connection is to a process of PostgreSQL that is stopped."""
    engine = connect(postgresql_url, patience=PATIENCE)
    with read_only(engine) as connection:
        pid = connection.connection.driver_connection.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    yield engine
    os.kill(pid, signal.SIGCONT)
    engine.dispose()


@contextmanager
def given_up(seconds=2.0):
    began = time.monotonic()
    with pytest.raises(OperationalError):
        yield
    assert time.monotonic() - began < seconds


def test_a_lock_that_another_program_holds_is_given_up_soon(engine, hurried):
    with transaction(engine) as other:
        other.execute(text(f"DELETE FROM {subscribers.name}"))
        if engine.dialect.name == "postgresql":
            other.execute(text(f"LOCK TABLE {subscribers.name}"))
        with given_up(), transaction(hurried) as connection:
            connection.execute(subscribers.delete())
    with transaction(hurried) as connection:
        connection.execute(subscribers.delete())


def test_postgresql_cancels_a_statement_that_takes_too_long(postgresql_url):
    engine = connect(postgresql_url, patience=PATIENCE)
    with given_up(), read_only(engine) as connection:
        connection.execute(text("SELECT pg_sleep(5)"))
    with read_only(engine) as connection:  # the connection is still good, and its limits last
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "200ms"
    engine.dispose()


def test_a_frozen_postgresql_is_given_up_then_left_alone_for_a_moment_and_found_again(frozen):
    with given_up(), read_only(frozen) as connection:
        connection.execute(text("SELECT 1"))
    with pytest.raises(OperationalError, match="a moment ago"), read_only(frozen):
        pass
    time.sleep(PATIENCE)
    with read_only(frozen) as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_behind_a_pooler_the_limits_end_with_the_transaction(postgresql_url):
    show = text("SHOW lock_timeout")
    with pooled(postgresql_url) as url:
        hurried, patient = connect(url, patience=PATIENCE), connect(url)
        for engine, limit in ((hurried, "200ms"), (patient, "0"), (hurried, "200ms")):
            for reading in (read_only, read_singly):
                with reading(engine) as connection:
                    assert connection.execute(show).scalar() == limit
        hurried.dispose()
        patient.dispose()


def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(postgresql_url):
    engine, other = connect(postgresql_url, patience=PATIENCE), connect(postgresql_url)
    for reading in (read_only, read_singly):
        with reading(engine) as connection:
            number = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        with read_only(other) as connection:
            # It returns once the process has ended.
            assert connection.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number}).scalar()
        with reading(engine) as connection:
            assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != number
    engine.dispose()
    other.dispose()


def test_reading_singly_opens_no_transaction_and_the_next_user_of_the_connection_gets_one(postgresql_url):
    engine = connect(postgresql_url, patience=PATIENCE)
    started, show = text("SELECT now()"), text("SHOW lock_timeout")
    with read_singly(engine) as connection:
        assert connection.execute(started).scalar() != connection.execute(started).scalar()
        assert connection.execute(show).scalar() == "200ms"
    with given_up(), read_singly(engine) as connection:
        connection.execute(text("SELECT pg_sleep(5)"))
    with read_only(engine) as connection:
        assert connection.execute(started).scalar() == connection.execute(started).scalar()
    engine.dispose()
