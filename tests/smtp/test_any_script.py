"""Whatever a mail server does: one receipt for each message, and an acceptance is one, and is in the server's log."""

import asyncio
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest import smtp
from digest.smtp import Timeouts
from tests.smtp.scenario import ACCEPTED, UNKNOWN, address, by_number, envelope, now, sending
from tests.support.raw_smtp import Act, RawSmtp, Step, Then

SOON = Timeouts(connect=2, command=0.25, final_reply=0.25, message=0.4, begin=3)
MOST = 12

GOOD = [None, None, "250 2.0.0 ok", "250-one\r\n250 two", "354 go on"]
BAD = ["421 4.3.2 closing", "450 4.2.0 later", "452 full", "550 5.1.1 nobody", "552 5.2.2 full", "550 5.7.1 blocked"]
NO_REPLIES = ["HTTP/1.1 200", "250 " + "x" * 9000, "2"]
ENDS = st.sampled_from([Then.HANG_UP, Then.RESET])
# A server that leaves out one reply and goes on with the next does not exist; one that falls silent does.
ACTS = st.one_of(
    st.builds(Act, say=st.sampled_from(GOOD + BAD)),
    st.builds(Act, say=st.sampled_from(NO_REPLIES), keep=st.booleans()),
    st.builds(Act, say=st.sampled_from(["", *GOOD, *BAD]), then=ENDS),
    st.builds(Act, say=st.just(""), then=ENDS, keep=st.booleans()),
    st.just(Act(say="", wait=0.5, then=Then.HANG_UP)),
)
FAULTS = st.tuples(st.sampled_from([Step.MAIL, Step.RCPT, Step.DATA, Step.END, Step.RSET]), st.integers(0, MOST), ACTS)
SCRIPTS = st.lists(FAULTS, max_size=10)
SERVERS = st.fixed_dictionaries(
    {"pipelining": st.booleans(), "whole": st.booleans()}, optional={"nobody": st.just("354 go on all the same")}
)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@settings(
    max_examples=int(os.environ.get("SCRIPTS", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(SERVERS, SCRIPTS, st.integers(1, MOST), st.integers(1, 3), st.sampled_from([1, 3, 100]))
def test_receipts_tell_the_truth(loop, monkeypatch, server, script, messages, connections, share):
    if loop == "asyncio":
        monkeypatch.setattr(smtp, "new_loop", asyncio.new_event_loop)
    with RawSmtp(**server) as raw:
        for step, number, act in script:
            to = "*" if step in (Step.MAIL, Step.RSET) else address(number)
            raw.once(step, act, to=to)
        window = [envelope(number) for number in range(messages)]
        with sending(raw, connections=connections, per_connection=share, timeouts=SOON) as sender:
            halves = [sender.submit(window[::2], now), sender.submit(window[1::2], now)]
            receipts = by_number([receipt for half in halves for receipt in half.result(20)])
    assert sorted(receipts) == list(range(messages))
    judge({number: receipt.outcome for number, receipt in receipts.items()}, raw, window)


def judge(outcomes, server, window):
    """The server's log says the same, message by message."""
    log = Counter(recipients[0] for recipients, _ in server.taken if recipients)
    contents = {(recipients, content) for recipients, content in server.taken if recipients}
    for one in window:
        times, outcome = log[one.forward_path], outcomes[one.delivery_id]
        assert times == 1 if outcome is ACCEPTED else times <= 1 if outcome is UNKNOWN else times == 0, (one, outcome)
    assert contents == {((one.forward_path,), one.message) for one in window if log[one.forward_path]}
    # Where a content for nobody was wanted, an empty one was sent.
    assert {content for recipients, content in server.taken if not recipients} <= {b""}
