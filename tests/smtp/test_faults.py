"""Mail server faults, one after another: each message gets exactly one reply, and it is true."""

import asyncio
import threading
import time

import pytest

from digest.smtp import Timeouts, client
from tests.smtp.scenario import (
    ACCEPTED,
    DEFERRED,
    NOT_ATTEMPTED,
    REFUSED,
    SENDER_ERROR,
    UNCERTAIN,
    address,
    by_number,
    envelope,
    envelopes,
    now,
    outcomes,
    send,
    sending,
)
from tests.support.smtp_server import HANG_UP, RESET, SILENT, Act, SmtpServer, Step, Then

BEFORE_CONTENT = [Step.MAIL, Step.RCPT, Step.DATA]
EVERYWHERE = [*BEFORE_CONTENT, Step.END]


@pytest.fixture(params=["pipelined", "one command at a time", "without uvloop"])
def server(request, monkeypatch):
    if request.param == "without uvloop":
        monkeypatch.setattr(client, "new_loop", asyncio.new_event_loop)
    with SmtpServer(pipelining=request.param != "one command at a time") as server:
        yield server


@pytest.fixture
def pipelining():
    with SmtpServer() as server:
        yield server


# --- replies (F10 to F13) ---


@pytest.mark.parametrize("step", EVERYWHERE)
@pytest.mark.parametrize("reply", ["421 4.3.2 closing", "450 4.2.1 later", "451 4.3.0 later", "452 4.3.1 full"])
def test_a_temporary_refusal_at_any_step_defers_this_message_and_no_other(server, step, reply):
    server.answer(step, reply)
    receipts = send(server, *envelopes(range(4)))
    # The server has not seen the recipient at MAIL.
    first = SENDER_ERROR if step is Step.MAIL else DEFERRED
    assert outcomes(receipts) == {0: first, 1: ACCEPTED, 2: ACCEPTED, 3: ACCEPTED}
    assert [len(server.taken_for(address(n))) for n in range(4)] == [0, 1, 1, 1]
    assert server.connections == (2 if reply.startswith("421") else 1)


@pytest.mark.parametrize("step", [Step.RCPT, Step.DATA, Step.END])
def test_a_refusal_at_any_step_refuses_this_message_and_no_other(server, step):
    server.answer(step, "550-5.1.1 nobody\r\n550 5.1.1 here", to=address(1))
    receipts = send(server, *envelopes(range(4)))
    assert outcomes(receipts) == {0: ACCEPTED, 1: REFUSED, 2: ACCEPTED, 3: ACCEPTED}
    assert receipts[1].address_is_bad
    assert [len(server.taken_for(address(n))) for n in range(4)] == [1, 0, 1, 1]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("552 too many recipients", DEFERRED),
        ("552 5.2.2 mailbox full", DEFERRED),
        ("552 5.3.4 too big", SENDER_ERROR),
        ("550 5.2.1 disabled", REFUSED),
        ("554 5.7.1 no", SENDER_ERROR),
        ("535 5.7.8 who are you", SENDER_ERROR),
    ],
)
def test_a_permanent_refusal_is_read_by_its_meaning(server, reply, outcome):
    for number, step in enumerate([Step.RCPT, Step.END]):
        server.answer(step, reply, to=address(number))
    receipts = send(server, *envelopes(range(3)))
    assert outcomes(receipts) == {0: outcome, 1: outcome, 2: ACCEPTED}


def test_a_421_at_the_greeting_of_every_connection_leaves_the_mails_with_us(server):
    server.always(Step.CONNECT, "421 4.7.0 too busy")
    receipts = send(server, *envelopes(range(3)), connections=2)
    assert {receipt.outcome for receipt in receipts.values()} == {SENDER_ERROR}
    assert receipts[0].code == 421
    assert receipts[0].enhanced == "4.7.0"


def test_a_421_at_the_greeting_of_one_connection_leaves_the_work_to_the_others(server):
    server.answer(Step.CONNECT, Act(), "421 4.7.0 too many connections", "421 4.7.0 too many connections")
    receipts = send(server, *envelopes(range(30)), connections=3)
    assert {receipt.outcome for receipt in receipts.values()} == {ACCEPTED}
    assert server.connections == 3  # and it was not stormed


def test_a_421_that_nobody_asked_for_ends_the_connection_before_it_is_used(server):
    with sending(server) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: ACCEPTED}
        server.hang_up()
        assert outcomes(by_number(sender.send([envelope(2)], now))) == {2: ACCEPTED}
    assert server.connections == 2


def test_a_connection_that_was_closed_unnoticed_while_idle_costs_no_receipt(server):
    server.answer(Step.MAIL, Act(), HANG_UP)
    with sending(server) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: ACCEPTED}
        assert outcomes(by_number(sender.send([envelope(2)], now))) == {2: ACCEPTED}


# --- pipelining (RFC 2920) ---


