"""Replies are stored with the ledger about once a second, and none is counted twice."""

from collections import Counter

from digest.ledger.replies import ReplyClass, reply_class
from digest.mail.delivery.outcome import Outcome, Receipt
from digest.mail.delivery.reply_counter import ReplyCounter
from tests.support.scenario import MORNING


def responses(*codes, outcome=Outcome.DEFERRED, domain="Example.COM"):
    return [(f"reader{n}@{domain}", Receipt(n, outcome, code, "", "", MORNING)) for n, code in enumerate(codes)]


def test_replies_are_counted_by_the_class_of_their_code():
    classes = [reply_class(code) for code in (250, 251, 421, 451, 550, 599, None, 354, 99)]
    assert classes == ["2xx", "2xx", "4xx", "4xx", "5xx", "5xx", "none", "none", "none"]


def test_counts_are_due_once_a_second_and_at_the_end():
    seconds = [0.0]
    counter = ReplyCounter(lambda: seconds[0])
    counter.add(responses(250, 250, 451))
    assert not counter.due()
    both = {("example.com", ReplyClass.ACCEPTED): 2, ("example.com", ReplyClass.DEFERRED): 1}
    assert counter.due(at_once=True) == both
    seconds[0] = 1.0
    assert counter.due() == both


def test_what_was_not_stored_is_due_again_with_what_came_meanwhile():
    counter = ReplyCounter()
    counter.add(responses(250))
    first = counter.due(at_once=True)
    counter.add(responses(250, 550))
    assert counter.due(at_once=True) == Counter(
        {("example.com", ReplyClass.ACCEPTED): 2, ("example.com", ReplyClass.REFUSED): 1}
    )
    counter.stored(first)
    assert counter.due(at_once=True) == {
        ("example.com", ReplyClass.ACCEPTED): 1,
        ("example.com", ReplyClass.REFUSED): 1,
    }
    counter.stored(counter.due(at_once=True))
    assert not counter.due(at_once=True)


def test_a_message_that_was_not_begun_has_no_reply():
    counter = ReplyCounter()
    counter.add(responses(None, outcome=Outcome.NOT_ATTEMPTED))
    assert not counter.due(at_once=True)
