"""The limits of a worker: how many deliveries it claims, how large its windows are, and when sending is paused."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from digest.database.engine import transaction
from digest.ledger.deliveries import Shares
from digest.mail.delivery.outcome import Outcome, Receipt, receipt_of
from digest.mail.pauses import BREAKS_AT, EVERYTHING, NOT_PAUSED, Pause, set_pause
from digest.mail.throttle.breaker import after_failures
from digest.mail.throttle.rates import Rates
from digest.mail.throttle.responses import ResponseSummary, summarize
from digest.mail.throttle.throttle import (
    MAX_WAIT,
    Limits,
    Throttle,
    give_back,
    next_window_size,
    pause_after_complaint,
    reserve,
    sent_on,
)
from digest.smtp import Phase, Reply
from tests.mail.throttle.builders import Clock

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
TODAY = NOW.date()
MINUTE = timedelta(minutes=1)
GO = timedelta(0)


def receipt(outcome, code=250, enhanced="", text="", seconds=0.0):
    return Receipt(1, outcome, code, enhanced, text, NOW + timedelta(seconds=seconds))


def throttle_of(engine, jitter=0.5, **limits):
    return Throttle(engine, Rates(""), Limits(**limits), jitter=lambda: jitter)


def store(engine, *stored):
    with transaction(engine) as connection:
        for pause in stored:
            set_pause(connection, pause)


# --- what the operator allows ---


def test_a_message_waits_five_seconds_with_its_worker_at_most():
    assert timedelta(seconds=5) == MAX_WAIT


def test_by_default_nothing_is_limited():
    assert Limits() == Limits(0.0, {}, None, 500)


@pytest.mark.parametrize(
    ("rate", "claims"), [(0.0, 200), (0.01, 1), (0.2, 1), (0.4, 2), (1.0, 5), (39.8, 199), (40.0, 200), (100.0, 200)]
)
def test_no_more_is_claimed_than_may_go_before_it_is_requeued(engine, rate, claims):
    assert throttle_of(engine, rate=rate).claim_limit(200) == claims


@pytest.mark.parametrize(
    ("days", "limit"), [(-1, None), (0, 500), (1, 667), (2, 889), (10, 8879), (100, 1_559_132_164_882_416)]
)
def test_a_warm_up_begins_with_its_first_day_and_ends_by_being_astronomical(days, limit):
    limits = Limits(warm_up_from=TODAY)
    found = limits.day_limit(TODAY + timedelta(days=days))
    assert found == (limit if limit is None else pytest.approx(limit, rel=1e-3))
    assert limits.day_limit(TODAY + timedelta(days=101)) == limits.day_limit(TODAY + timedelta(days=100))


@pytest.mark.parametrize(
    ("wanted", "limit", "granted"), [(3, 10, [3, 3, 3, 1, 0]), (10, 10, [10, 0]), (5, 0, [0]), (12, 10, [10, 0])]
)
def test_a_day_grants_no_more_than_it_has_room_for(engine, wanted, limit, granted):
    with transaction(engine) as connection:
        assert [reserve(connection, TODAY, wanted, limit) for _ in granted] == granted
        assert sent_on(connection, TODAY) == min(limit, sum(granted))
        assert sent_on(connection, TODAY + timedelta(days=1)) == 0


@pytest.mark.parametrize(("unsent", "left"), [(1, 2), (3, 0), (7, 0)])
def test_what_was_not_accepted_is_given_back_and_never_more(engine, unsent, left):
    with transaction(engine) as connection:
        reserve(connection, TODAY, 3, 10)
        give_back(connection, TODAY, unsent)
        assert sent_on(connection, TODAY) == left


@pytest.mark.parametrize(("sent", "issues"), [(499, 100), (500, 0)])
def test_a_day_of_the_warm_up_that_is_full_claims_no_mail_of_issues_until_midnight(engine, sent, issues):
    throttle = throttle_of(engine, warm_up_from=TODAY)
    with transaction(engine) as connection:
        reserve(connection, TODAY, sent, 500)
    with capture_logs() as logs:
        assert {throttle.shares(100, NOW) for _ in range(3)} == {Shares(50, 25, issues)}
    told = "the 500 messages of this day of the warm-up are sent; it goes on at 2026-11-24 00:00 UTC"
    assert [line["event"] for line in logs] == ([] if issues else [told])
    assert throttle.shares(100, NOW + timedelta(hours=16)).of_issues == 100


# --- what is asked for ---


@pytest.mark.parametrize(
    ("first_day", "days", "hourly", "limit"),
    [
        (500, 0, None, 50),
        (50, 0, None, 10),
        (500, 2, None, 88),
        (500, 30, None, 500),
        (10_000, 9, None, 1000),
        (500, 0, 7, 7),
        (500, -1, None, 500),
    ],
)
def test_a_tenth_of_a_warm_ups_day_may_be_asked_for_in_an_hour(first_day, days, hourly, limit):
    limits = Limits(warm_up_from=TODAY, warm_up_first_day=first_day, requested_an_hour=hourly)
    assert limits.requested_limit(TODAY + timedelta(days=days)) == limit
    assert Limits().requested_limit(TODAY) == 500


def test_what_is_asked_for_is_at_most_a_quarter_of_a_claim_and_no_more_than_the_hour_has_room_for(engine):
    throttle = throttle_of(engine, requested_an_hour=20)
    assert throttle.shares(100, NOW) == Shares(20, 20, 100)
    assert [throttle.shares(limit, NOW).beside_issues for limit in (79, 10, 3, 2, 1)] == [19, 2, 1, 0, 0]
    assert throttle_of(engine, 0.2).shares(1, NOW).beside_issues == 1  # of a claim of one, each fourth


def test_in_any_hour_no_more_is_sent_than_may_be_asked_for_whoever_sends_it(engine):
    workers = [throttle_of(engine, requested_an_hour=10) for _ in range(2)]
    went = []
    for minutes in range(0, 180, 3):
        now = NOW + minutes * MINUTE
        for throttle in workers:
            waits = throttle.admit(["a.org"] * 3, now, requested=range(3))
            went += [minutes] * waits.count(GO)
            assert set(waits) <= {GO, timedelta(seconds=10)}
    assert [minutes for minutes in went if minutes < 60] == [0] * 6 + [3] * 4
    assert all(sum(start <= minutes < start + 60 for minutes in went) <= 10 for start in range(180))
    assert len(went) >= 20
    assert workers[0].admit(["a.org"] * 3, NOW + 180 * MINUTE) == [GO] * 3  # mail of an issue


def test_what_no_server_was_told_the_recipient_of_is_given_back_and_refusals_are_not(engine):
    throttle = throttle_of(engine, requested_an_hour=4, warm_up_from=TODAY)
    asked_for = range(4)
    assert throttle.admit(["a.org"] * 4, NOW, asked_for) == [GO] * 4
    replies = [
        Reply(0, Phase.SESSION, None, "connection refused", NOW),
        Reply(1, Phase.WAITING, None, "", NOW),
        Reply(2, Phase.RCPT, 550, "5.1.1 no such user", NOW),
        Reply(3, Phase.RCPT, 451, "4.3.0 later", NOW),
    ]
    throttle.record([("a.org", receipt_of(reply)) for reply in replies], NOW, asked_for)
    assert throttle.shares(100, NOW).requested == 2
    with transaction(engine) as connection:
        assert sent_on(connection, TODAY) == 0  # it is outside the warm-up


@pytest.mark.parametrize(("jitter", "minutes"), [(0.0, 0), (0.5, 5)])
def test_messages_beyond_the_day_wait_until_after_midnight_and_spread_over_ten_minutes(engine, jitter, minutes):
    throttle = throttle_of(engine, jitter, warm_up_from=TODAY, warm_up_first_day=2)
    assert throttle.admit(["a.org"] * 3, NOW) == [GO, GO, timedelta(hours=16, minutes=minutes)]
    assert throttle.admit([], NOW) == []


# --- the size of a window ---


@pytest.mark.parametrize(
    ("before", "seconds", "after"),
    [(8, 0.0, 16), (8, 0.49, 16), (8, 0.5, 8), (8, 1.0, 8), (8, 1.01, 4), (1, 9.0, 1), (3, 9.0, 1), (32, 0.1, 50)],
)
def test_a_window_doubles_when_it_is_fast_and_halves_when_it_is_slow(before, seconds, after):
    receipts = [receipt(Outcome.ACCEPTED), receipt(Outcome.REFUSED, 550)]
    assert next_window_size(before, timedelta(seconds=seconds), receipts) == after


@pytest.mark.parametrize(
    ("outcome", "after"),
    [(outcome, 16) for outcome in ("accepted", "deferred", "refused")]
    + [("uncertain", 16), ("sender error", 1), ("not attempted", 1)],
)
def test_trouble_makes_the_window_one_message(outcome, after):
    assert next_window_size(8, timedelta(seconds=0.1), [receipt(Outcome.ACCEPTED), receipt(Outcome(outcome))]) == after


# --- without Redis ---


def test_redis_is_asked_again_after_five_seconds_and_its_absence_is_logged_once_a_minute():
    clock = Clock()
    clock.at = 0.0
    rates, away = Rates("", clock), []
    with capture_logs() as logs:
        for at in (0.0, 4.9, 5.0, 54.0, 59.9, 60.0):
            clock.at = at
            away.append(rates.is_away)
            assert rates.take([], [[], []]) == [30.0, 30.0]
            away.append(len(logs))
    assert away == [False, 1, True, 1, False, 1, False, 1, False, 1, True, 1]
    clock.at = 64.9
    with capture_logs() as logs:
        rates.take([], [[]])
    assert [entry["log_level"] for entry in logs] == ["warning"]
    rates.close()


# --- pauses of destinations ---


@pytest.mark.parametrize(
    ("until", "jitter", "wait"),
    [
        (NOW, 0.5, GO),
        (NOW + 10 * MINUTE, 0.0, 10 * MINUTE),
        (NOW + 10 * MINUTE, 1.0, 11 * MINUTE),
        (None, 0.0, 60 * MINUTE),
        (None, 0.5, 63 * MINUTE),
    ],
)
def test_messages_to_a_paused_domain_wait_for_its_end_and_others_go(engine, until, jitter, wait):
    store(engine, Pause("gmail.com", NOW, until, "too many"))
    throttle = throttle_of(engine, jitter)
    first, second = throttle.admit(["gmail.com", "a.org"], NOW)
    assert second == GO
    assert first == (wait or timedelta(seconds=30))  # after its pause it has a rate, which needs Redis


@pytest.mark.parametrize(("failures", "minutes"), [(0, 10), (1, 20), (2, 40), (3, 80), (4, 120), (5, 120), (1000, 120)])
def test_each_complaint_doubles_the_pause_of_a_domain_up_to_two_hours(failures, minutes):
    before = Pause("gmail.com", NOW - MINUTE, NOW, "", failures)
    after = pause_after_complaint(before, "421 4.7.28 slow down", NOW)
    assert after == Pause("gmail.com", NOW, NOW + minutes * MINUTE, "421 4.7.28 slow down", failures + 1)
    assert pause_after_complaint(replace(before, until=None), "421", NOW).until is None


# --- the breaker ---


@pytest.mark.parametrize(
    ("earlier", "new", "accepted", "refused", "failures", "minutes"),
    [
        (0, 4, 0, True, 4, 0),
        (0, 5, 0, True, 5, 5),
        (3, 1, 0, True, 4, 0),
        (4, 1, 0, True, 5, 5),
        (4, 9, 0, True, 5, 5),
        (4, 1, 1, True, 1, 0),
        (4, 1, 0, False, 5, 1),
        (5, 1, 0, True, 6, 10),
        (5, 1, 0, False, 5, 1),
        (6, 1, 0, True, 7, 20),
        (7, 1, 0, True, 8, 40),
        (8, 1, 0, True, 9, 60),
        (9, 1, 0, False, 9, 1),
        (5000, 1, 0, True, 5001, 60),
        (9, 5, 1, True, 5, 5),
    ],
)
def test_failures_in_a_row_open_the_breaker_for_longer_each_time(earlier, new, accepted, refused, failures, minutes):
    before = Pause(EVERYTHING, NOW - MINUTE, NOT_PAUSED, "", earlier)
    summary = ResponseSummary(failures=new, accepted=accepted, refused=refused, reply="550 no")
    after = after_failures(before, summary, NOW, in_trial=False)
    until = NOW + minutes * MINUTE if minutes else NOT_PAUSED
    since = before.since if earlier >= BREAKS_AT and not accepted else NOW  # it has been open since then
    assert after == Pause(EVERYTHING, since, until, "550 no", failures)


@pytest.mark.parametrize(("failures", "paused"), [(BREAKS_AT - 1, False), (BREAKS_AT, True)])
def test_a_row_that_only_counts_failures_pauses_nothing(engine, failures, paused):
    store(engine, Pause(EVERYTHING, NOW, NOW + (MINUTE if paused else -MINUTE), "550 no", failures))
    why = throttle_of(engine).why_paused(NOW)
    assert why == (
        "the mail server rejects our messages (550 no); next try at 2026-11-23 08:01 UTC; "
        "resume by hand: digest resume --sending"
        if paused
        else ""
    )


def test_during_a_trial_one_message_goes_and_the_others_ask_again_in_a_minute(engine):
    store(engine, Pause(EVERYTHING, NOW - 5 * MINUTE, NOW, "550 no", BREAKS_AT))
    first, second = throttle_of(engine), throttle_of(engine)
    assert first.why_paused(NOW) == ""
    assert second.why_paused(NOW).startswith("the mail server rejects our messages")
    assert first.admit(["a.org", "b.org", "c.org"], NOW) == [GO, MINUTE, MINUTE]
    assert first.why_paused(NOW) == "one message is trying the mail server again"
    assert first.admit(["a.org"], NOW) == [MINUTE]
    assert second.why_paused(NOW + MINUTE) == ""


@pytest.mark.parametrize(("seconds", "seen"), [(0.9, False), (1.0, True), (-1.0, True)])
def test_what_another_process_changed_is_seen_after_a_second(engine, seconds, seen):
    throttle = throttle_of(engine)
    assert throttle.why_paused(NOW) == ""
    store(engine, Pause(EVERYTHING, NOW, None, "an upgrade"))
    why = "sending is paused (an upgrade); resume by hand: digest resume --sending"
    assert throttle.why_paused(NOW + timedelta(seconds=seconds)) == (why if seen else "")


# --- what replies say ---


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (Outcome.ACCEPTED, (1, 0, 1, 0)),
        (Outcome.DEFERRED, (0, 1, 1, 0)),
        (Outcome.REFUSED, (0, 1, 1, 0)),
        (Outcome.SENDER_ERROR, (0, 1, 1, 1)),
        (Outcome.NOT_ATTEMPTED, (0, 1, 0, 0)),
        (Outcome.UNCERTAIN, (0, 0, 1, 0)),
    ],
)
def test_each_outcome_is_counted(outcome, counts):
    summary = summarize([("a.org", receipt(outcome))])
    assert (summary.accepted, summary.not_accepted, summary.attempted, summary.failures) == counts
    assert summary.accepting == ({"a.org"} if outcome is Outcome.ACCEPTED else set())


@pytest.mark.parametrize(("code", "refused"), [(None, False), (421, False), (499, False), (500, True), (535, True)])
def test_a_failure_is_a_refusal_from_500_on(code, refused):
    failure = replace(receipt(Outcome.SENDER_ERROR, code, text="no"), before_recipient=True)
    summary = summarize([("a.org", failure)] * 3)
    assert (summary.refused, summary.failures) == (refused, 3 if refused else 1)
    assert summary.reply == f"{code or ''} no".strip()
    after_success = [("a.org", failure), ("a.org", receipt(Outcome.ACCEPTED, seconds=1))]
    assert (summarize(after_success).refused, summarize(after_success).failures) == (False, 0)


def test_a_domain_that_wants_less_is_named_with_its_last_reply():
    reply = receipt_of(Reply(1, Phase.RCPT, 421, "4.7.28 too many to ada@a.org", NOW))
    later = receipt_of(Reply(1, Phase.RCPT, 450, "4.2.0 later", NOW + MINUTE))
    assert summarize([("a.org", reply), ("b.org", later)]).slow_down == {"a.org": "421 4.7.28 too many to …"}


def test_a_warm_up_of_a_date_to_come_limits_nothing(engine):
    throttle = throttle_of(engine, warm_up_from=date(2026, 11, 24), warm_up_first_day=1)
    assert throttle.admit(["a.org"] * 3, NOW) == [GO] * 3
    assert throttle.why_paused(NOW) == ""
