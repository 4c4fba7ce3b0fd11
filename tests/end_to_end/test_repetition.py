"""Everything at once, and the broker flushed again and again: one issue, one message a subscriber."""

import json
import os
from datetime import date

import pytest
import redis
from sqlalchemy import select
from typer.testing import CliRunner

from digest.cli.main import app
from digest.database.engine import read_only
from digest.database.tables import issues
from tests.end_to_end.test_subscriber_life import at
from tests.support.lists import daily_lists
from tests.support.scenario import add_subscriber
from tests.support.waiting import wait_for, workers_look_again

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

WEDNESDAY = date(2026, 3, 4)
SUBSCRIBERS = 30
PUBLISHERS = 10


@pytest.fixture
def service(engine, database_url, redis_url, smtp_server, clock, monkeypatch):
    """The environment of every part, with subscribers who are due and a source that answers."""
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": smtp_server.url,
        "SOURCES": "huggingface",
        "WORKER_PROCESSES": "1",
        "SWEEP_SECONDS": "1",
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    for number in range(SUBSCRIBERS):
        add_subscriber(engine, f"subscriber{number}@example.com")
    clock.move_to(at(WEDNESDAY, 7, 30))
    with daily_lists() as lists:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", lists)
        assert CliRunner().invoke(app, ["collect"]).exit_code == 0
        yield smtp_server


def everybody_got_one(smtp_server):
    everybody = sorted(f"subscriber{number}@example.com" for number in range(SUBSCRIBERS))
    assert sorted(message.rcpt_tos[0] for message in smtp_server.taken) == everybody
    (audit,) = json.loads(CliRunner().invoke(app, ["audit", "--json"]).stdout)
    assert (audit["candidates"], audit["accepted"], audit["unexplained"]) == (SUBSCRIBERS, SUBSCRIBERS, 0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time anyway
def test_ten_publishers_two_schedulers_and_two_workers_make_one_issue_and_one_mail_each(
    service, engine, redis_url, start_digest
):
    for part in ("scheduler", "scheduler", "worker", "worker"):
        start_digest(part)
    publishers = [start_digest("publish") for _ in range(PUBLISHERS)]
    assert [publisher.wait(100) for publisher in publishers] == [0] * PUBLISHERS
    wait_for(lambda: len(service.taken) >= SUBSCRIBERS, 60, "everyone's message")
    workers_look_again(redis_url)
    with read_only(engine) as connection:
        assert [row.date for row in connection.execute(select(issues))] == [WEDNESDAY]
    everybody_got_one(service)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the other test has PostgreSQL
def test_a_broker_that_forgets_everything_again_and_again_costs_no_mail(service, redis_url, start_digest):
    worker = start_digest("worker")
    start_digest("scheduler")
    assert CliRunner().invoke(app, ["publish"]).exit_code == 0
    with redis.Redis.from_url(redis_url) as broker:
        wait_for(lambda: broker.flushall() and len(service.taken) >= SUBSCRIBERS, 90, "everyone's message")
    workers_look_again(redis_url)
    everybody_got_one(service)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) > os.getpriority(os.PRIO_PROCESS, 0), "pages come first"
