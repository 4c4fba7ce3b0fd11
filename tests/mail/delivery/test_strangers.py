"""Mail that strangers ask for, in the name of any address, neither delays nor stops an issue."""

from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.ledger import sending, transitions
from digest.ledger.deliveries import Shares
from digest.mail import pauses
from digest.mail.pauses import BREAKS_AT, EVERYTHING, Pause
from digest.mail.throttle import Limits, Rates, Throttle
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Consent, recipient_key
from digest.subscribers.suppressions import all_suppressions
from tests.mail.delivery.builders import QUICK, SEVEN, Hands
from tests.support.scenario import DAY, ON_SQLITE, SECRET, add_papers, add_subscriber, cut
from tests.support.smtp_server import Step
from tests.support.workers import postman

MINUTE = timedelta(minutes=1)
BLOCKED = "550 5.7.1 policy"


@pytest.fixture
def deliver(engine, smtp_server, tmp_path):
    """Deliver all that is due, by a worker that keeps to limits and pauses."""
    hands = Hands(engine, smtp_server, tmp_path / "journal", connections=2, timeouts=QUICK)

    def deliver(at=SEVEN, **limits):
        throttle = Throttle(engine, Rates(""), Limits(**limits), jitter=lambda: 0.5)
        with closing(postman(engine, hands.sender, hands.folder, lambda: at, throttle=throttle)) as worker:
            worker.deliver_due(10_000)

    yield deliver
    hands.sender.close()


def sign_up(engine, *addresses):
    for address in addresses:
        subscriptions.subscribe(engine, address, Consent(SEVEN, "", "test"), SECRET)


def issue_for(engine, count, domains=5):
    add_papers(engine, range(3))
    for number in range(count):
        add_subscriber(engine, f"subscriber{number}@lab{number % domains}.example.org")
    return cut(engine)


def strangers(count, domain="victim.example"):
    return [f"stranger{number}@{domain}" for number in range(count)]


def states(engine, of_issues):
    is_one = deliveries.c.issue_id.is_not(None) if of_issues else deliveries.c.issue_id.is_(None)
    with read_only(engine) as connection:
        query = select(deliveries.c.state, func.count()).where(is_one).group_by(deliveries.c.state)
        return dict(connection.execute(query).all())


def pauses_in(engine):
    with read_only(engine) as connection:
        return pauses.all_pauses(connection)


# --- how much ---


@ON_SQLITE
def test_sixty_sign_ups_in_a_warm_up_of_fifty_leave_every_digest_its_place(deliver, engine):
    issue_for(engine, 30)
    sign_up(engine, *strangers(60))
    deliver(warm_up_from=DAY, warm_up_first_day=50)
    assert states(engine, of_issues=True) == {"accepted": 30}
    assert states(engine, of_issues=False) == {"accepted": 10, "queued": 50}
    deliver(SEVEN + 30 * MINUTE, warm_up_from=DAY, warm_up_first_day=50)
    assert states(engine, of_issues=False) == {"accepted": 10, "queued": 50}
    deliver(SEVEN + 70 * MINUTE, warm_up_from=DAY, warm_up_first_day=50)
    assert states(engine, of_issues=False) == {"accepted": 20, "queued": 40}


@ON_SQLITE
def test_a_full_day_of_the_warm_up_holds_no_confirmation(deliver, engine):
    issue_for(engine, 12)
    deliver(warm_up_from=DAY, warm_up_first_day=10)
    sign_up(engine, "ada@example.com")
    deliver(warm_up_from=DAY, warm_up_first_day=10)
    assert states(engine, of_issues=True) == {"accepted": 10, "queued": 2}
    assert states(engine, of_issues=False) == {"accepted": 1}