def test_the_commands_of_the_next_message_go_out_behind_the_content(pipelining):
    pipelining.answer(Step.END, Act(wait=0.3))
    with sending(pipelining) as sender:
        sender.submit(envelopes([1, 2]), now)
        _until(lambda: pipelining.count("DATA"))
        time.sleep(0.1)
    # The server had not answered to the first content yet, and its reader had the rest.
    assert pipelining.count("MAIL") == 2


@pytest.mark.parametrize("nobody", ["554 5.5.1 no valid recipients", "354 go on all the same", "503 5.5.1 no"])
def test_a_refused_recipient_in_a_pipeline_does_not_shift_the_answers(nobody):
    with SmtpServer(nobody=nobody) as server:
        for number in (1, 4, 5):
            server.answer(Step.RCPT, f"550 5.1.1 no reader {number}", to=address(number))
        receipts = send(server, *envelopes(range(8)))
        assert {n: r.outcome for n, r in receipts.items() if r.outcome is not ACCEPTED} == {
            1: REFUSED,
            4: REFUSED,
            5: REFUSED,
        }
        assert all(f"no reader {number}" in receipts[number].text for number in (1, 4, 5))
        assert [len(server.taken_for(address(n))) for n in range(8)] == [1, 0, 1, 1, 0, 0, 1, 1]
        # A server that wants content without a recipient gets an empty one.
        assert {taken.content for taken in server.taken if not taken.rcpt_tos} <= {b""}
        assert server.connections == 1


def test_a_refused_sender_in_a_pipeline_does_not_shift_the_answers(pipelining):
    pipelining.answer(Step.MAIL, Act(), "451 4.1.8 not now")
    receipts = send(pipelining, *envelopes(range(4)))
    assert set(outcomes(receipts).values()) == {ACCEPTED}
    assert pipelining.connections == 2


@pytest.mark.parametrize("pipelined", [True, False])
def test_replies_that_come_byte_by_byte_are_read_all_the_same(pipelined):
    with SmtpServer(pipelining=pipelined, whole=False) as server:
        server.answer(Step.RCPT, "250-2.1.5 yes\r\n250-2.1.5 yes\r\n250 2.1.5 yes")
        server.answer(Step.END, "450-4.2.0 one\r\n450 4.2.0 two", to=address(2))
        receipts = send(server, *envelopes(range(5)))
        assert outcomes(receipts) == {0: ACCEPTED, 1: ACCEPTED, 2: DEFERRED, 3: ACCEPTED, 4: ACCEPTED}
        assert receipts[2].text == "4.2.0 one 4.2.0 two"


def test_a_server_that_takes_data_with_another_reply_than_354_gets_no_content(server):
    server.answer(Step.DATA, "250 ok")
    receipts = send(server, *envelopes(range(2)))
    assert outcomes(receipts) == {0: SENDER_ERROR, 1: ACCEPTED}
    assert server.connections == 2


# --- lost connections (F16, F17) ---


@pytest.mark.parametrize("act", [HANG_UP, RESET])
@pytest.mark.parametrize("step", BEFORE_CONTENT)
def test_a_connection_lost_before_the_content_is_not_in_doubt(server, step, act):
    server.answer(step, act)
    receipts = send(server, *envelopes(range(4)))
    assert outcomes(receipts) == {0: SENDER_ERROR, 1: ACCEPTED, 2: ACCEPTED, 3: ACCEPTED}
    assert receipts[0].code is None


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("then", [Then.HANG_UP, Then.RESET])
def test_a_connection_lost_after_the_final_dot_leaves_one_message_in_doubt_and_its_neighbours_not(server, then, kept):
    server.answer(Step.END, Act(), Act(reply="", then=then, keep=kept))
    receipts = send(server, *envelopes(range(5)))
    assert outcomes(receipts) == {0: ACCEPTED, 1: UNCERTAIN, 2: ACCEPTED, 3: ACCEPTED, 4: ACCEPTED}
    assert [len(server.taken_for(address(n))) for n in range(5)] == [1, int(kept), 1, 1, 1]


@pytest.mark.parametrize("act", [HANG_UP, RESET])
def test_a_connection_lost_inside_a_content_that_was_not_sent_to_its_end_is_not_in_doubt(server, act):
    server.answer(Step.BODY, act)
    huge = envelope(0, b"0123456789\r\n" * 2_000_000)  # more than the kernel's buffers hold
    receipts = send(server, huge, envelope(1))
    assert outcomes(receipts) == {0: SENDER_ERROR, 1: ACCEPTED}
    assert server.taken_for(address(0)) == []


@pytest.mark.parametrize("then", [Then.HANG_UP, Then.RESET])
def test_a_connection_lost_inside_a_content_that_left_this_machine_is_in_doubt(server, then):
    server.answer(Step.BODY, Act(reply="", wait=0.1, then=then))
    receipts = send(server, *envelopes(range(3)))
    assert outcomes(receipts) == {0: UNCERTAIN, 1: ACCEPTED, 2: ACCEPTED}


