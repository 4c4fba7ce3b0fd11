"""The port by which anyone tells the workers to look at the ledger. Hints may get lost, or doubled."""

import threading
from functools import cache
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:  # Celery takes half a second to import, which a page that nobody hints from need not wait for
    from celery import Celery

log = structlog.get_logger()

DELIVER = "digest.deliver"  # the task's name; workers/tasks.py has the task
QUEUE = "digest"
# A hint that nobody took is worth nothing after the next sweep.
_EXPIRES_SECONDS = 30

_one_at_a_time = threading.Lock()


def hint(redis_url: str, times: int = 1) -> bool:
    """Tell `times` workers that mails are due; False when Redis cannot be reached, which costs seconds and no mail."""
    if not redis_url:
        return False
    producer = _producer(redis_url)
    from kombu.exceptions import OperationalError

    try:
        for _ in range(times):
            producer.send_task(DELIVER, queue=QUEUE, ignore_result=True, retry=False, expires=_EXPIRES_SECONDS)
    except OperationalError as problem:
        log.warning("no hint to the workers; the next sweep will find the mails", problem=str(problem))
        return False
    return True


def _producer(redis_url: str) -> "Celery":
    # Two threads that import Celery for the first time at once get half of it (its package makes its names as they are
    # asked for), so the first one goes alone.
    with _one_at_a_time:
        return _make_producer(redis_url)


@cache
def _make_producer(redis_url: str) -> "Celery":
    from celery import Celery

    app = Celery("digest-hints", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        broker_connection_timeout=2,
        broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5, "max_retries": 0},
    )
    return app
