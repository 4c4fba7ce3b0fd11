"""The port by which the workers are told to look: it never fails who uses it."""

import subprocess
import sys

import redis

from digest.hints import QUEUE, hint


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
