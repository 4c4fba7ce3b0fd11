"""A worker survives garbage in its Redis."""

import json

import pytest
import redis
from celery import Celery

from digest.hints import QUEUE, broker_url, hint
from tests.support.waiting import wait_for, workers_look_again


def without(message: dict[str, object], *path: str, **changed: object) -> str:
    """The hint with some fields changed, in the part that `path` leads to."""
    copy = part = json.loads(json.dumps(message))
    for name in path:
        part = part[name]
    part.update({name.replace("_type", "-type"): value for name, value in changed.items()})
    return json.dumps(copy)


def garbage(message: dict[str, object]) -> list[str | bytes]:
    """Messages that used to end the worker, and others that it must not obey."""
    return [
        *("not json", "", b"\xff\xfe\x00", "5", "null", "[]", "{}", "[" * 100_000, '{"a":' * 50_000, "x" * 900_000),
        without(message, properties=None),
        without(message, headers=None),
        without(message, headers=[1]),
        without(message, body=None),
        without(message, body=5),
        without(message, body="!!!"),
        without(message, body="AAAA"),
        without(message, content_type=None),
        without(message, content_type="application/x-python-serialize"),
        without(message, "headers", task="os.system"),
        without(message, "headers", task=["os.system"]),
        without(message, "headers", expires={"a": 1}),
        without(message, "headers", eta="2099-01-01T00:00:00+00:00"),
        without(message, "headers", id={"a": 1}),
        without(message, "headers", compression="application/x-gzip"),
        without(message, "properties", delivery_tag=None),
        without(message, "properties", delivery_tag={"a": 1}),
        without(message, "properties", body_encoding="rot13"),
        without(message, "properties", delivery_info=5),
        without(message, "properties", reply_to="somebody"),
    ]


@pytest.mark.processes
def test_a_worker_survives_garbage_and_takes_no_orders(redis_url, sqlite_url, start_digest, tmp_path):
    environment = {
        "DIGEST_DATABASE_URL": sqlite_url,
        "DIGEST_REDIS_URL": redis_url,
        "DIGEST_SMTP_URL": "smtp://127.0.0.1:9",
    }
    with redis.Redis.from_url(redis_url) as broker:
        assert hint(redis_url)
        message = json.loads(broker.rpop(QUEUE))
        broker.set(QUEUE, "no queue at all")
        worker = start_digest("worker", "--processes", "1", **environment)
        log = tmp_path / "worker-0.log"
        wait_for(lambda: "WRONGTYPE" in log.read_text(), 60, "the first error")
        broker.hset("unacked", "tag", "not json")
        broker.zadd("unacked_index", {"tag": 1})
        broker.delete(QUEUE)
        broker.lpush(QUEUE, *garbage(message))
        workers_look_again(redis_url)
        with Celery(broker=broker_url(redis_url), set_as_current=False) as stranger:
            stranger.control.broadcast("shutdown")
            assert stranger.control.ping(timeout=0.5) == []
        workers_look_again(redis_url)
    assert worker.poll() is None
    worker.kill()  # it has nothing to finish
    assert log.read_text().count("dropped what is no hint") == 1
