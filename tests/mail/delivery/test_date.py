"""The Date of a message: when it is composed, and the same in each of its copies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from sqlalchemy import update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues.store import newest_issue
from digest.ledger import transitions
from digest.mail.preview import preview_message
from tests.mail.compose.rfc_parser import an_ed25519_signer, an_rsa_signer
from tests.mail.delivery.builders import SEVEN, opened
from tests.mail.delivery.builders import hands as hands
from tests.support.scenario import PLAN, add_papers, add_subscriber, cut, desk
from tests.support.smtp_server import HANG_UP, KEEP_AND_HANG_UP, Step

SIGNERS = (an_rsa_signer(), an_ed25519_signer())
SIX_HOURS = timedelta(hours=6)
SIGNING = replace(desk(), signers=SIGNERS)
SIGNED = replace(PLAN, settings=replace(PLAN.settings, dkim=tuple(signer.selector for signer in SIGNERS)))


@pytest.fixture
def ada(engine):
    add_papers(engine, range(3))
    ada = add_subscriber(engine, "ada@example.com")
    cut(engine, plan=SIGNED)
    return ada


def date_of(taken):
    return parsedate_to_datetime(opened(taken)["Date"])


def time_in_signature(taken):
    return {
        datetime.fromtimestamp(int(signature.split("t=")[1].split(";")[0]), UTC)
        for signature in opened(taken).get_all("DKIM-Signature")
    }


@pytest.mark.parametrize("outage", [(Step.CONNECT, HANG_UP), (Step.MAIL, "451 4.3.2 not now")], ids=str)
def test_a_message_that_an_outage_held_up_is_dated_and_signed_when_it_goes(hands, ada, smtp_server, outage):
    smtp_server.always(*outage)
    hands.deliver(desk_=SIGNING)
    smtp_server.behave()
    hands.at += SIX_HOURS
    hands.deliver(desk_=SIGNING)
    (taken,) = smtp_server.taken
    assert date_of(taken) == SEVEN + SIX_HOURS
    assert time_in_signature(taken) == {SEVEN + SIX_HOURS}


@pytest.mark.parametrize("later", [SIX_HOURS, -timedelta(minutes=3)], ids=["later", "after the clock was put back"])
def test_a_copy_of_a_message_that_may_have_arrived_keeps_its_date(hands, ada, engine, smtp_server, later):
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.at += timedelta(hours=1)
    hands.deliver(desk_=SIGNING)
    hands.at += later
    with transaction(engine) as connection:
        connection.execute(update(deliveries).values(next_attempt_at=hands.at))
    hands.deliver(desk_=SIGNING)
    first, second = smtp_server.taken
    assert (first.content, date_of(first)) == (second.content, SEVEN + timedelta(hours=1))


def test_a_message_that_was_deferred_keeps_its_date(hands, ada, engine, smtp_server):
    smtp_server.answer(Step.RCPT, "450 4.7.1 greylisted")
    hands.deliver(desk_=SIGNING)
    hands.at += SIX_HOURS
    hands.deliver(desk_=SIGNING)
    assert date_of(smtp_server.taken[0]) == SEVEN


def test_a_copy_of_a_message_of_an_earlier_version_has_the_date_that_version_wrote(hands, ada, engine, smtp_server):
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver(desk_=SIGNING)  # at the instant at which it is due
    with transaction(engine) as connection:
        connection.execute(update(deliveries).values(composed_at=None))
    hands.at += SIX_HOURS
    hands.deliver(desk_=SIGNING)
    first, second = smtp_server.taken
    assert first.content == second.content


def test_a_message_that_is_composed_anew_is_dated_anew(hands, ada, engine, smtp_server):
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver(desk_=SIGNING)
    hands.at += SIX_HOURS
    with transaction(engine) as connection:
        connection.execute(update(deliveries).values(state="quarantined"))
        assert transitions.retry(connection, hands.at) == 1
    hands.deliver(desk_=SIGNING)
    assert [date_of(taken) for taken in smtp_server.taken] == [SEVEN, SEVEN + SIX_HOURS]


def test_a_preview_has_the_present_date_before_the_message_is_sent_and_then_the_date_sent(
    hands, ada, engine, smtp_server
):
    with read_only(engine) as connection:
        issue = newest_issue(connection)

    def preview():
        return preview_message(engine, SIGNING, issue, ada, hands.at)

    hands.at += SIX_HOURS
    assert format_datetime(hands.at) in preview().decode()
    hands.deliver(desk_=SIGNING)
    hands.at += SIX_HOURS
    assert preview() == smtp_server.taken[0].content
