"""The port by which the workers are told to look: it never fails who uses it."""

import socket
import subprocess
import sys
import time

import pytest
import redis

from digest.hints import QUEUE, HintSender, hint
from tests.support.waiting import wait_for


@pytest.fixture
def silent_redis():
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_hint_reaches_the_queue_once_for_each_worker_that_is_wanted(redis_url):
    assert hint(redis_url, times=3)
    with redis.Redis.from_url(redis_url) as broker:
        assert broker.llen(QUEUE) == 3


def test_without_redis_a_hint_says_no_and_raises_nothing():
    assert not hint("")
    assert not hint("redis://127.0.0.1:9/0")


AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from digest.hints import hint
with ThreadPoolExecutor(8) as pool:
    print([f.result() for f in [pool.submit(hint, sys.argv[1]) for _ in range(8)]])
"""


def test_the_first_hints_of_a_process_may_come_from_many_threads_at_once(redis_url):
    """In a process of its own, where nothing has imported Celery yet."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE, redis_url], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str([True] * 8), done.stderr


def test_a_redis_that_says_nothing_is_given_up_soon(silent_redis):
    began = time.monotonic()
    assert not hint(silent_redis)
    assert time.monotonic() - began < 4


def test_nobody_waits_for_it_who_does_not_need_the_answer(silent_redis):
    send, began = HintSender(silent_redis), time.monotonic()
    for _ in range(5):
        send()
    assert time.monotonic() - began < 1


def test_hints_that_nobody_waits_for_become_one(redis_url):
    send = HintSender(redis_url)
    for _ in range(200):
        send()
    with redis.Redis.from_url(redis_url) as broker:
        wait_for(lambda: broker.llen(QUEUE), 30, "a hint")
        send()
        wait_for(lambda: broker.llen(QUEUE) > 1, 30, "the next hint")
        assert broker.llen(QUEUE) <= 3
