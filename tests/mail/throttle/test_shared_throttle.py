"""All workers stop, slow down and go on together: what one learns, the others keep to."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from digest.database.engine import read_only, transaction
from digest.ledger.events import latest
from digest.mail import pauses
from digest.mail.delivery.outcome import receipt_of
from digest.mail.pauses import EVERYTHING, Pause, current, set_pause
from digest.mail.throttle.rates import Rates
from digest.mail.throttle.throttle import Limits, Throttle, sent_on
from digest.smtp import Phase, Reply
from tests.mail.throttle.builders import Clock, TimedRates

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
GO = timedelta(0)
ACCEPTED = Reply(0, Phase.CONTENT, 250, "2.0.0 ok", NOW)
POLICY = Reply(0, Phase.MAIL, 550, "5.7.1 <news@example.org> may not send", NOW)
TOO_FAST = Reply(0, Phase.CONTENT, 421, "4.7.28 unusual rate of mail to ada@gmail.com", NOW)
UNREACHED = Reply(0, Phase.SESSION, None, "connection refused", NOW)
NO_REDIS = Rates("")


@pytest.fixture
def throttle_of(engine):
    """Another worker's throttle at each call, on the same database."""

    def make(**limits):
        return Throttle(engine, NO_REDIS, Limits(**limits), jitter=lambda: 0.5)

    return make


def answers(*replies, domain="example.org", at=NOW):
    return [(domain, receipt_of(replace(_reply(reply), id=number, at=at))) for number, reply in enumerate(replies)]


def _reply(reply):
    return Reply(0, Phase.SESSION, None, reply, NOW) if isinstance(reply, str) else reply


def rows(engine):
    with read_only(engine) as connection:
        return pauses.all_pauses(connection)


def happened(engine):
    with read_only(engine) as connection:
        return [(event.subject, event.what) for event in reversed(latest(connection, 50))]


# --- nothing is the matter ---


def test_without_limits_and_trouble_every_mail_goes_and_nothing_is_written(engine, throttle_of):
    throttle = throttle_of()
    assert throttle.why_paused(NOW) == ""
    assert throttle.admit(["example.org"] * 50, NOW) == [GO] * 50
    throttle.record(answers(*[ACCEPTED] * 50), NOW)
    assert (rows(engine), happened(engine)) == ([], [])
    assert throttle.claim_limit(500) == 500


def test_single_refusals_among_successes_never_stop_the_sending(engine, throttle_of):
    throttle = throttle_of()
    for window in range(20):
        throttle.record(answers(ACCEPTED, POLICY, ACCEPTED, POLICY), NOW + window * SECOND)
        assert throttle.why_paused(NOW + window * SECOND) == ""
    assert [row.failures for row in rows(engine)] == [1]
    throttle.record(answers(ACCEPTED), NOW + MINUTE)
    assert rows(engine) == []


# --- the circuit breaker ---


def paused(throttle, now=NOW):
    """Let the mail server refuse us until this worker stops."""
    while not throttle.why_paused(now):
        throttle.record(answers(POLICY, at=now), now)


def test_refusals_of_us_are_counted_over_all_workers(engine, throttle_of):
    workers = [throttle_of(), throttle_of()]
    attempts = 0
    while not all(worker.why_paused(NOW) for worker in workers):
        for worker in workers:
            if not worker.why_paused(NOW):
                worker.record(answers(POLICY), NOW)
                attempts += 1
    assert attempts <= 6
    assert happened(engine) == [("sending", "stopped")]


def test_with_two_windows_on_their_way_four_workers_make_no_more_than_twenty_attempts(throttle_of):
    workers = [(throttle_of(), deque()) for _ in range(4)]
    attempts = 0
    for step in range(40):
        now = NOW + step * SECOND / 50
        for throttle, on_their_way in workers:
            if not throttle.why_paused(now):
                attempts += 1
                on_their_way.append(answers(POLICY, at=now))
            if len(on_their_way) > 2:
                throttle.record(on_their_way.popleft(), now)
    assert all(throttle.why_paused(now) for throttle, _ in workers)
    assert attempts <= 20