def test_a_message_that_is_refused_while_it_is_being_sent_is_refused_and_never_completed(server):
    server.answer(Step.BODY, Act(reply="552 5.3.4 too big", then=Then.HANG_UP))
    receipts = send(server, envelope(0, b"0123456789\r\n" * 2_000_000), envelope(1))
    assert outcomes(receipts) == {0: SENDER_ERROR, 1: ACCEPTED}


def test_an_acceptance_of_a_message_that_was_not_sent_to_its_end_is_not_believed(server):
    server.answer(Step.BODY, Act(reply="250 2.0.0 taken", wait=0.2, then=Then.HANG_UP))
    receipts = send(server, envelope(0, b"0123456789\r\n" * 2_000_000), envelope(1))
    assert outcomes(receipts) == {0: SENDER_ERROR, 1: ACCEPTED}


# --- silence (F18) ---


def test_a_late_answer_to_the_final_dot_within_the_limit_is_an_acceptance(server):
    server.answer(Step.END, Act(wait=0.5))
    receipts = send(server, *envelopes(range(2)), timeouts=Timeouts(5, 5, final_reply=1, message=5, begin=5))
    assert outcomes(receipts) == {0: ACCEPTED, 1: ACCEPTED}
    assert server.connections == 1


def test_an_answer_to_the_final_dot_beyond_the_limit_leaves_doubt_and_the_connection_is_not_used_again(server):
    server.answer(Step.END, Act(wait=0.7))
    receipts = send(server, *envelopes(range(2)), timeouts=Timeouts(5, 5, final_reply=0.4, message=5, begin=5))
    assert outcomes(receipts) == {0: UNCERTAIN, 1: ACCEPTED}
    assert server.connections == 2


@pytest.mark.parametrize("step", BEFORE_CONTENT)
def test_silence_before_the_content_is_not_in_doubt(server, step):
    server.answer(step, SILENT)
    receipts = send(server, *envelopes(range(2)), timeouts=Timeouts(5, command=0.4, final_reply=5, message=5, begin=5))
    assert outcomes(receipts) == {0: SENDER_ERROR, 1: ACCEPTED}


# --- slow and endless (F19) ---

ENDLESS = "250-" + "x" * 40 + "\r\n"


@pytest.mark.parametrize("step", EVERYWHERE)
def test_a_trickle_meets_the_deadline_of_the_message_and_holds_up_no_other_connection(server, step):
    server.answer(step, Act(reply="250 " + "so slow " * 50, drip=0.02), to=address(0) if step is Step.END else "*")
    timeouts = Timeouts(5, command=60, final_reply=60, message=0.7, begin=5)
    with sending(server, connections=3, timeouts=timeouts) as sender:
        began = time.monotonic()
        receipts = by_number(sender.send(envelopes(range(40)), now))
        assert time.monotonic() - began < 4
    slow = [receipt.outcome for receipt in receipts.values() if receipt.outcome is not ACCEPTED]
    assert slow == [UNCERTAIN if step is Step.END else SENDER_ERROR]


@pytest.mark.parametrize("step", EVERYWHERE)
@pytest.mark.parametrize(
    "endless", [ENDLESS * 2000, "2" * 1_000_000, "250 " + "y" * 1_000_000], ids=["lines", "2", "y"]
)
def test_a_reply_without_end_is_cut_off_at_once(server, step, endless):
    server.answer(step, endless)
    receipts = send(server, *envelopes(range(3)))
    assert outcomes(receipts) == {0: UNCERTAIN if step is Step.END else SENDER_ERROR, 1: ACCEPTED, 2: ACCEPTED}
    assert len(receipts[0].text) <= 500


@pytest.mark.parametrize("garbage", ["HTTP/1.1 400 Bad Request", "\x00\x01\x02", "199 what", "250-a\r\n251 b", "25"])
def test_what_is_no_reply_ends_the_connection(server, garbage):
    server.answer(Step.END, Act(reply=garbage, keep=False), to=address(0))
    server.answer(Step.RCPT, garbage, to=address(2))
    receipts = send(server, *envelopes(range(4)))
    assert outcomes(receipts) == {0: UNCERTAIN, 1: ACCEPTED, 2: SENDER_ERROR, 3: ACCEPTED}
    assert server.connections == 3


def test_a_trickle_before_the_server_is_ready_is_bounded_too(server):
    server.always(Step.EHLO, Act(drip=0.05))
    receipts = send(server, envelope(1), timeouts=Timeouts(connect=0.5, begin=5))
    assert outcomes(receipts) == {1: SENDER_ERROR}
    assert "in time" in receipts[1].text
    later = send(server, envelope(1), timeouts=Timeouts(connect=60, begin=0.5))
    assert outcomes(later) == {1: NOT_ATTEMPTED}


def _until(true, seconds=5.0):
    patience = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        patience.wait(0.01)
    raise AssertionError("it did not happen")
