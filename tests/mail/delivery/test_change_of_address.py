"""While an issue goes out, its subscriber gets exactly one copy, at the old address or at the new one."""

from contextlib import closing

import pytest
from sqlalchemy import select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues import first_issue
from digest.ledger import transitions
from digest.ledger.kinds import Kind, SkipReason, State
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.mail.delivery.recovery import recover
from digest.subscribers import subscriptions
from digest.subscribers.address_change.change import Side
from digest.subscribers.address_change.confirming import confirm_change
from digest.subscribers.subscriber import Consent, recipient_key
from digest.subscribers.suppressions import suppression_of
from tests.mail.delivery.builders import SEVEN, opened, papers_in
from tests.mail.delivery.builders import hands as hands
from tests.subscribers.address_change.builders import NEW, OLD, ask, change_address, mailed, somebody
from tests.support.scenario import DAY, MORNING, SECRET, add_papers, add_subscriber, cut
from tests.support.smtp_server import KEEP_AND_HANG_UP, Step
from tests.support.workers import postman


def issues_to(server, *addresses):
    """The issues that the addresses got together."""
    taken = [message for address in addresses for message in server.taken_for(address)]
    return [message for message in taken if "digest." in opened(message)["Message-ID"]]


@pytest.fixture
def ada(engine):
    add_papers(engine, range(8))
    ada = add_subscriber(engine, OLD)
    cut(engine)
    return ada


def test_both_addresses_are_asked_and_the_old_one_is_told(hands, engine, smtp_server, ada):
    change = ask(engine, ada, SEVEN)
    assert set(mailed(engine, change)) == {Kind.OLD_ADDRESS, Kind.NEW_ADDRESS}
    assert mailed(engine, change) == (), "once"
    hands.deliver()
    (to_new,) = smtp_server.taken_for(NEW)
    to_old = next(each for each in smtp_server.taken_for(OLD) if "old-address" in opened(each)["Message-ID"])
    assert OLD.encode() not in to_new.content, "it may be a stranger's address"
    assert NEW in opened(to_old).get_body(("plain",)).get_content()
    ways = opened(to_new)["List-Unsubscribe"]
    assert "/address/new/" in ways, "a stranger cannot unsubscribe the subscriber"
    for side in (Side.NEW, Side.OLD):
        confirm_change(engine, change.id, side, SEVEN, "")
    hands.deliver()
    told = smtp_server.taken_for(OLD)[-1]
    assert "address-changed" in opened(told)["Message-ID"]
    assert NEW in opened(told).get_body(("plain",)).get_content()
    assert len(smtp_server.taken_for(NEW)) == 1


def test_what_is_queued_goes_to_the_new_address_alone(hands, engine, smtp_server, ada):
    change_address(engine, ada, SEVEN)
    hands.deliver()
    hands.deliver()
    assert [message.rcpt_tos for message in issues_to(smtp_server, OLD, NEW)] == [(NEW,)]


@pytest.mark.parametrize("stage", ["claimed", "chosen", "composed"])
def test_what_a_worker_has_claimed_is_composed_again_for_the_new_address(hands, engine, smtp_server, ada, stage):
    with closing(postman(engine, hands.sender, hands.folder, lambda: hands.at)) as worker:
        worker._lock.hold()
        claims = worker.claim(10)
        assert len(claims) == 1
        if stage == "claimed":
            change_address(engine, ada, SEVEN)
        drafts = worker.choose(claims)
        if stage == "chosen":
            change_address(engine, ada, SEVEN)
        messages = worker.compose(list(drafts))
        if stage == "composed":
            change_address(engine, ada, SEVEN)
        worker.send(worker.record(messages))
        assert smtp_server.taken == []
    hands.deliver("two")
    assert [message.rcpt_tos for message in issues_to(smtp_server, OLD, NEW)] == [(NEW,)]


