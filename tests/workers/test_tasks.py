"""Celery only carries hints: nothing relies on its memory."""

from urllib.parse import urlsplit

import pytest
import redis

from digest.settings import settings
from tests.support.tcp_proxy import proxied


@pytest.fixture
def celery(redis_url, monkeypatch):
    monkeypatch.setenv("DIGEST_REDIS_URL", redis_url)
    settings.cache_clear()
    from workers.app import app

    return app


def test_messages_are_json_and_nothing_else(celery):
    assert (celery.conf.task_serializer, celery.conf.accept_content) == ("json", ["json"])
    assert celery.conf.event_serializer == "json"


def test_a_hint_is_acknowledged_late_taken_one_at_a_time_and_leaves_no_result(celery):
    assert celery.conf.task_acks_late
    assert celery.conf.worker_prefetch_multiplier == 1
    assert celery.conf.task_ignore_result
    assert celery.conf.result_backend is None


def test_nothing_interrupts_a_send(celery):
    assert celery.conf.task_soft_time_limit is None
    assert celery.conf.task_time_limit is None


def test_redis_gives_a_hint_out_again_only_long_after_any_task_has_ended(celery):
    assert celery.conf.broker_transport_options["visibility_timeout"] >= 3600


def test_a_redis_that_falls_silent_is_asked_again_over_another_connection(celery, redis_url):
    """tests/soak/test_half_open.py has a worker and the real times."""
    options = celery.conf.broker_transport_options
    assert 1 < options["socket_timeout"] <= 10  # it answers a worker that waits for hints each second
    with proxied(urlsplit(redis_url).port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with celery.connection(url, transport_options=options | {"socket_timeout": 0.2}) as connection:
            client = connection.default_channel.client
            client.ping()
            proxy.drop_packets()
            with pytest.raises(redis.TimeoutError):
                client.ping()
            assert client.ping()


def test_the_only_task_is_the_one_that_hints_name(celery):
    from digest.hints import DELIVER
    from workers import tasks

    ours = {name for name in celery.tasks if not name.startswith("celery.")}
    assert ours == {DELIVER} == {tasks.deliver.name}
