"""Everything at once, and the broker flushed again and again: one issue, one mail a reader."""

import json
import time
from datetime import date

import pytest
import redis
from sqlalchemy import select
from typer.testing import CliRunner

from digest.cli.main import app
from digest.database.engine import read_only
from digest.database.tables import issues
from tests.end_to_end.test_subscriber_life import at, wait_for
from tests.support.lists import daily_lists
from tests.support.scenario import add_reader

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

WEDNESDAY = date(2026, 3, 4)
READERS = 30


@pytest.fixture
def service(engine, database_url, redis_url, smtp_server, clock, monkeypatch):
    """The environment of every part, with readers who are due and a source that answers."""
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": smtp_server.url,
        "SOURCES": "huggingface",
        "WORKER_PROCESSES": "1",
        "SWEEP_SECONDS": "1",
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    for number in range(READERS):
        add_reader(engine, f"reader{number}@example.com")
    clock.move_to(at(WEDNESDAY, 7, 30))
    with daily_lists() as lists:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", lists)
        assert CliRunner().invoke(app, ["collect"]).exit_code == 0
        yield smtp_server


def everybody_got_one(smtp_server):
    everybody = sorted(f"reader{number}@example.com" for number in range(READERS))
    assert sorted(one.rcpt_tos[0] for one in smtp_server.taken) == everybody
    (audit,) = json.loads(CliRunner().invoke(app, ["audit", "--json"]).stdout)
    assert (audit["candidates"], audit["accepted"], audit["unexplained"]) == (READERS, READERS, 0)


def test_ten_publishers_two_schedulers_and_two_workers_make_one_issue_and_one_mail_each(service, engine, start_digest):
    for part in ("scheduler", "scheduler", "worker", "worker"):
        start_digest(part)
    publishers = [start_digest("publish") for _ in range(10)]
    assert [one.wait(120) for one in publishers] == [0] * 10
    wait_for(lambda: len(service.taken) >= READERS, 60, "every reader's mail")
    time.sleep(4)  # several sweeps more
    with read_only(engine) as connection:
        assert [row.date for row in connection.execute(select(issues))] == [WEDNESDAY]
    everybody_got_one(service)


def test_a_broker_that_forgets_everything_again_and_again_costs_no_mail(service, redis_url, start_digest):
    start_digest("worker")
    start_digest("publish").wait(60)
    start_digest("scheduler")
    with redis.Redis.from_url(redis_url) as broker:
        wait_for(lambda: broker.flushall() and len(service.taken) >= READERS, 90, "every reader's mail")
    time.sleep(3)
    everybody_got_one(service)
