"""Uncertain deliveries, with a real mail server, on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, update

from digest.database.engine import transaction
from digest.database.tables import fragments
from digest.ledger import transitions
from digest.subscribers.links import revoke_links
from tests.mail.delivery.builders import hands as hands
from tests.support.scenario import DAY, SECRET, add_papers, add_subscriber, cut, desk
from tests.support.smtp_server import KEEP_AND_HANG_UP, Step


def test_a_mail_whose_answer_was_lost_goes_once_more_as_the_same_bytes(hands, engine, smtp_server):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    assert hands.audit(issue).uncertain == 1
    hands.at += timedelta(minutes=10)
    hands.deliver()
    first, second = smtp_server.taken
    assert first.content == second.content
    assert hands.audit(issue).accepted == 1


@pytest.mark.parametrize("then", ["451 4.3.0 later", "550 5.7.1 not from you"])
def test_a_doubt_is_not_lifted_by_a_copy_that_was_certainly_not_taken(hands, engine, smtp_server, then):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP, then)
    for _ in range(3):
        hands.deliver()
        hands.at += timedelta(minutes=20)
    first, third = smtp_server.taken
    assert first.content == third.content
    assert hands.audit(issue).accepted == 1


def test_a_mail_in_doubt_that_becomes_overdue_stays_uncertain_and_is_tried_no_more(hands, engine, smtp_server):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    hands.at += timedelta(hours=20)
    with transaction(engine) as connection:
        assert transitions.expire(connection, hands.at, timedelta(hours=18), 12) == 1
        assert transitions.expire(connection, hands.at, timedelta(hours=18), 12) == 0
    assert hands.deliver().handled == 0
    assert (hands.audit(issue).uncertain, hands.audit(issue).unexplained) == (1, 0)
    assert len(smtp_server.taken) == 1


def test_a_mail_in_doubt_that_would_differ_now_is_held_and_reported(hands, engine, smtp_server):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    hands.at += timedelta(minutes=10)
    with transaction(engine) as connection:  # as if somebody had mended a word in what is stored
        mended = func.replace(fragments.c.content, "Lovelace", "Byron")
        assert connection.execute(update(fragments).values(content=mended)).rowcount == 1
    hands.deliver()
    assert len(smtp_server.taken) == 1
    assert hands.audit(issue).quarantined == 1
    with transaction(engine) as connection:  # which an operator can overrule, knowing that it may be a second copy
        assert transitions.retry(connection, hands.at) == 1
    hands.deliver()
    assert hands.audit(issue).accepted == 1


def test_a_mail_in_doubt_goes_as_the_same_bytes_after_its_links_were_revoked(hands, engine, smtp_server):
    add_papers(engine, range(3))
    ada = add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    revoke_links(engine, ada.id, hands.at)
    hands.at += timedelta(minutes=10)
    hands.deliver()
    first, second = smtp_server.taken
    assert first.content == second.content
    assert hands.audit(issue).accepted == 1


def test_a_mail_in_doubt_goes_as_the_same_bytes_under_a_new_key_and_not_without_the_old_one(hands, engine, smtp_server):
    another = b"another key of thirty-two characters"
    add_papers(engine, range(3))
    subscribers = [add_subscriber(engine, f"{name}@example.com") for name in ("ada", "bo")]
    issue = cut(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP, to=subscribers[0].email)
    hands.deliver(desk_=desk())
    hands.at += timedelta(minutes=10)
    hands.deliver(desk_=replace(desk(), link_keys=(another, SECRET)))
    first, second = smtp_server.taken_for(subscribers[0].email)
    assert first.content == second.content
    assert hands.audit(issue).accepted == len(subscribers)

    add_papers(engine, range(3, 6), seen_at=hands.at)
    tomorrow = cut(engine, DAY + timedelta(days=1))
    hands.at += timedelta(days=1)
    hands.deliver(desk_=replace(desk(), link_keys=(another,)))
    found = hands.audit(tomorrow)
    assert (found.quarantined, len(smtp_server.taken)) == (len(subscribers), 3)
