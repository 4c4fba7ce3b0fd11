"""Changes between cut and delivery: subscribers unsubscribe, issues are paused."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from digest.database.engine import transaction
from digest.issues.publish import halt
from digest.ledger.kinds import IssueStatus
from digest.subscribers import erasing, store
from digest.subscribers.subscriptions import change_preferences
from tests.mail.delivery.builders import SEVEN
from tests.mail.delivery.builders import hands as hands
from tests.support.scenario import DAY, add_papers, add_subscriber, cut
from tests.support.workers import Unlimited, postman


@pytest.mark.parametrize("gone", ["unsubscribed", "erased"])
def test_who_left_after_the_cut_is_skipped_by_name(hands, engine, smtp_server, gone):
    add_papers(engine, range(3))
    subscriber = add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    with transaction(engine) as connection:
        if gone == "erased":
            erasing.erase(connection, subscriber.id, subscriber.key)
        else:
            store.set_unsubscribed(connection, subscriber.id, SEVEN)
    hands.deliver()
    assert smtp_server.taken == []
    assert hands.audit(issue).skipped == {gone: 1}


def test_a_paused_issue_waits_and_goes_on(hands, engine, smtp_server):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    halt(engine, DAY, IssueStatus.PAUSED, SEVEN)
    assert hands.deliver().handled == 0
    halt(engine, DAY, IssueStatus.RUNNING, SEVEN)
    hands.deliver()
    assert len(smtp_server.taken) == 1


def test_mails_that_a_pause_met_in_a_workers_hands_are_due_at_once_after_the_resume(hands, engine, smtp_server):
    class PausedMeanwhile:
        def submit(self, *window):
            halt(engine, DAY, IssueStatus.PAUSED, hands.at)
            return hands.sender.submit(*window)

    add_papers(engine, range(3))
    for number in range(20):
        add_subscriber(engine, f"reader{number}@example.com")
    issue = cut(engine)
    with closing(postman(engine, PausedMeanwhile(), hands.folder, lambda: hands.at)) as one:
        one.deliver_due(10_000)
    assert 0 < len(smtp_server.taken) < 20
    halt(engine, DAY, IssueStatus.RUNNING, hands.at)
    hands.deliver()
    assert hands.audit(issue).accepted == len(smtp_server.taken) == 20


def test_a_subscriber_who_pauses_after_their_papers_were_chosen_gets_no_message(hands, engine, smtp_server):
    add_papers(engine, range(3))
    subscriber = add_subscriber(engine, "ada@example.com")
    issue = cut(engine)

    class PausesAfterTheChoice(Unlimited):
        def admit(self, domains, now, requested=()):
            paused = replace(subscriber.preferences, paused_until=DAY + timedelta(days=1))
            change_preferences(engine, subscriber.id, paused, now)
            return super().admit(domains, now)

    throttle = PausesAfterTheChoice()
    with closing(postman(engine, hands.sender, hands.folder, lambda: hands.at, throttle=throttle)) as worker:
        worker.deliver_due(10)
    assert smtp_server.taken == []
    assert hands.audit(issue).skipped == {"paused by the subscriber": 1}