def test_the_alarm_is_one_and_says_the_reply_without_addresses_and_what_happens_next(throttle_of):
    workers = [throttle_of(), throttle_of()]
    with capture_logs() as logs:
        for worker in workers:
            worker.record(answers(*[POLICY] * 3), NOW)
            worker.record(answers(*[POLICY] * 3), NOW)
    (alarm,) = [line for line in logs if line["log_level"] == "error"]
    assert alarm["reply"] == "550 5.7.1 <…> may not send"
    assert alarm["next"] == "next try at 2026-11-23 08:05 UTC; resume by hand: digest resume --sending"
    assert (
        workers[0].why_paused(NOW)
        == f"the mail server rejects our messages (550 5.7.1 <…> may not send); {alarm['next']}"
    )


def test_another_worker_sees_it_within_a_second(throttle_of):
    other = throttle_of()
    assert other.why_paused(NOW) == ""
    paused(throttle_of())
    assert other.why_paused(NOW + SECOND)


def test_after_the_pause_one_worker_tries_one_mail_and_its_success_lets_all_go_on(engine, throttle_of):
    first, second = throttle_of(), throttle_of()
    paused(first)
    assert first.why_paused(NOW + 5 * MINUTE - SECOND)
    later = NOW + 5 * MINUTE
    assert second.why_paused(later - SECOND / 2)
    assert first.why_paused(later) == ""
    assert second.why_paused(later) == "another worker is trying the mail server again"
    waits = first.admit(["example.org"] * 3, later)
    assert [wait == GO for wait in waits] == [True, False, False]
    assert first.why_paused(later) == "one message is trying the mail server again"
    assert second.why_paused(later + SECOND)
    first.record(answers(ACCEPTED), later + SECOND)
    assert first.why_paused(later + SECOND) == ""
    assert first.admit(["example.org"] * 3, later + SECOND) == [GO] * 3
    assert second.why_paused(later + 3 * SECOND) == ""
    assert rows(engine) == []
    assert happened(engine) == [("sending", "stopped"), ("sending", "resumed")]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_many_workers_that_ask_at_once_one_may_try(throttle_of):
    workers = [throttle_of() for _ in range(6)]
    paused(workers[0])
    for worker in workers:
        assert worker.why_paused(NOW + 5 * MINUTE - SECOND / 2)  # what they have read is as old
    with ThreadPoolExecutor(len(workers)) as pool:
        said = list(pool.map(lambda worker: worker.why_paused(NOW + 5 * MINUTE), workers))
    assert said.count("") == 1


def test_a_mail_tried_in_vain_doubles_the_pause_and_raises_no_second_alarm(engine, throttle_of):
    throttle = throttle_of()
    paused(throttle)
    with capture_logs() as logs:
        for minutes in (5, 15, 35, 75, 135, 195):
            now = NOW + minutes * MINUTE
            assert throttle.why_paused(now - SECOND)
            assert throttle.why_paused(now) == ""
            assert throttle.admit(["example.org"], now) == [GO]
            throttle.record(answers(POLICY, at=now), now)
    assert happened(engine) == [("sending", "stopped")]
    assert {line["log_level"] for line in logs} == {"warning"}


def test_a_trial_that_says_nothing_of_us_is_followed_by_another_mail_at_once(throttle_of):
    throttle = throttle_of()
    paused(throttle)
    now = NOW + 5 * MINUTE
    assert throttle.why_paused(now) == ""
    throttle.admit(["example.org"], now)
    throttle.record(answers(Reply(0, Phase.RCPT, 550, "5.1.1 no such user", NOW)), now)
    assert throttle.why_paused(now) == ""
    assert throttle.admit(["example.org"] * 2, now)[0] == GO
    assert throttle.why_paused(now)


def test_a_worker_that_dies_with_the_trial_leaves_it_to_another_after_a_minute(throttle_of):
    dies, other = throttle_of(), throttle_of()
    paused(dies)
    now = NOW + 5 * MINUTE
    assert dies.why_paused(now) == ""
    assert other.why_paused(now)
    assert other.why_paused(now + 59 * SECOND)
    assert other.why_paused(now + MINUTE) == ""
    assert dies.why_paused(now + MINUTE + SECOND)


