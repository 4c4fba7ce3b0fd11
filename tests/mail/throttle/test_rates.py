"""Rates hold for all workers together, and no state of Redis stops the sending or lets it run away."""

import socket
import subprocess
import time
from collections import Counter, deque
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import redis
from structlog.testing import capture_logs

from digest.mail.throttle.limits import MAX_WAIT, Bucket, Limits
from digest.mail.throttle.rates import RedisRates, local_rates, redis_rates
from digest.mail.throttle.throttle import Throttle
from digest.run import processes
from digest.run.embedded import valkey_command

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
GO = timedelta(0)


@pytest.fixture
def rates(redis_url):
    """A worker's rates at each call, on the same Redis."""
    made = []

    def make():
        made.append(RedisRates(redis_url))
        return made[-1]

    yield make
    for one in made:
        one.close()


def send_for(seconds, workers, domains=("example.org",) * 5):
    """How many mails the workers may send, who always have more; waiting between two windows, as they would."""
    end, went = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for worker in workers:
            went += worker.admit(domains, NOW).count(GO)
        time.sleep(0.02)
    return went


def postman(flow, clock, mails, seconds):
    """Mails that went by destination, and those put back, of one who keeps to the rules of admit() for so long."""
    waiting, went, put_back, end = deque(mails), Counter(), 0, clock.at + seconds
    while waiting and clock.at < end:
        window = [waiting.popleft() for _ in range(min(50, len(waiting)))]
        waits = flow.admit(window, NOW)
        went.update(domain for domain, wait in zip(window, waits, strict=True) if not wait)
        put_back += sum(wait > MAX_WAIT for wait in waits)
        waiting.extendleft(domain for domain, wait in zip(window, waits, strict=True) if GO < wait <= MAX_WAIT)
        clock.at += 0.01 if GO in waits else min(wait.total_seconds() for wait in waits)
    return went, put_back


@pytest.mark.parametrize("rate", [0.5, 3, 40, 1000])
def test_one_who_waits_and_asks_again_gets_the_whole_rate_and_puts_nothing_back(engine, rate):
    clock = Clock()
    flow = Throttle(engine, local_rates(clock), Limits(rate=rate))
    went, put_back = postman(flow, clock, ["a.org"] * 30_000, 20)
    assert 0.9 * rate * 20 - 1 <= went["a.org"] <= rate * 21.1 + 1
    assert put_back == 0 or rate < 10  # a window of 50 is more than it may send in five seconds


def test_mails_to_a_slow_domain_do_not_hold_up_those_to_others(engine):
    clock = Clock()
    flow = Throttle(engine, local_rates(clock), Limits(domain_rates={"slow.org": 5}))
    went, _ = postman(flow, clock, ["slow.org", "a.org"] * 10_000, 4)
    assert went["a.org"] >= 0.9 * 4 * 100 * 25  # a hundred windows a second, and half of each
    assert 20 <= went["slow.org"] <= 27


def test_two_workers_share_a_rate(engine, rates):
    workers = [Throttle(engine, rates(), Limits(rate=40)) for _ in range(2)]
    assert 60 / 2 <= send_for(0.5, workers) <= 60 * 1.3  # a bucketful of 40, and 40 a second
    assert workers[0].at_once(500) == 200


def test_workers_share_each_domains_rate_and_other_domains_have_their_own(engine, rates):
    limits = Limits(domain_rates={"gmail.com": 10, "*": 5})
    first, second = (Throttle(engine, rates(), limits) for _ in range(2))
    window = ["gmail.com"] * 20 + ["a.org"] * 20 + ["b.org"] * 20
    waits = [*first.admit(window[::2], NOW), *second.admit(window[1::2], NOW)]
    went = [domain for domain, wait in zip(window[::2] + window[1::2], waits, strict=True) if not wait]
    assert 10 <= went.count("gmail.com") <= 14
    assert 5 <= went.count("a.org") <= 7
    assert 5 <= went.count("b.org") <= 7


def test_a_mail_that_must_wait_is_told_its_turn(engine, rates):
    waits = Throttle(engine, rates(), Limits(rate=2)).admit(["example.org"] * 6, NOW)
    assert [round(wait.total_seconds() * 2) for wait in waits] == [0, 0, 1, 2, 3, 4]


def test_redis_and_a_process_alone_come_to_the_same(rates):
    shared, alone = rates(), local_rates()
    buckets = [Bucket("all", 7.0, patience=1), Bucket("to:a.org", 3.0), Bucket("to:b.org", 0.5, patience=3)]
    mails = [[0, 1], [0, 2], [0], [0, 1], [0, 1], [0, 2], [0, 1]] * 3
    assert shared(buckets, mails) == pytest.approx(alone(buckets, mails), abs=0.05)


def test_nothing_is_asked_of_redis_without_a_rate(engine):
    def untouched(buckets, mails):
        raise AssertionError

    assert Throttle(engine, untouched, Limits()).admit(["example.org"] * 50, NOW) == [GO] * 50


def test_when_redis_forgets_everything_one_more_bucketful_goes(engine, rates, redis_url):
    flow = Throttle(engine, rates(), Limits(rate=10))
    assert flow.admit(["example.org"] * 50, NOW).count(GO) == 10
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.script_flush()
    assert flow.admit(["example.org"] * 50, NOW).count(GO) <= 12
    assert flow.admit(["example.org"] * 50, NOW).count(GO) <= 2


def test_what_is_kept_in_redis_goes_away_by_itself(rates, redis_url):
    rates()([Bucket("all", 10.0), Bucket("to:a.org", 5.0)], [[0, 1]] * 20)
    with redis.Redis.from_url(redis_url) as client:
        lives = [client.pttl(key) for key in client.keys("digest:rate:*")]
    assert len(lives) == 2
    assert all(0 < life <= 10_000 for life in lives)


def test_while_redis_is_away_each_worker_keeps_to_the_rate_and_then_they_share_it_again(tmp_path):
    port = processes.free_port()
    clock = Clock()
    server = start(port, tmp_path)
    with closing(RedisRates(f"redis://127.0.0.1:{port}/0", clock)) as rates:
        assert go(rates) == 10
        processes.stop(server)
        with capture_logs() as logs:
            assert [go(rates) for _ in range(3)] == [10, 0, 0]
            for seconds in (59, 6):
                clock.at += seconds
                assert go(rates) == 10
        assert [line["log_level"] for line in logs] == ["warning", "warning"]
        server = start(port, tmp_path)
        try:
            clock.at += 4
            assert [go(rates), go(rates)] == [10, 0]  # not asked again so soon
            clock.at += 2
            assert [go(rates), go(rates)] == [10, 0]
            with redis.Redis(port=port) as client:
                assert client.keys() == [b"digest:rate:all"]
        finally:
            processes.stop(server)


def test_a_redis_that_takes_the_connection_and_says_nothing_holds_a_window_up_for_seconds_only():
    mute = socket.create_server(("127.0.0.1", 0))
    with mute, closing(RedisRates(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")) as rates:
        started = time.monotonic()
        assert [go(rates), go(rates), go(rates)] == [10, 0, 0]
        assert time.monotonic() - started < 4


def test_without_an_address_of_redis_a_worker_keeps_to_the_rate_by_itself():
    assert go(redis_rates("")) == 10


def go(rates):
    return rates([Bucket("all", 10.0)], [[0]] * 20).count(0.0)


def start(port, folder):
    server = processes.start(valkey_command(port, folder), output=subprocess.DEVNULL)
    assert processes.wait_until(lambda: processes.answers(port), seconds=10)
    return server


class Clock:
    at = 1000.0

    def __call__(self):
        return self.at
