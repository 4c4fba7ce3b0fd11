"""The first issue welcomes a subscriber, and the goodbye email goes only to those who should get it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues import first_issue
from digest.issues.selection import selection_of
from digest.issues.selection.history import papers_by_rank
from digest.issues.store import issue_on
from digest.ledger import queueing, sending
from digest.ledger.deliveries import find
from digest.ledger.kinds import IssueKind, Kind, SkipReason, SuppressionReason
from digest.mail.preview import preview_message
from digest.subscribers import store, subscriptions
from digest.subscribers.subscriber import Consent
from digest.subscribers.suppressions import suppress, suppression_of
from digest.subscribers.tokens import Purpose, verify
from tests.mail.delivery.builders import SEVEN, hands, opened
from tests.support.scenario import DAY, ON_SQLITE, SECRET, add_papers, add_subscriber, cut, desk
from tests.support.smtp_server import KEEP_AND_HANG_UP, Step

__all__ = ["hands"]

WELCOME = "This is your first issue"
A_DAY = timedelta(days=1)


def text_of(taken):
    return opened(taken).get_body(("plain",)).get_content()


def issue_after(days, engine):
    at = SEVEN + days * A_DAY
    add_papers(engine, range(10 * days, 10 * days + 3), seen_at=at - timedelta(hours=2), listed_at=at)
    return cut(engine, DAY + days * A_DAY)


def test_only_the_first_issue_that_a_reader_gets_welcomes_them(hands, engine, smtp_server):
    ada = add_subscriber(engine, "ada@example.com")
    issue_after(0, engine)
    hands.deliver()
    add_subscriber(engine, "ben@example.com")
    for days in (1, 40):  # by the second time they had got none of the pool's papers
        issue_after(days, engine)
        hands.at = SEVEN + days * A_DAY
        hands.deliver()
    mails = {name: smtp_server.taken_for(f"{name}@example.com") for name in ("ada", "ben")}
    assert [[WELCOME in text_of(mail) for mail in theirs] for theirs in mails.values()] == [
        [True, False, False],
        [True, False],
    ]
    assert f"{desk().branding.public_url}/preferences/" in text_of(mails["ada"][0]).partition("Paper number")[0]
    with read_only(engine) as connection:
        stored = find(connection, Kind.DIGEST, DAY, ada.key)
        assert stored is not None
        assert stored.picks is not None
        assert stored.issue_id is not None
        assert selection_of(stored.picks, papers_by_rank(connection, stored.issue_id)).first


def test_a_first_issue_that_is_tried_again_is_the_same_mail_whatever_came_between(hands, engine, smtp_server):
    ada = add_subscriber(engine, "ada@example.com")
    issue_after(0, engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    with transaction(engine) as connection:
        arrived = queueing.new_row(DAY - A_DAY, SEVEN) | {
            "kind": str(Kind.DIGEST),
            "recipient": ada.key,
            "subscriber_id": ada.id,
        }
        moments = {"due_at": SEVEN, "next_attempt_at": SEVEN, "state": "accepted"}
        connection.execute(deliveries.insert().values(arrived | moments))
    hands.at = SEVEN + timedelta(hours=2)
    hands.deliver()
    first, again = smtp_server.taken
    assert first.content == again.content
    assert WELCOME in text_of(again)


def test_the_default_reader_of_a_preview_is_not_new(engine):
    issue_after(0, engine)
    with read_only(engine) as connection:
        issue = issue_on(connection, IssueKind.DAILY, DAY)
    ada = add_subscriber(engine, "ada@example.com")
    shown = [preview_message(engine, desk(), issue, subscriber, SEVEN).decode() for subscriber in (None, ada)]
    assert [WELCOME in one for one in shown] == [False, True]


# --- confirmation ---


@pytest.mark.parametrize("confirmed", [True, False])
def test_who_was_suppressed_for_refusals_and_signs_up_again_gets_the_link_that_ends_it(
    hands, engine, smtp_server, confirmed
):
    ada = add_subscriber(engine, "ada@example.com", SEVEN - 9 * A_DAY if confirmed else None)
    was_suppressed(engine, ada)
    subscriptions.subscribe(engine, ada.email, Consent(SEVEN, "", "web 1"), SECRET)
    hands.deliver()
    (mail,) = smtp_server.taken
    assert "/confirm/" in text_of(mail)
    assert first_issue.confirm(engine, ada.id, "", SEVEN)
    with read_only(engine) as connection:
        assert suppression_of(connection, ada.key) is None


def test_who_mends_their_mailbox_and_signs_up_again_on_the_same_day_is_sent_another_confirmation(
    hands, engine, smtp_server
):
    def sign_up(minutes):
        at = SEVEN + timedelta(minutes=minutes)
        subscriptions.subscribe(engine, "ada@example.com", Consent(at, "", "web 1"), SECRET)
        hands.at = at + timedelta(minutes=1)
        hands.deliver()

    smtp_server.always(Step.RCPT, "550 5.1.1 no such user")
    sign_up(0)
    smtp_server.always(Step.RCPT, "250 2.1.5 ok")
    for minutes in (10, 20, 30):
        sign_up(minutes)
    (mail,) = smtp_server.taken
    assert "/confirm/" in text_of(mail)


@pytest.mark.parametrize("reason", [SuppressionReason.OPERATOR, SuppressionReason.ASKED])
def test_a_block_after_signing_up_stops_the_confirmation(hands, engine, smtp_server, reason):
    ada = add_subscriber(engine, "ada@example.com", None)
    subscriptions.subscribe(engine, ada.email, Consent(SEVEN, "", "web 1"), SECRET)
    with transaction(engine) as connection:
        suppress(connection, ada.key, reason, "", SEVEN)
    hands.deliver()
    assert smtp_server.taken == []


# --- goodbye ---


def left(engine):
    """A subscriber who has unsubscribed on a page."""
    ada = add_subscriber(engine, "ada@example.com")
    assert subscriptions.unsubscribe(engine, ada.id, SEVEN, "unsubscribe page", goodbye=True)
    return ada


def what_became(engine, ada):
    with read_only(engine) as connection:
        query = select(deliveries.c.state, deliveries.c.reason).where(deliveries.c.recipient == ada.key)
        return [tuple(row) for row in connection.execute(query)]


def test_who_leaves_gets_one_last_mail_that_says_how_to_come_back_and_to_be_erased(hands, engine, smtp_server):
    ada = left(engine)
    issue_after(0, engine)
    for hours in (0, 1, 26):
        hands.at = SEVEN + timedelta(hours=hours)
        hands.deliver()
    (mail,) = smtp_server.taken
    assert opened(mail)["Subject"] == "You’ve unsubscribed from Daily Papers"
    found = re.search(r"/preferences/(\S+)", text_of(mail))
    assert found is not None
    verified = verify(Purpose.FRESH, found[1], [SECRET])
    assert verified
    assert verified.subscriber_id == ada.id
    assert f"{found[0]}#rest" in text_of(mail)


def came_back(engine, ada):
    assert subscriptions.resubscribe(engine, ada.id, SEVEN)


def signed_up_again(engine, ada):
    with transaction(engine) as connection:
        store.add_request(connection, ada.id, Consent(SEVEN, "", "web 1"))
    first_issue.confirm(engine, ada.id, "", SEVEN)


def was_suppressed(engine, ada):
    with transaction(engine) as connection:
        suppress(connection, ada.key, SuppressionReason.REFUSED, "", SEVEN)


def was_erased(engine, ada):
    assert subscriptions.erase(engine, ada.id, SEVEN)


MEANWHILE = {
    came_back: SkipReason.CHANGED,
    signed_up_again: SkipReason.CHANGED,
    was_suppressed: SkipReason.SUPPRESSED,
    was_erased: SkipReason.ERASED,
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_nobody_gets_a_goodbye_who_does_not_want_it_any_more(hands, engine, smtp_server, meanwhile):
    ada = left(engine)
    meanwhile(engine, ada)
    hands.deliver()
    assert smtp_server.taken == []
    assert what_became(engine, ada) == [("skipped", MEANWHILE[meanwhile])]


@pytest.mark.parametrize("meanwhile", [None, *MEANWHILE])
def test_the_last_check_before_the_wire_knows_who_wants_a_goodbye(engine, meanwhile):
    ada = left(engine)
    with transaction(engine) as connection:
        (claim,) = sending.claim(connection, "one", 10, SEVEN)
    if meanwhile:
        meanwhile(engine, ada)
    with transaction(engine) as connection:
        may_go = sending.mark_sending(
            connection, "one", [sending.MessageRecord(claim.id, "x@y", "", DAY, content=b"mail")]
        )
    assert may_go == (set() if meanwhile else {claim.id})


def test_no_goodbye_is_queued_for_a_suppressed_or_unconfirmed_address(engine):
    pending = add_subscriber(engine, "ben@example.com", confirmed_at=None)
    ada = add_subscriber(engine, "ada@example.com")
    was_suppressed(engine, ada)
    for one in (pending, ada):
        assert subscriptions.unsubscribe(engine, one.id, SEVEN, "unsubscribe page", goodbye=True)
        assert what_became(engine, one) == []


@ON_SQLITE
def test_leaving_again_and_again_gives_one_goodbye_a_day_and_three_a_month(hands, engine, smtp_server):
    ada = left(engine)
    for hours in range(0, 24 * 20, 6):
        hands.at = SEVEN + timedelta(hours=hours)
        hands.deliver()
        subscriptions.resubscribe(engine, ada.id, hands.at)
        subscriptions.unsubscribe(engine, ada.id, hands.at, "unsubscribe page", goodbye=True)
    hands.deliver()
    assert len(smtp_server.taken) == 3