def test_a_quarter_of_a_claim_is_what_people_ask_for_while_mail_of_an_issue_is_due(engine):
    issue_for(engine, 12)
    sign_up(engine, *strangers(20))

    def claimed(limit, **most):
        shares = {"requested": 9, "beside_issues": limit // 4, "of_issues": limit} | most
        with transaction(engine) as connection:
            claims = sending.claim(connection, "one", limit, SEVEN, shares=Shares(**shares))
        return [claim.is_requested for claim in claims]

    assert claimed(8) == [True] * 2 + [False] * 6
    assert claimed(8, beside_issues=0, of_issues=3) == [False] * 3 + [True] * 5  # in a trial, and a day nearly full
    assert claimed(20, of_issues=0) == [True] * 9
    assert claimed(20, requested=0, beside_issues=0) == [False] * 3


# --- what replies to them mean ---


@ON_SQLITE
@pytest.mark.parametrize("step", [Step.RCPT, Step.END])
def test_sign_ups_at_a_server_that_refuses_us_stop_no_digest(deliver, engine, smtp_server, step):
    issue_for(engine, 40)
    sign_up(engine, *strangers(7), *strangers(2, "a.example"), *strangers(2, "b.example"))
    for address in [*strangers(7), *strangers(2, "a.example"), *strangers(2, "b.example")]:
        smtp_server.answer(step, *[BLOCKED] * 9, to=address)
    deliver()
    assert states(engine, of_issues=True) == {"accepted": 40}
    deliver(SEVEN + 10 * MINUTE)
    assert states(engine, of_issues=False) == {"queued": 11}
    assert pauses_in(engine) == []
    with read_only(engine) as connection:
        assert all_suppressions(connection) == []


@ON_SQLITE
def test_a_server_that_wants_fewer_messages_to_strangers_still_gets_its_digests(deliver, engine, smtp_server):
    issue_for(engine, 3, domains=1)
    sign_up(engine, "stranger@lab0.example.org")
    smtp_server.answer(Step.RCPT, "450 4.7.28 too many messages", to="stranger@lab0.example.org")
    deliver()
    assert (states(engine, of_issues=True), pauses_in(engine)) == ({"accepted": 3}, [])


@ON_SQLITE
def test_a_confirmation_that_nobody_takes_is_given_up_within_two_hours(deliver, engine, smtp_server):
    sign_up(engine, "stranger@victim.example")
    smtp_server.always(Step.RCPT, BLOCKED)
    for minutes in range(0, 121, 5):
        with transaction(engine) as connection:
            transitions.expire(connection, SEVEN + minutes * MINUTE, timedelta(hours=18), 12)
        deliver(SEVEN + minutes * MINUTE)
    assert states(engine, of_issues=False) == {"expired": 1}
    assert smtp_server.count("RCPT") == 5


@ON_SQLITE
def test_subscribers_of_two_domains_that_refuse_us_hold_up_nobody_else(deliver, engine, smtp_server):
    issue_for(engine, 24, domains=4)
    for number in range(24):
        if number % 4 < 2:
            smtp_server.answer(Step.RCPT, *[BLOCKED] * 9, to=f"subscriber{number}@lab{number % 4}.example.org")
    with transaction(engine) as connection:  # the others are due later
        others = [f"subscriber{number}@lab{number % 4}.example.org" for number in range(24) if number % 4 > 1]
        keys = [recipient_key(address, SECRET) for address in others]
        later = update(deliveries).where(deliveries.c.recipient.in_(keys))
        connection.execute(later.values(next_attempt_at=SEVEN + MINUTE))
    deliver()
    assert {pause.scope for pause in pauses_in(engine) if pause.is_in_force(SEVEN)} == {
        "lab0.example.org",
        "lab1.example.org",
    }
    deliver(SEVEN + MINUTE)
    assert states(engine, of_issues=True) == {"accepted": 12, "queued": 12}


# --- the trial of an open breaker ---

REFUSING = ("a.org", "b.org", "c.org", "a.org", "b.org")


def open_breaker(engine, refusing):
    with transaction(engine) as connection:
        pauses.set_pause(connection, Pause(EVERYTHING, SEVEN, SEVEN, BLOCKED, BREAKS_AT, refusing))


@ON_SQLITE
@pytest.mark.parametrize("refusing", [REFUSING, ()])
def test_the_trial_is_mail_of_an_issue_if_any_is_due(deliver, engine, smtp_server, refusing):
    issue_for(engine, 3)
    sign_up(engine, *strangers(7))
    open_breaker(engine, refusing)
    deliver(SEVEN + MINUTE)
    assert smtp_server.taken[0].rcpt_tos[0].startswith("subscriber")
    assert pauses_in(engine) == []


@ON_SQLITE
def test_after_refusals_of_recipients_a_stranger_is_no_trial_unless_the_domain_accepts_mail(
    deliver, engine, smtp_server
):
    issue_for(engine, 1)
    deliver()
    open_breaker(engine, REFUSING)
    sign_up(engine, *strangers(2))
    deliver(SEVEN + MINUTE)
    assert len(smtp_server.taken) == 1
    sign_up(engine, "ada@lab0.example.org")
    deliver(SEVEN + 3 * MINUTE)
    assert [mail.rcpt_tos for mail in smtp_server.taken[1:]] == [("ada@lab0.example.org",)]
    deliver(SEVEN + 5 * MINUTE)
    assert states(engine, of_issues=False) == {"accepted": 3}


@ON_SQLITE
def test_a_mail_server_that_refused_everything_is_tried_with_any_mail(deliver, engine):
    sign_up(engine, "ada@example.com")
    open_breaker(engine, ())
    deliver(SEVEN + MINUTE)
    assert (states(engine, of_issues=False), pauses_in(engine)) == ({"accepted": 1}, [])


@ON_SQLITE
def test_while_the_mail_server_rejects_us_one_message_is_tried_at_a_time(deliver, engine, smtp_server):
    issue_for(engine, 30)
    smtp_server.always(Step.RCPT, BLOCKED)
    deliver()
    assert smtp_server.count("RCPT") == BREAKS_AT