def test_a_worker_whose_trial_ran_out_may_take_the_next_one(throttle_of):
    throttle = throttle_of()
    paused(throttle)
    now = NOW + 5 * MINUTE
    assert throttle.why_paused(now) == ""
    throttle.admit(["example.org"], now)
    assert throttle.why_paused(now + SECOND)
    assert [throttle.why_paused(now + MINUTE), throttle.why_paused(now + MINUTE)] == ["", ""]
    assert throttle.admit(["example.org"], now + MINUTE) == [GO]


def test_a_server_that_cannot_be_reached_stops_the_sending_for_a_minute_after_five_windows(throttle_of):
    throttle = throttle_of()
    for _ in range(4):
        throttle.record(answers(*[UNREACHED] * 50), NOW)
        assert throttle.why_paused(NOW) == ""
    throttle.record(answers(*[UNREACHED] * 50), NOW)
    assert throttle.why_paused(NOW + 59 * SECOND)
    for minutes in range(1, 4):
        now = NOW + minutes * MINUTE
        assert throttle.why_paused(now) == ""
        throttle.admit(["example.org"], now)
        throttle.record(answers(UNREACHED, at=now), now)
        assert throttle.why_paused(now)


def test_mails_that_were_on_their_way_neither_lengthen_the_pause_nor_end_it(engine, throttle_of):
    first, second = throttle_of(), throttle_of()
    paused(first)
    before = rows(engine)
    second.record(answers(*[POLICY] * 5), NOW + SECOND)
    second.record(answers(ACCEPTED), NOW + SECOND)
    assert rows(engine) == before


def test_the_operator_resumes_before_the_pause_ends(engine, throttle_of):
    throttle = throttle_of()
    assert not pauses.resume(engine, EVERYTHING, NOW)
    paused(throttle)
    assert pauses.resume(engine, EVERYTHING, NOW)
    assert throttle.why_paused(NOW + SECOND) == ""
    assert happened(engine) == [("sending", "stopped"), ("sending", "resumed")]


def test_what_the_operator_stops_stays_stopped_whatever_is_answered(engine, throttle_of):
    throttle = throttle_of()
    pauses.pause_by_hand(engine, EVERYTHING, "moving house", NOW)
    throttle.record(answers(ACCEPTED), NOW)
    throttle.record(answers(*[POLICY] * 6), NOW)
    year = timedelta(days=365)
    why = "sending is paused (moving house); resume by hand: digest resume --sending"
    assert throttle.why_paused(NOW + year) == why
    assert pauses.pause_of(engine, EVERYTHING, NOW + year) == Pause(EVERYTHING, NOW, None, "moving house", 0)
    assert pauses.resume(engine, EVERYTHING, NOW + year)
    assert throttle.why_paused(NOW + year + SECOND) == ""


def test_what_the_operator_stops_during_a_trial_stays_stopped_when_the_trial_succeeds(engine, throttle_of):
    throttle = throttle_of()
    paused(throttle)
    now = NOW + 5 * MINUTE
    assert throttle.why_paused(now) == ""
    throttle.admit(["example.org"], now)
    pauses.pause_by_hand(engine, EVERYTHING, "moving house", now)
    throttle.record(answers(ACCEPTED), now)
    assert throttle.why_paused(now)


# --- destinations ---


def test_a_domain_that_wants_fewer_mails_rests_and_the_others_do_not_notice(engine, throttle_of):
    throttle, other = throttle_of(), throttle_of()
    throttle.record(answers(TOO_FAST, TOO_FAST, domain="gmail.com"), NOW)
    for worker in (throttle, other):
        assert worker.why_paused(NOW + SECOND) == ""
        waits = worker.admit(["gmail.com", "example.org"], NOW + SECOND)
        assert waits == [(10 * MINUTE - SECOND) * 1.05, GO]
    assert happened(engine) == [("domain:gmail.com", "paused")]
    with read_only(engine) as connection:
        (pause,) = current(connection, NOW)
    assert (pause.scope, pause.until, pause.reason) == (
        "gmail.com",
        NOW + 10 * MINUTE,
        "421 4.7.28 unusual rate of mail to …",
    )


def test_mails_that_wait_for_a_domain_do_not_come_back_all_at_once(engine):
    throttle = Throttle(engine, NO_REDIS, Limits())
    throttle.record(answers(TOO_FAST, domain="gmail.com"), NOW)
    waits = throttle.admit(["gmail.com"] * 50, NOW)
    assert len(set(waits)) > 40
    assert 10 * MINUTE <= min(waits) <= max(waits) <= 11 * MINUTE


