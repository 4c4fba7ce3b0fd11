"""Tells workers through Redis to check the ledger. A hint may get lost or arrive twice."""

import threading
from functools import cache
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:  # Celery takes half a second to import; pages that send no hint skip that
    from celery import Celery

log = structlog.get_logger()

DELIVER = "digest.deliver"  # the task's name; workers/tasks.py has the task
QUEUE = "digest"
# The next sweep replaces a hint that no worker took.
_EXPIRES_SECONDS = 30
_TIMEOUT_SECONDS = 1.0  # for a Redis that accepts connections and says nothing

_one_at_a_time = threading.Lock()


class HintSender:
    """Sends hints from a thread of its own, so that no page waits for Redis. While one waits, all others are the same.

    The thread starts with the first hint and ends with the process.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._is_wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def __call__(self) -> None:
        """Ask for a hint. Returns at once."""
        self._is_wanted.set()
        if self._redis_url and self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="hints", daemon=True)
                self._thread.start()

    def _send(self) -> None:
        while self._is_wanted.wait():
            self._is_wanted.clear()
            hint(self._redis_url)


def hint(redis_url: str, times: int = 1) -> bool:
    """Hint `times` workers at due messages. False if Redis is unreachable, which delays messages but loses none."""
    if not redis_url:
        return False
    # Celery creates its names lazily: two threads that import it at the same time may both get a partial module.
    with _one_at_a_time:
        producer = _producer(redis_url)
    from kombu.exceptions import OperationalError

    try:
        for _ in range(times):
            producer.send_task(DELIVER, queue=QUEUE, ignore_result=True, retry=False, expires=_EXPIRES_SECONDS)
    except OperationalError as problem:
        text = "no hint to the workers; the next sweep will find the messages"
        log.warning(text, problem=str(problem), every=60)
        return False
    return True


def broker_url(redis_url: str) -> str:
    """Celery's spelling of an address in DIGEST_REDIS_URL."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return f"redis+socket{redis_url.removeprefix('unix')}".replace("?db=", "?virtual_host=")


@cache
def _producer(redis_url: str) -> "Celery":
    from celery import Celery

    app = Celery("digest-hints", broker=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        task_serializer="json",
        broker_connection_timeout=_TIMEOUT_SECONDS,
        broker_transport_options={
            "socket_connect_timeout": _TIMEOUT_SECONDS,
            "socket_timeout": _TIMEOUT_SECONDS,
            "max_retries": 0,
        },
    )
    return app
