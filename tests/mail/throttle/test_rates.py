"""Rates hold for all workers together, and no state of Redis stops the sending or lets it run away."""

import socket
import subprocess
import time
from collections import Counter, deque
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from digest.mail.throttle.rates import QUEUE_SECONDS, Bucket, Rates
from digest.mail.throttle.throttle import MAX_WAIT, Limits, Throttle
from digest.run import processes
from tests.mail.throttle.builders import Clock, TimedRates
from tests.support.servers import broker_command

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
GO = timedelta(0)


@pytest.fixture
def rates(redis_url):
    """A worker's rates at each call, on the same Redis."""
    made = []

    def make():
        made.append(Rates(redis_url))
        return made[-1]

    yield make
    for one in made:
        one.close()


def send_for(seconds, workers, domains=("example.org",) * 5):
    """The number of messages that busy workers may send, with their waits between windows."""
    end, went = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for worker in workers:
            went += worker.admit(domains, NOW).count(GO)
        time.sleep(0.02)
    return went


def postman(flow, clock, mails, seconds):
    """The messages sent, by destination, and those requeued, by a worker that obeys admit()."""
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
def test_one_who_waits_and_asks_again_gets_the_whole_rate_and_puts_nothing_back(engine, redis_url, rate):
    clock = Clock()
    flow = Throttle(engine, TimedRates(redis_url, clock), Limits(rate=rate))
    went, put_back = postman(flow, clock, ["a.org"] * 30_000, 20)
    assert 0.9 * rate * 20 - 1 <= went["a.org"] <= rate * 21.1 + 1
    assert put_back == 0 or rate < 10  # a window of 50 is more than it may send in five seconds


def test_mails_to_a_slow_domain_do_not_hold_up_those_to_others(engine, redis_url):
    clock = Clock()
    flow = Throttle(engine, TimedRates(redis_url, clock), Limits(domain_rates={"slow.org": 5}))
    went, _ = postman(flow, clock, ["slow.org", "a.org"] * 10_000, 4)
    assert went["a.org"] >= 0.9 * 4 * 100 * 25  # a hundred windows a second, and half of each
    assert 20 <= went["slow.org"] <= 27


def test_two_workers_share_a_rate(engine, rates):
    workers = [Throttle(engine, rates(), Limits(rate=40)) for _ in range(2)]
    assert 60 / 2 <= send_for(0.5, workers) <= 60 * 1.3  # a bucketful of 40, and 40 a second
    assert workers[0].claim_limit(500) == 200


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


def test_nothing_is_asked_of_redis_without_a_rate(engine):
    assert Throttle(engine, Rates(""), Limits()).admit(["example.org"] * 50, NOW) == [GO] * 50


def test_when_redis_forgets_everything_one_more_bucketful_goes(engine, rates, redis_url):
    flow = Throttle(engine, rates(), Limits(rate=10))
    assert flow.admit(["example.org"] * 50, NOW).count(GO) == 10
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.script_flush()
    assert flow.admit(["example.org"] * 50, NOW).count(GO) <= 12
    assert flow.admit(["example.org"] * 50, NOW).count(GO) <= 2


def test_what_is_kept_in_redis_goes_away_by_itself(rates, redis_url):
    rates().take([Bucket("all", 10.0), Bucket("to:a.org", 5.0)], [[0, 1]] * 20)
    with redis.Redis.from_url(redis_url) as client:
        lives = [client.pttl(key) for key in client.keys("digest:rate:*")]
    assert len(lives) == 2
    assert all(0 < life <= 10_000 for life in lives)


def test_while_redis_is_away_what_draws_on_a_rate_waits_and_then_the_workers_share_it_again(tmp_path):
    port = processes.free_port()
    clock = Clock()
    server = start(port, tmp_path)
    with closing(Rates(f"redis://127.0.0.1:{port}/0", clock)) as rates:
        assert go(rates) == 10
        processes.stop(server)
        with capture_logs() as logs:
            assert [go(rates) for _ in range(3)] == [0, 0, 0]
            for seconds in (59, 6):
                clock.at += seconds
                assert go(rates) == 0
        assert [line["log_level"] for line in logs] == ["warning", "warning"]
        server = start(port, tmp_path)
        try:
            clock.at += 4
            assert go(rates) == 0  # not asked again so soon
            clock.at += 2
            assert [go(rates), go(rates)] == [10, 0]
        finally:
            processes.stop(server)


def test_without_redis_messages_without_a_rate_go_and_the_others_are_requeued(engine):
    throttle = Throttle(engine, Rates(""), Limits(domain_rates={"slow.org": 5}))
    slow, other = throttle.admit(["slow.org", "a.org"], NOW)
    assert (slow > MAX_WAIT, other) == (True, GO)
    assert throttle.why_paused(NOW) == ""


