"""A firewall forgets a worker's connections to Redis: no packet arrives any more, and neither side is told."""

import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from digest.run import processes
from digest.subscribers.subscriber import Consent
from digest.subscribers.subscriptions import subscribe
from tests.support.scenario import MORNING, SECRET
from tests.support.tcp_proxy import proxied
from tests.support.waiting import wait_for

MOST_SECONDS = 150

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


def test_a_worker_reads_hints_again_within_minutes(
    redis_url, engine, database_url, smtp_server, clock, monkeypatch, start_digest
):
    clock.move_to(MORNING + timedelta(hours=2))
    for name, value in {
        "DATABASE_URL": database_url, "SMTP_URL": smtp_server.url, "SECRET_KEY": SECRET.decode(), "SWEEP_SECONDS": "1",
        "SOURCES": "huggingface", "HUGGINGFACE_URL": f"http://127.0.0.1:{processes.free_port()}",
        "SOURCE_TIMEOUT_SECONDS": "0.5",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"DIGEST_{name}", value)
    with proxied(urlsplit(redis_url).port) as proxy:
        start_digest("worker", "--processes", "2", DIGEST_REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
        start_digest("scheduler", DIGEST_REDIS_URL=redis_url)
        send(engine, smtp_server, 1, 60)
        proxy.drop_packets()
        began = time.monotonic()
        # The first message needs the connection that reads hints, the next ones those that acknowledge them.
        for number in (2, 3, 4):
            send(engine, smtp_server, number, MOST_SECONDS + began - time.monotonic())
            sys.stderr.write(f"message {number} {time.monotonic() - began:.0f} s after the last packet\n")
            time.sleep(3)


def send(engine, smtp_server, number, seconds):
    """Queue a confirmation, and wait until the mail server has it."""
    subscribe(engine, f"subscriber{number}@example.com", Consent(MORNING, "", "a form"), SECRET)
    wait_for(lambda: len(smtp_server.taken) >= number, seconds, f"message {number}")