class ChangesMeanwhile:
    """A sender whose recipient's address changes between a message and the reply to it."""

    def __init__(self, hands, subscriber):
        self.hands, self.subscriber, self.is_done = hands, subscriber, False

    def submit(self, window, now, begin_until):
        replies = self.hands.sender.submit(window, now, begin_until)
        replies.result()
        if not self.is_done:
            self.is_done = True
            change_address(self.hands.engine, self.subscriber, now())
        return replies


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("250 2.0.0 kept", [OLD]),
        ("451 4.7.1 later", [NEW]),
        (KEEP_AND_HANG_UP, [OLD, OLD]),  # the same bytes once more, as ever: they may not have arrived
    ],
)
def test_what_is_on_the_wire_arrives_there_or_goes_to_the_new_address(hands, engine, smtp_server, ada, reply, expected):
    smtp_server.answer(Step.END, reply)
    with closing(postman(engine, ChangesMeanwhile(hands, ada), hands.folder, lambda: hands.at)) as worker:
        worker.deliver_due(10)
    hands.at += 2 * (MORNING - MORNING.replace(hour=5))
    hands.deliver()
    taken = issues_to(smtp_server, OLD, NEW)
    assert [message.rcpt_tos[0] for message in taken] == expected
    assert len({message.content for message in taken}) == 1
    assert papers_in(taken[0])
    with read_only(engine) as connection:
        row = connection.execute(select(deliveries).where(deliveries.c.kind == Kind.DIGEST)).one()
    assert (row.state, row.recipient) == (State.ACCEPTED, recipient_key(NEW, SECRET))


def test_a_refusal_of_the_old_address_says_nothing_about_the_new_one(hands, engine, smtp_server, ada):
    smtp_server.answer(Step.END, "550 5.1.1 no such user")
    with closing(postman(engine, ChangesMeanwhile(hands, ada), hands.folder, lambda: hands.at)) as worker:
        worker.deliver_due(10)
    with read_only(engine) as connection:
        assert suppression_of(connection, recipient_key(OLD, SECRET)) == "refused"
        assert suppression_of(connection, recipient_key(NEW, SECRET)) is None


def test_a_worker_that_dies_in_the_middle_leaves_one_delivery_for_the_new_address(hands, engine, smtp_server, ada):
    worker = postman(engine, hands.sender, hands.folder, lambda: hands.at)
    worker._lock.hold()
    drafts = worker.choose(worker.claim(10))
    change_address(engine, ada, SEVEN)
    worker.compose(list(drafts))
    worker._lock.release()
    recover(engine, hands.folder, False, hands.at)
    hands.deliver("two")
    assert [message.rcpt_tos for message in issues_to(smtp_server, OLD, NEW)] == [(NEW,)]
    worker.close()


def test_the_new_address_gets_no_second_copy_when_another_subscription_there_got_one(hands, engine, smtp_server, ada):
    add_subscriber(engine, NEW)
    with transaction(engine) as connection:  # as if it were due before
        other = somebody(engine, NEW)
        issue_id = connection.execute(select(deliveries.c.issue_id)).scalars().first()
        queue_delivery(connection, NewDelivery(Kind.DIGEST, DAY, other.key, other.id, SEVEN, issue_id), SEVEN)
        transitions._move(connection, deliveries.c.recipient == ada.key, next_attempt_at=SEVEN.replace(hour=9))
    hands.deliver()
    assert len(issues_to(smtp_server, NEW)) == 1
    subscriptions.erase(engine, other.id, SEVEN)
    change_address(engine, ada, SEVEN)
    hands.at = SEVEN.replace(hour=10)
    hands.deliver()
    assert len(issues_to(smtp_server, OLD, NEW)) == 1
    with read_only(engine) as connection:
        reasons = connection.scalars(select(deliveries.c.reason).where(deliveries.c.state == State.SKIPPED)).all()
    assert reasons == [SkipReason.SENT_BEFORE]


def test_the_old_address_gets_no_second_copy_when_it_signs_up_again(hands, engine, smtp_server, ada):
    hands.deliver()
    change_address(engine, ada, SEVEN)
    consent = Consent(SEVEN, "", "test")
    subscriptions.subscribe(engine, OLD, consent, SECRET)
    again = somebody(engine, OLD)
    assert again is not None
    assert again.id != ada.id
    first_issue.confirm(engine, again.id, "", SEVEN)
    hands.deliver()
    assert len(issues_to(smtp_server, OLD, NEW)) == 1