def test_without_redis_nothing_is_claimed_if_every_message_draws_on_a_rate(engine):
    throttle = Throttle(engine, Rates(""), Limits(rate=5))
    assert throttle.why_paused(NOW) == ""
    assert min(throttle.admit(["a.org", "b.org"], NOW)) > MAX_WAIT
    assert "Redis" in throttle.why_paused(NOW)


def test_a_redis_that_takes_the_connection_and_says_nothing_delays_a_window_for_seconds_only():
    mute = socket.create_server(("127.0.0.1", 0))
    with mute, closing(Rates(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")) as rates:
        started = time.monotonic()
        assert [go(rates), go(rates), go(rates)] == [0, 0, 0]
        assert time.monotonic() - started < 4


def go(rates):
    return rates.take([Bucket("all", 10.0)], [[0]] * 20).count(0.0)


def start(port, folder):
    server = processes.start(broker_command(port, folder), output=subprocess.DEVNULL)
    assert processes.wait_until(lambda: processes.answers(port), seconds=10)
    return server


# --- the algorithm, with a clock that the test moves ---

EACH_EXAMPLE_FLUSHES = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def timed(redis_url):
    """A function that takes from the buckets at a given time."""
    clock = Clock()
    with closing(TimedRates(redis_url, clock)) as rates, redis.Redis.from_url(redis_url) as client:

        def take(buckets, messages, at):
            clock.at = 1000 + at
            return rates.take(buckets, messages)

        def fill():
            client.flushall()
            return take

        yield fill


def test_a_bucket_holds_a_second_of_mails_and_fills_at_its_rate(timed):
    rates = timed()
    assert rates([Bucket("all", 10)], [[0]] * 12, 0.0) == pytest.approx([0] * 10 + [0.1, 0.2])
    assert sum(wait == 0 for wait in rates([Bucket("all", 10)], [[0]] * 12, 0.5)) == 5


def test_a_slow_rate_still_lets_one_mail_go(timed):
    rates = timed()
    assert rates([Bucket("all", 0.5)], [[0]] * 2, 0.0) == pytest.approx([0, 2])


def test_a_mail_that_waits_for_one_bucket_draws_on_no_other(timed):
    rates = timed()
    wanted = [Bucket("all", 4), Bucket("to:slow.org", 1)]
    waits = rates(wanted, [[0, 1], [0, 1], [0, 1], [0], [0], [0], [0]], 0.0)
    assert [wait == 0 for wait in waits] == [True, False, False, True, True, True, False]


def test_mails_that_wait_are_given_turns_one_after_the_other_within_the_length_of_the_line(timed):
    rates = timed()
    turns = [wait for _ in range(200) for wait in rates([Bucket("all", 10)], [[0]] * 50, 0.0)][10:]
    assert turns[:2900] == sorted(turns[:2900])
    assert max(turns) <= QUEUE_SECONDS
    assert all(turns.count(turn) < 8 for turn in turns[::500])


def test_who_waits_at_hand_may_ask_again_and_again_and_is_told_the_same(timed):
    rates = timed()
    wanted = [Bucket("all", 10, patience=5)]
    for asked in (0.0, 0.01, 0.02):
        waits = [wait for wait in rates(wanted, [[0]] * 30, asked) if wait]
        assert max(waits) < 3.01


def test_who_would_wait_for_longer_than_that_stands_in_the_line_behind_those_who_do_not(timed):
    rates = timed()
    wanted = [Bucket("all", 1, patience=5)]
    assert rates(wanted, [[0]] * 9, 0.0) == pytest.approx([0, 1, 2, 3, 4, 5, 5, 6, 7])
    assert rates(wanted, [[0]] * 8, 0.0) == pytest.approx([1, 2, 3, 4, 5, 8, 9, 10])


windows = st.lists(st.tuples(st.floats(0.001, 2), st.integers(1, 60)), min_size=1, max_size=30)


@EACH_EXAMPLE_FLUSHES
@given(windows, st.floats(0.2, 200))
def test_no_more_mails_go_than_the_rate_and_one_bucketful(timed, steps, rate):
    rates, at, went = timed(), 0.0, 0
    for pause, mails in steps:
        at += pause
        went += rates([Bucket("all", rate)], [[0]] * mails, at).count(0.0)
    assert went <= rate * (at - steps[0][0]) + max(rate, 1) + 0.01


@EACH_EXAMPLE_FLUSHES
@given(st.floats(0.2, 200))
def test_who_always_has_mails_gets_the_whole_rate(timed, rate):
    rates = timed()
    went = sum(rates([Bucket("all", rate)], [[0]] * 50, step * 0.1).count(0.0) for step in range(101))
    assert went >= rate * 10 * 0.99 - 1
