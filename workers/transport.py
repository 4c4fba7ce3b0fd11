"""Kombu's Redis transport, for a queue that anybody with access to Redis can write to: it drops all but hints.

A hint carries nothing but its time, so the worker never reads more of a message than that.
"""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import Empty
from typing import Any

import structlog
from kombu.transport import redis as kombu_redis
from redis.exceptions import ResponseError

from digest.hints import DELIVER

log = structlog.get_logger()

_BODY = json.dumps([[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
_REFUSED_SECONDS = 2.0
# Raised by kombu for a damaged message, and by nothing else here.
_DAMAGED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def read_hint(message: object, queue: str) -> dict[str, Any] | None:
    """The message as we would have sent it; None for anything else than a hint."""
    match message:
        case {"headers": {"task": task, **headers}, "properties": {"delivery_tag": str(tag)}} if task == DELIVER:
            name = str(uuid.uuid4())
            return {
                "body": _BODY,
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": {"task": DELIVER, "id": name, "root_id": name, "expires": _instant(headers.get("expires"))},
                "properties": {
                    "delivery_tag": tag[:64],
                    "delivery_info": {"exchange": "", "routing_key": queue},
                    "correlation_id": name,
                    "priority": 0,
                },
            }
    return None


def _instant(text: object) -> str | None:
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return instant.isoformat() if instant.tzinfo else None


def _report_garbage() -> None:
    log.error("dropped what is no hint. Only Digest should write to this Redis: check who else can", every=60)


@contextmanager
def _slowly() -> Iterator[None]:
    try:
        yield
    except ResponseError as problem:
        text = "Redis refuses a command; tried again every few seconds. Only Digest should write to this Redis"
        log.error(text, problem=str(problem), every=60)
        time.sleep(_REFUSED_SECONDS)
        raise


class QoS(kombu_redis.QoS):
    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client, leftmost)
        except _DAMAGED:
            _report_garbage()
            self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]


class Channel(kombu_redis.Channel):
    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, RecursionError):  # no JSON
            _report_garbage()
            raise Empty from None

    def _size(self, queue: str) -> Any:
        with _slowly():
            return super()._size(queue)


class Transport(kombu_redis.Transport):
    Channel = Channel
    # Redis refuses a command: the key is of another type, its memory is full, it is read-only, we may not. The worker
    # connects again, as after an outage.
    connection_errors = (*kombu_redis.Transport.connection_errors, ResponseError)

    def on_readable(self, *file: Any) -> None:
        with _slowly():
            super().on_readable(*file)

    def _deliver(self, message: Any, queue: Any) -> None:
        hint = read_hint(message, queue)
        if hint is None:
            _report_garbage()
        else:
            super()._deliver(hint, queue)
