"""Under any script of server faults, each message gets one reply, and the server's log agrees with it."""

import asyncio
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.smtp import Timeouts, client
from tests.smtp.scenario import ACCEPTED, UNCERTAIN, address, by_number, envelope, now, outcomes, sending
from tests.support.smtp_server import Act, SmtpServer, Step, Then

SOON = Timeouts(connect=2, command=0.25, final_reply=0.25, message=0.4, begin=3)
MOST = 12

GOOD = [None, None, "250 2.0.0 ok", "250-one\r\n250 two", "354 go on"]
BAD = ["421 4.3.2 closing", "450 4.2.0 later", "452 full", "550 5.1.1 nobody", "552 5.2.2 full", "550 5.7.1 blocked"]
NO_REPLIES = ["HTTP/1.1 200", "250 " + "x" * 9000, "2"]
ENDS = st.sampled_from([Then.HANG_UP, Then.RESET])
# A server that leaves out one reply and goes on with the next does not exist; one that falls silent does.
ACTS = st.one_of(
    st.builds(Act, reply=st.sampled_from(GOOD + BAD)),
    st.builds(Act, reply=st.sampled_from(NO_REPLIES), keep=st.booleans()),
    st.builds(Act, reply=st.sampled_from(["", *GOOD, *BAD]), then=ENDS),
    st.builds(Act, reply=st.just(""), then=ENDS, keep=st.booleans()),
    st.just(Act(reply="", wait=0.5, then=Then.HANG_UP)),
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
def test_replies_tell_the_truth(loop, monkeypatch, manner, script, messages, connections, share):
    if loop == "asyncio":
        monkeypatch.setattr(client, "new_loop", asyncio.new_event_loop)
    with SmtpServer(**manner) as server:
        for step, number, act in script:
            to = "*" if step in (Step.MAIL, Step.RSET) else address(number)
            server.answer(step, act, to=to)
        window = [envelope(number) for number in range(messages)]
        with sending(server, connections=connections, per_connection=share, timeouts=SOON) as sender:
            halves = [sender.submit(window[::2], now), sender.submit(window[1::2], now)]
            receipts = by_number([reply for half in halves for reply in half.result(20)])
    assert sorted(receipts) == list(range(messages))
    check(outcomes(receipts), server, window)


def check(outcome_of, server, window):
    """The server's log agrees, message by message."""
    log = Counter(taken.rcpt_tos[0] for taken in server.taken if taken.rcpt_tos)
    contents = {(taken.rcpt_tos, taken.content) for taken in server.taken if taken.rcpt_tos}
    for sent in window:
        possible = {ACCEPTED: {1}, UNCERTAIN: {0, 1}}.get(outcome_of[sent.id], {0})
        assert log[sent.forward_path] in possible, (sent, outcome_of[sent.id])
    assert contents == {((sent.forward_path,), sent.message) for sent in window if log[sent.forward_path]}
    # A server that wanted content without a recipient got an empty one.
    assert {taken.content for taken in server.taken if not taken.rcpt_tos} <= {b""}
