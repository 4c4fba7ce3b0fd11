"""The sender for a long time: the real waits of RFC 5321, and random faults without end."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from digest.smtp import Timeouts
from tests.smtp.scenario import (
    ACCEPTED,
    NOT_ATTEMPTED,
    UNCERTAIN,
    address,
    by_number,
    envelope,
    envelopes,
    now,
    outcomes,
    sending,
)
from tests.support.smtp_server import ANYONE, HANG_UP, RESET, Act, SmtpServer, Step, Then

pytestmark = pytest.mark.timeout(7200)


def test_an_answer_after_599_seconds_is_an_acceptance_and_after_601_there_is_doubt():
    with SmtpServer() as server:
        server.answer(Step.END, Act(wait=599), to=address(1))
        server.answer(Step.END, Act(wait=601), to=address(2))
        with sending(server, connections=2, timeouts=Timeouts()) as sender:
            began = time.monotonic()
            receipts = by_number(sender.send(envelopes([1, 2]), now))
            assert 598 < time.monotonic() - began < 605
    assert outcomes(receipts) == {1: ACCEPTED, 2: UNCERTAIN}


def test_a_trickle_of_one_byte_in_ten_seconds_ends_after_eleven_minutes():
    with SmtpServer() as server:
        server.answer(Step.END, Act(reply="250-" + "slow" * 40, drip=10), to=address(1))
        with sending(server, connections=2, timeouts=Timeouts(final_reply=10_000)) as sender:
            began = time.monotonic()
            receipts = by_number(sender.send(envelopes([1, 2]), now))
            assert 655 < time.monotonic() - began < 670
    assert outcomes(receipts) == {1: UNCERTAIN, 2: ACCEPTED}


FAULTS = [
    *[(step, reply) for step in (Step.MAIL, Step.RCPT, Step.DATA, Step.END) for reply in ("421 bye", "451 later")],
    *[(step, act) for step in (Step.MAIL, Step.RCPT, Step.DATA, Step.BODY) for act in (HANG_UP, RESET)],
    *[(Step.END, Act(reply="", then=then, keep=keep)) for then in (Then.HANG_UP, Then.RESET) for keep in (True, False)],
    *[(step, reply) for step in (Step.RCPT, Step.END) for reply in ("550 5.1.1 nobody", "552 5.2.2 full", "what")],
    (Step.END, Act(wait=2.5)),
    (Step.RCPT, Act(drip=0.3)),
    (Step.CONNECT, "421 4.7.0 too many"),
]


@pytest.mark.parametrize("pipelining", [True, False])
def test_random_faults_for_a_long_time(pipelining, request):
    """One message in a hundred meets a fault; what was deferred or not begun is sent again until it is through."""
    until = time.monotonic() + 60 * request.config.getoption("--soak-minutes")
    dice = random.Random(5321)
    sent, copies, sizes = 0, Counter(), []
    timeouts = Timeouts(connect=5, command=2, final_reply=2, message=3, begin=2)
    with SmtpServer(pipelining=pipelining) as server, sending(server, connections=8, timeouts=timeouts) as sender:
        while time.monotonic() < until:
            window = [envelope(number, b"x" * 15_000 + b"\r\n") for number in range(sent, sent + 500)]
            for one in window:
                if dice.random() < 0.01:
                    step, act = dice.choice(FAULTS)
                    general = step in (Step.MAIL, Step.CONNECT)
                    server.answer(step, act, to=ANYONE if general else one.forward_path)
            copies.update(_until_through(sender, server, window))
            sent += len(window)
            server.behave()
            sizes.append(int(Path("/proc/self/statm").read_text().split()[1]))
    half = len(sizes) // 2
    assert max(sizes[half:]) < max(sizes[:half]) * 1.1, "it grows"
    assert copies["ACCEPTED"] > 0.9 * sent


def _until_through(sender, server, window):
    """The log says the same as the receipts, in each round."""
    found = Counter()
    waiting = {one.id: one for one in window}
    while waiting:
        before = Counter(taken.rcpt_tos[0] for taken in server.taken)
        halves = [list(waiting.values())[:250], list(waiting.values())[250:]]
        futures = [sender.submit(half, now) for half in halves]
        receipts = by_number([reply for future in futures for reply in future.result(120)])
        assert receipts.keys() == waiting.keys()
        after = Counter(taken.rcpt_tos[0] for taken in server.taken)
        for number, receipt in receipts.items():
            new = after[address(number)] - before[address(number)]
            assert new == (receipt.outcome is ACCEPTED) or (new == 1 and receipt.outcome is UNCERTAIN)
            found[receipt.outcome.name] += 1
            if receipt.outcome not in (NOT_ATTEMPTED, *_TEMPORARY):
                del waiting[number]
    del server.taken[:], server.commands[:]
    return found


_TEMPORARY = [outcome for outcome in type(ACCEPTED) if outcome.name in ("DEFERRED", "SENDER_ERROR")]