def test_after_its_pause_a_domain_starts_with_one_mail_and_gets_more_with_each_success(engine, redis_url):
    clock = Clock()
    throttle = Throttle(engine, TimedRates(redis_url, clock), Limits())
    throttle.record(answers(TOO_FAST, domain="gmail.com"), NOW)
    throttle.admit(["gmail.com"], NOW)
    went = []
    for second in range(9):
        now = NOW + 10 * MINUTE + second * SECOND
        clock.at += 1
        went.append(throttle.admit(["gmail.com"] * 50 + ["example.org"], now).count(GO) - 1)
        throttle.record(answers(ACCEPTED, domain="gmail.com", at=now), now)
    assert went == [1, 2, 4, 8, 16, 32, 50, 50, 50]
    assert rows(engine) == []


def test_a_domain_that_complains_again_rests_twice_as_long_and_a_success_forgives_it(engine, throttle_of):
    throttle = throttle_of()
    throttle.record(answers(TOO_FAST, domain="gmail.com"), NOW)
    now = NOW + 10 * MINUTE
    throttle.record(answers(TOO_FAST, domain="gmail.com", at=now), now)
    assert [(row.until - now, row.failures) for row in rows(engine)] == [(20 * MINUTE, 2)]
    now += 20 * MINUTE
    throttle.record(answers(ACCEPTED, domain="gmail.com", at=now), now)
    assert rows(engine) == []


def test_a_success_that_was_on_its_way_does_not_end_a_domains_pause(engine, throttle_of):
    throttle = throttle_of()
    throttle.record(answers(ACCEPTED, TOO_FAST, ACCEPTED, domain="gmail.com"), NOW)
    throttle.record(answers(ACCEPTED, domain="gmail.com"), NOW + SECOND)
    assert [row.scope for row in rows(engine)] == ["gmail.com"]


def test_an_operator_may_pause_a_domain_until_further_notice(engine, throttle_of):
    with transaction(engine) as connection:
        set_pause(connection, Pause("gmail.com", NOW, None, "asked by phone"))
    assert throttle_of().admit(["gmail.com", "a.org"], NOW) == [timedelta(minutes=63), GO]


# --- the warm-up ---

WARM_UP = {"warm_up_from": date(2026, 11, 23), "warm_up_first_day": 30}


def test_all_workers_together_never_send_more_than_the_warm_up_allows(throttle_of):
    workers = [throttle_of(**WARM_UP) for _ in range(3)]
    went = 0
    for _ in range(4):
        for worker in workers:
            if worker.shares(4, NOW).of_issues:
                waits = worker.admit(["example.org"] * 4, NOW)
                went += waits.count(GO)
                worker.record(answers(*[ACCEPTED] * waits.count(GO)), NOW)
    assert went == 30
    assert {worker.shares(4, NOW + SECOND).of_issues for worker in workers} == {0}


def test_what_the_day_has_no_room_for_waits_for_midnight_in_utc_and_then_a_third_more_goes(throttle_of):
    throttle = throttle_of(**WARM_UP)
    waits = throttle.admit(["example.org"] * 31, NOW)
    assert waits == [GO] * 30 + [timedelta(hours=16, minutes=5)]
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    assert throttle.shares(50, midnight - SECOND).of_issues == 0
    assert throttle.shares(50, midnight).of_issues == 50
    assert throttle.admit(["example.org"] * 50, midnight).count(GO) == 40


def test_mails_that_were_not_accepted_leave_room_for_others(engine, throttle_of):
    throttle = throttle_of(**WARM_UP)
    throttle.admit(["example.org"] * 30, NOW)
    later = Reply(0, Phase.RCPT, 451, "4.3.0 later", NOW)
    throttle.record(answers(*[ACCEPTED] * 20, *[later] * 10), NOW)
    assert throttle.admit(["example.org"] * 30, NOW).count(GO) == 10
    with read_only(engine) as connection:
        assert sent_on(connection, NOW.date()) == 30


def test_before_the_first_day_of_a_warm_up_there_is_no_limit(throttle_of):
    throttle = throttle_of(**WARM_UP)
    assert throttle.admit(["example.org"] * 50, NOW - timedelta(days=1)) == [GO] * 50
