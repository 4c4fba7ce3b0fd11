"""The warm-up, and what the replies to a window say about us, about a destination, and about neither."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.delivery.outcome import Outcome, Receipt, receipt_of
from digest.mail.pauses import BREAKS_AT, EVERYTHING, NOT_PAUSED, Pause
from digest.mail.throttle.breaker import after_failures
from digest.mail.throttle.responses import is_rate_limit, summarize, without_addresses
from digest.mail.throttle.throttle import Limits, pause_after_complaint
from digest.smtp import Phase, Reply

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# --- destinations, the warm-up ---


def test_a_domain_has_its_own_rate_else_that_of_any_other_else_none():
    limits = Limits(domain_rates={"gmail.com": 20, "*": 50})
    assert [limits.domain_rate(domain) for domain in ("gmail.com", "example.org")] == [20, 50]
    assert Limits().domain_rate("gmail.com") == 0


def test_a_warm_up_takes_a_third_more_each_day():
    limits = Limits(warm_up_from=date(2026, 11, 20), warm_up_first_day=500)
    days = [limits.day_limit(date(2026, 11, day)) for day in range(19, 25)]
    assert days == [None, 500, 667, 889, 1185, 1580]
    assert Limits().day_limit(date(2026, 11, 20)) is None


@given(st.dates(date(2026, 1, 1), date(9999, 12, 31)), st.integers(10, 1_000_000))
def test_a_warm_up_never_takes_less_on_a_later_day(day, first):
    limits = Limits(warm_up_from=date(2026, 1, 1), warm_up_first_day=first)
    later = min(day, date(9999, 12, 30)) + timedelta(days=1)
    assert first <= limits.day_limit(day) <= limits.day_limit(later)


# --- what answers say ---

ACCEPTED = Reply(0, Phase.CONTENT, 250, "2.0.0 ok", NOW)
POLICY = Reply(0, Phase.MAIL, 550, "5.7.1 <news@example.org> is not allowed to send", NOW)
NO_USER = Reply(0, Phase.RCPT, 550, "5.1.1 no such user", NOW)
TOO_FAST = Reply(0, Phase.CONTENT, 421, "4.7.28 Gmail has detected an unusual rate of mail", NOW)


def said_by(*replies):
    """The summary of a window with one reply per message; a string is a broken connection."""
    return summarize([("example.org", answer(number, reply)) for number, reply in enumerate(replies)])


def answer(number, reply):
    at = NOW + timedelta(milliseconds=number)
    if isinstance(reply, str):
        return receipt_of(Reply(number, Phase.SESSION, None, reply, at))
    return receipt_of(replace(reply, id=number, at=at))


def test_refusals_of_us_count_since_the_last_acceptance():
    said = said_by(POLICY, ACCEPTED, POLICY, POLICY, NO_USER)
    assert (said.failures, said.refused, said.accepted, said.not_accepted) == (2, True, 1, 4)
    assert said.reply == "550 5.7.1 <…> is not allowed to send"


def test_answers_are_read_in_the_order_in_which_they_came():
    early, late = answer(0, POLICY), answer(1, ACCEPTED)
    assert summarize([("a.org", late), ("a.org", early)]).failures == 0
    assert summarize([("a.org", replace(late, at=NOW)), ("a.org", replace(early, at=NOW + MINUTE))]).failures == 1


def test_a_connection_that_failed_counts_once_for_all_mails_that_were_to_share_it():
    said = said_by(*["connection refused"] * 50)
    assert (said.failures, said.refused, said.not_accepted) == (1, False, 50)


def test_a_server_that_says_not_now_to_the_session_counts_like_one_that_cannot_be_reached():
    said = said_by(*[Reply(0, Phase.SESSION, 421, "4.3.2 too many connections", NOW)] * 50)
    assert (said.failures, said.refused) == (1, False)


@pytest.mark.parametrize("reply", [ACCEPTED, NO_USER, Reply(0, Phase.RCPT, 451, "4.3.0 later", NOW), TOO_FAST])
def test_what_is_about_a_reader_or_a_destination_is_not_about_us(reply):
    assert said_by(*[reply] * 20).failures == 0


def test_a_mail_that_was_not_begun_says_nothing():
    unbegun = Receipt(1, Outcome.NOT_ATTEMPTED, None, "", "", NOW)
    said = summarize([("example.org", unbegun)])
    assert (said.attempted, said.failures, said.accepted, said.not_accepted) == (0, 0, 0, 1)


RATE_LIMITS = [
    (421, "4.7.28 our system has detected an unusual rate of unsolicited mail", True),
    (450, "4.7.28 too many messages", True),
    (421, "4.7.0 [TSS04] Messages temporarily deferred", True),
    (451, "4.7.650 The mail server has been temporarily rate limited", True),
    (450, "4.7.1 Too many messages from your network", True),
    (450, "4.7.1 Greylisting in action, please come back later", False),
    (451, "4.7.1 Greylisted, rate limited for 300 seconds", False),
    (451, "4.7.500 Server busy", False),
    (450, "4.2.0 mailbox busy, too many messages", False),
    (421, "4.3.2 shutting down", False),
    (550, "5.7.28 too many messages", False),
]


@pytest.mark.parametrize(("code", "text", "limited"), RATE_LIMITS)
def test_a_destination_that_wants_fewer_mails_is_told_from_one_that_wants_this_one_later(code, text, limited):
    assert is_rate_limit(receipt_of(Reply(1, Phase.RCPT, code, text, NOW))) is limited


@pytest.mark.parametrize(
    ("reply", "clean"),
    [
        ("550 5.7.1 <ada@example.org>: no", "550 5.7.1 <…>: no"),
        ("relay denied for ada@example.org, sorry", "relay denied for …, sorry"),
        ("no address", "no address"),
    ],
)
def test_a_reply_is_kept_without_addresses(reply, clean):
    assert without_addresses(reply) == clean


# --- the breaker ---

CLOSED = Pause(EVERYTHING, NOW, NOT_PAUSED, "", 0)


def open_for(known, said, in_trial=False):
    after = after_failures(known, said, NOW, in_trial)
    return (after.until - NOW) / MINUTE if after.is_in_force(NOW) else 0


def test_five_refusals_in_a_row_open_the_breaker_for_five_minutes_and_four_do_not():
    assert open_for(CLOSED, said_by(*[POLICY] * 4)) == 0
    assert open_for(CLOSED, said_by(*[POLICY] * 5)) == 5
    assert open_for(replace(CLOSED, failures=4), said_by(POLICY)) == 5


def test_however_many_find_out_at_once_the_first_pause_is_five_minutes():
    assert open_for(CLOSED, said_by(*[POLICY] * 50)) == 5
    assert open_for(replace(CLOSED, failures=4), said_by(POLICY, POLICY, POLICY)) == 5


def test_each_mail_tried_in_vain_doubles_the_pause_up_to_an_hour():
    known, minutes = replace(CLOSED, failures=4), []
    for _ in range(6):
        known = after_failures(known, said_by(POLICY), NOW, in_trial=True)
        minutes.append((known.until - NOW) / MINUTE)
    assert minutes == [5, 10, 20, 40, 60, 60]


def test_a_server_that_cannot_be_reached_is_tried_each_minute_however_long_it_lasts():
    known, minutes = replace(CLOSED, failures=4), []
    for _ in range(3):
        known = after_failures(known, said_by("connection refused"), NOW, in_trial=True)
        minutes.append((known.until - NOW) / MINUTE)
    assert (minutes, known.failures) == ([1, 1, 1], BREAKS_AT)


def test_what_was_on_its_way_when_it_opened_does_not_lengthen_the_pause():
    known = Pause(EVERYTHING, NOW, NOW + 5 * MINUTE, "550", BREAKS_AT)
    assert after_failures(known, said_by(POLICY), NOW, in_trial=False) == known
    by_hand = replace(known, until=None)
    assert after_failures(by_hand, said_by(POLICY), NOW, in_trial=False) == by_hand


REFUSED = Reply(0, Phase.RCPT, 550, "5.7.1 policy", NOW)


def refused_by(domains, requested=()):
    """The summary of a window in which the recipient of each message was refused, by domain."""
    return summarize([(domain, answer(number, REFUSED)) for number, domain in enumerate(domains.split())], requested)


@pytest.mark.parametrize(
    ("windows", "minutes"),
    [
        (["a a a a a a a a a a"], 0),
        (["a b a b a b a b a b"], 0),
        (["a b a b"], 0),
        (["a b c d"], 0),
        (["a b c a b"], 5),
        (["a b a", "b c"], 5),
        (["a", "b", "c", "d", "e"], 5),
    ],
)
def test_refusals_of_recipients_are_about_us_only_from_three_domains(windows, minutes):
    row = CLOSED
    for window in windows:
        row = after_failures(row, refused_by(window), NOW, in_trial=False)
    assert ((row.until - NOW) / MINUTE if row.is_in_force(NOW) else 0) == minutes


def test_refusals_of_recipients_count_since_the_last_acceptance():
    row = after_failures(CLOSED, refused_by("a b c d"), NOW, in_trial=False)
    window = [("e", answer(0, ACCEPTED)), *[(domain, answer(number, REFUSED)) for number, domain in enumerate("fg", 1)]]
    row = after_failures(row, summarize(window), NOW, in_trial=False)
    assert (row.refusing, row.is_in_force(NOW)) == (("f", "g"), False)


def test_a_refusal_of_somebody_whom_a_stranger_named_is_about_nobody():
    assert refused_by("a b c d e", requested=range(5)).refusing == []
    slow = summarize([("a", answer(0, TOO_FAST)), ("b", answer(1, TOO_FAST))], requested=[0])
    assert slow.slow_down.keys() == {"b"}
    blocked = summarize([("a", answer(number, POLICY)) for number in range(3)], requested=range(3))
    assert (blocked.failures, blocked.no_recipient) == (3, 3)  # before the server was told whom it is for


def test_a_trial_that_one_recipient_refuses_goes_on_with_others_until_three_have():
    row = Pause(EVERYTHING, NOW, NOW + MINUTE, "535", BREAKS_AT)
    for domain in "ab":
        row = after_failures(row, refused_by(domain), NOW, in_trial=True)
        assert (row.until, row.failures) == (NOW + MINUTE, BREAKS_AT)
    row = after_failures(row, refused_by("c"), NOW, in_trial=True)
    assert (row.until, row.failures) == (NOW + 10 * MINUTE, BREAKS_AT + 1)


replies = st.sampled_from([ACCEPTED, POLICY, NO_USER, TOO_FAST, "connection refused"])


@given(st.lists(st.lists(replies, max_size=8), max_size=12))
def test_the_breaker_opens_only_after_five_failures_without_an_acceptance_among_them(windows):
    known, in_a_row = CLOSED, 0
    for window in windows:
        said = said_by(*window)
        for reply in window:
            in_a_row = 0 if reply is ACCEPTED else in_a_row + (reply is POLICY or isinstance(reply, str))
        if said.failures:
            known = after_failures(known, said, NOW, in_trial=False)
        elif said.accepted:
            known = CLOSED
        if known.is_in_force(NOW):
            assert in_a_row >= BREAKS_AT
            return


# --- a destination's pause ---


def test_a_domain_that_wants_less_rests_ten_minutes_and_twice_as_long_each_time_up_to_two_hours():
    known, now, minutes = Pause("gmail.com", NOW, NOT_PAUSED, "", 0), NOW, []
    for _ in range(6):
        known = pause_after_complaint(known, "421 4.7.28", now)
        minutes.append((known.until - now) / MINUTE)
        assert pause_after_complaint(known, "421 4.7.28", now + MINUTE) == known  # was on its way
        now = known.until
    assert minutes == [10, 20, 40, 80, 120, 120]
