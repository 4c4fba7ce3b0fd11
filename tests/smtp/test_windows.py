"""Windows of messages: begun or declined, recorded, and halted when the server refuses everything."""

import threading
import time
from collections import Counter

import pytest

from digest import machine_clock
from digest.mail.delivery.outcome import receipt_of
from digest.run import processes
from digest.smtp import Envelope, Relay, Security, Sender, Timeouts, session
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
    relay_of,
    send,
    sending,
)
from tests.support.smtp_server import HANG_UP, Act, SmtpServer, Step, Then

POLICY = "550 5.7.1 your domain is blocked"


@pytest.fixture(params=["pipelined", "one command at a time"])
def server(request):
    with SmtpServer(pipelining=request.param == "pipelined") as server:
        yield server


class Notebook:
    """Remembers the calls; asks the server what it had by then."""

    def __init__(self, server=None):
        self.calls, self._server = [], server

    def began(self, number):
        assert threading.current_thread().name == "smtp"
        if self._server is not None:
            assert not self._server.taken_for(address(number))
        self.calls.append(("began", number))

    def answered(self, reply):
        self.calls.append((receipt_of(reply).outcome, reply.id))


# --- several windows ---


def test_windows_in_flight_share_the_connections_and_each_gets_its_own_receipts(server):
    with sending(server, connections=3) as sender:
        submitted = [sender.submit(envelopes(range(n, n + 20)), now) for n in range(0, 100, 20)]
        for first, future in zip(range(0, 100, 20), submitted, strict=True):
            assert outcomes(by_number(future.result(5))) == dict.fromkeys(range(first, first + 20), ACCEPTED)
    assert server.connections == 3
    assert Counter(taken.rcpt_tos for taken in server.taken) == {(address(n),): 1 for n in range(100)}


def test_windows_may_be_submitted_from_many_threads(server):
    with sending(server, connections=3) as sender:
        found = []
        threads = [
            threading.Thread(target=lambda n=n: found.extend(sender.send(envelopes(range(n, n + 10)), now)))
            for n in range(0, 80, 10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert outcomes(by_number(found)) == dict.fromkeys(range(80), ACCEPTED)


def test_an_empty_window_is_done_at_once(server):
    with sending(server) as sender:
        assert sender.submit([], now).result(1) == []
    assert server.connections == 0


def test_no_more_connections_are_opened_than_there_are_messages(server):
    send(server, *envelopes([1, 2]), connections=5)
    assert server.connections <= 2


def test_what_cannot_stand_in_a_command_is_not_sent_and_stops_no_other(server):
    bad = "a@example.com>\r\nRCPT TO:<b@example.com"
    window = [
        Envelope(1, "bounces@example.org", bad, b"x\r\n"),
        Envelope(2, bad, address(2), b"x\r\n"),
        Envelope(3, "bounces@example.org", "jürgen@example.com", b"x\r\n"),
        envelope(4),
    ]
    assert outcomes(send(server, *window)) == {1: REFUSED, 2: SENDER_ERROR, 3: REFUSED, 4: ACCEPTED}
    assert len(server.taken) == 1
    assert outcomes(send(server, window[0])) == {1: REFUSED}


# --- notes ---


def test_each_begun_message_is_noted_before_its_content_goes_and_when_its_answer_comes(server):
    notebook = Notebook(server)
    server.answer(Step.END, "450 4.2.0 later", to=address(2))
    server.answer(Step.RCPT, "550 5.1.1 nobody", to=address(3))
    server.answer(Step.END, HANG_UP, to=address(4))
    send(server, *envelopes(range(1, 7)), observer=notebook)
    answers = {1: ACCEPTED, 2: DEFERRED, 4: UNCERTAIN, 5: ACCEPTED, 6: ACCEPTED}
    assert notebook.calls == [call for n, outcome in answers.items() for call in (("began", n), (outcome, n))]


def test_with_several_connections_at_most_one_message_of_each_is_begun_and_not_answered(server):
    notebook = Notebook()
    send(server, *envelopes(range(200)), connections=4, observer=notebook)
    begun = most = 0
    for call, _ in notebook.calls:
        begun += 1 if call == "began" else -1
        most = max(most, begun)
    assert (begun, len(notebook.calls)) == (0, 400)
    assert most <= 4


def test_what_cannot_be_noted_is_not_begun(server):
    class Full(Notebook):
        def began(self, number):
            if number == 2:
                raise OSError("no space left")
            super().began(number)

    receipts = send(server, *envelopes([1, 2, 3]), observer=Full())
    assert outcomes(receipts) == {1: ACCEPTED, 2: NOT_ATTEMPTED, 3: ACCEPTED}
    assert "no space left" in receipts[2].text
    assert server.taken_for(address(2)) == []


def test_an_answer_that_cannot_be_noted_is_still_an_answer(server):
    class Broken(Notebook):
        def answered(self, reply):
            raise IndexError("full")

    assert outcomes(send(server, *envelopes([1, 2]), observer=Broken())) == {1: ACCEPTED, 2: ACCEPTED}


# --- not begun ---


def test_what_has_not_begun_in_time_is_not_begun_and_what_has_begun_is_not_cut(server):
    server.always(Step.END, Act(wait=0.3))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.5)) as sender:
        began = time.monotonic()
        receipts = by_number(sender.send(envelopes(range(6)), now))
        assert time.monotonic() - began < 1.5
    found = Counter(outcomes(receipts).values())
    assert set(found) == {ACCEPTED, NOT_ATTEMPTED}
    assert 1 <= found[ACCEPTED] <= 3
    assert len(server.taken) == found[ACCEPTED]


def test_a_slow_server_does_not_cost_the_connection_of_each_window(server):
    server.always(Step.END, Act(wait=0.2))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.5)) as sender:
        for _ in range(3):
            assert NOT_ATTEMPTED in outcomes(by_number(sender.send(envelopes(range(9)), now))).values()
    # Only the very first window does not know how slow it is.
    assert server.connections <= 2


def test_a_message_behind_a_stuck_one_is_given_up_in_time(server):
    server.answer(Step.END, Act(wait=1.2), to=address(1))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.4)) as sender:
        stuck = sender.submit([envelope(1)], now)
        time.sleep(0.05)
        behind = sender.submit([envelope(2)], now)
        assert outcomes(by_number(behind.result(1))) == {2: NOT_ATTEMPTED}
        assert not stuck.done()
        assert outcomes(by_number(stuck.result(5))) == {1: ACCEPTED}
    assert server.taken_for(address(2)) == []


def test_a_server_that_is_slow_to_answer_commands_gets_mail_all_the_same(server):
    server.always(Step.RCPT, Act(wait=0.5))
    receipts = send(server, *envelopes([1, 2]), timeouts=Timeouts(5, 5, 5, 10, begin=0.3))
    assert outcomes(receipts) == {1: ACCEPTED, 2: NOT_ATTEMPTED}


def test_a_process_that_was_suspended_before_the_content_sends_none(server, monkeypatch):
    server.answer(Step.DATA, Act(wait=0.3))
    monotonic = machine_clock.monotonic
    with sending(server) as sender:
        replies = sender.submit([envelope(1)], now)
        _until(lambda: server.count("DATA") == 1)
        monkeypatch.setattr(machine_clock, "monotonic", lambda: monotonic() + 700)
        assert outcomes(by_number(replies.result(5))) == {1: NOT_ATTEMPTED}
    assert server.taken == []


def test_a_process_that_was_suspended_does_not_begin_what_waits_behind_a_content(server, monkeypatch):
    server.answer(Step.END, Act(wait=0.3), to=address(1))
    monotonic = machine_clock.monotonic
    with sending(server) as sender:
        replies = sender.submit(envelopes([1, 2]), now)
        _until(lambda: server.count("DATA") == 1)
        time.sleep(0.1)
        monkeypatch.setattr(machine_clock, "monotonic", lambda: monotonic() + 700)
        assert outcomes(by_number(replies.result(5))) == {1: ACCEPTED, 2: NOT_ATTEMPTED}
    assert server.taken_for(address(2)) == []


def test_a_connection_that_was_idle_for_long_is_closed_politely(server, monkeypatch):
    monkeypatch.setattr(session, "_IDLE_SECONDS", 0.2)
    with sending(server) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: ACCEPTED}
        _until(lambda: server.count("QUIT") == 1)
        assert outcomes(by_number(sender.send([envelope(2)], now))) == {2: ACCEPTED}
    assert server.connections == 2


def test_a_connection_that_opens_too_slowly_leaves_the_window_unbegun_and_serves_the_next(server):
    server.answer(Step.CONNECT, Act(wait=0.5))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.3)) as sender:
        assert outcomes(by_number(sender.send(envelopes([1, 2]), now))) == {1: NOT_ATTEMPTED, 2: NOT_ATTEMPTED}
        time.sleep(0.3)
        assert outcomes(by_number(sender.send([envelope(3)], now))) == {3: ACCEPTED}
    assert server.connections == 1


def test_a_server_that_is_known_not_to_answer_is_a_trouble_and_not_only_a_delay(server):
    server.always(Step.CONNECT, Act(wait=5))
    with sending(server, timeouts=Timeouts(0.5, 5, 5, 10, begin=0.3)) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: NOT_ATTEMPTED}
        time.sleep(0.3)
        receipts = by_number(sender.send([envelope(2)], now))
    assert outcomes(receipts) == {2: SENDER_ERROR}
    assert "sent no SMTP greeting in time" in receipts[2].text


# --- halting ---


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.END])
def test_refusals_of_everything_stop_the_window_after_a_few_attempts(server, step):
    server.always(step, POLICY)
    with sending(server, connections=4) as sender:
        receipts = by_number(sender.send(envelopes(range(100)), now))
        found = Counter(outcomes(receipts).values())
        assert set(found) == {SENDER_ERROR, NOT_ATTEMPTED}
        assert found[SENDER_ERROR] <= 4 + 3
        # From now on one try decides.
        again = Counter(outcomes(by_number(sender.send(envelopes(range(100, 200)), now))).values())
        assert again == {SENDER_ERROR: 1, NOT_ATTEMPTED: 99}
        server.behave()
        assert set(outcomes(by_number(sender.send(envelopes(range(100)), now))).values()) == {ACCEPTED}
    assert server.at_once <= 4


def test_refusals_stop_what_other_windows_wait_for_too(server):
    server.always(Step.END, POLICY)
    with sending(server) as sender:
        first, second = sender.submit(envelopes(range(50)), now), sender.submit(envelopes(range(50, 100)), now)
        found = Counter(receipt_of(reply).outcome for future in (first, second) for reply in future.result(5))
    assert found == {SENDER_ERROR: 3, NOT_ATTEMPTED: 97}


def test_refusals_with_acceptances_between_them_stop_nothing(server):
    for number in range(0, 40, 2):
        server.answer(Step.END, POLICY, to=address(number))
    receipts = send(server, *envelopes(range(40)))
    assert Counter(outcomes(receipts).values()) == {SENDER_ERROR: 20, ACCEPTED: 20}


def test_refusals_of_recipients_stop_nothing(server):
    server.always(Step.RCPT, "550 5.1.1 nobody")
    assert set(outcomes(send(server, *envelopes(range(30)))).values()) == {REFUSED}


def test_a_login_that_fails_leaves_every_mail_with_us_and_is_not_repeated_by_each_connection():
    with SmtpServer(auth=True) as server:
        server.always(Step.AUTH, "535 5.7.8 wrong password")
        relay = relay_of(server, username="user", password="secret")
        with sending(relay, connections=4) as sender:
            for start in (0, 50, 100):
                receipts = by_number(sender.send(envelopes(range(start, start + 50)), now))
                assert set(outcomes(receipts).values()) == {SENDER_ERROR}
                assert {(receipt.code, receipt.enhanced) for receipt in receipts.values()} == {(535, "5.7.8")}
                assert not any("secret" in receipt.text for receipt in receipts.values())
        assert server.connections <= 4 + 2
        assert server.count("MAIL") == 0


# --- several mail servers ---


def test_several_relays_share_the_connections_by_weight():
    with SmtpServer() as big, SmtpServer() as small:
        for server in (big, small):
            server.always(Step.END, Act(wait=0.02))
        relays = [relay_of(big, weight=3), relay_of(small, weight=1)]
        with sending(*relays, connections=8) as sender:
            assert set(outcomes(by_number(sender.send(envelopes(range(80)), now))).values()) == {ACCEPTED}
        assert (big.connections, small.connections) == (6, 2)
        assert len(big.taken) > len(small.taken) > 0


def test_a_relay_that_cannot_be_reached_is_passed_over():
    with SmtpServer() as working:
        with SmtpServer() as gone:
            dead = relay_of(gone, weight=5)
        with sending(dead, relay_of(working), connections=3) as sender:
            for start in (0, 20):
                receipts = by_number(sender.send(envelopes(range(start, start + 20)), now))
                assert set(outcomes(receipts).values()) == {ACCEPTED}
        assert len(working.taken) == 40
        assert working.connections == 3


def test_a_relay_that_goes_away_in_the_middle_of_the_work_is_replaced_by_the_other():
    with SmtpServer() as working, SmtpServer() as going:
        going.answer(Step.MAIL, Act(), Act(reply="", then=Then.RESET))
        going.answer(Step.CONNECT, Act(), *[HANG_UP] * 20)
        with sending(relay_of(going), relay_of(working), connections=2) as sender:
            receipts = by_number(sender.send(envelopes(range(40)), now))
    assert sorted(outcomes(receipts).values()).count(ACCEPTED) >= 39
    assert len(working.taken) + len(going.taken) == sorted(outcomes(receipts).values()).count(ACCEPTED)


# --- recycling and closing ---


@pytest.mark.parametrize("share", [1, 3])
def test_a_connection_is_closed_politely_after_its_share(server, share):
    with sending(server, per_connection=share) as sender:
        assert set(outcomes(by_number(sender.send(envelopes(range(10)), now))).values()) == {ACCEPTED}
        assert server.at_once == 1
    assert server.connections == -(-10 // share)
    assert processes.wait_until(lambda: server.count("QUIT") == server.connections, seconds=5)


def test_a_server_that_does_not_answer_to_quit_holds_nothing_up(server):
    server.always(Step.QUIT, Act(wait=30))
    with sending(server, per_connection=2) as sender:
        began = time.monotonic()
        assert set(outcomes(by_number(sender.send(envelopes(range(4)), now))).values()) == {ACCEPTED}
        assert time.monotonic() - began < 3


def test_closing_lets_what_is_on_the_wire_end_and_begins_nothing_more(server):
    server.always(Step.END, Act(wait=0.3))
    sender = Sender([relay_of(server)], 2)
    future = sender.submit(envelopes(range(10)), now)
    _until(lambda: server.count("DATA") >= 2)
    time.sleep(0.1)
    sender.close()
    receipts = by_number(future.result(0))
    assert Counter(outcomes(receipts).values()) == {ACCEPTED: 2, NOT_ATTEMPTED: 8}
    assert len(server.taken) == 2
    assert outcomes(by_number(sender.send([envelope(11)], now))) == {11: NOT_ATTEMPTED}
    sender.close()


def test_closing_without_patience_leaves_what_is_on_the_wire_in_doubt(server):
    server.always(Step.END, Act(wait=5))
    sender = Sender([relay_of(server)], 1)
    future = sender.submit(envelopes(range(3)), now)
    _until(lambda: server.count("DATA") >= 1)
    time.sleep(0.1)
    sender.close(patience=0.2)
    assert outcomes(by_number(future.result(0))) == {0: UNCERTAIN, 1: NOT_ATTEMPTED, 2: NOT_ATTEMPTED}


def test_closing_while_a_connection_is_being_opened_waits_for_nothing(server):
    server.always(Step.CONNECT, Act(wait=30))
    sender = Sender([relay_of(server)], 2)
    future = sender.submit(envelopes(range(3)), now)
    time.sleep(0.1)
    began = time.monotonic()
    sender.close()
    assert time.monotonic() - began < 2
    assert set(outcomes(by_number(future.result(0))).values()) == {NOT_ATTEMPTED}


def test_a_mail_server_may_be_given_by_its_name(server):
    with sending(Relay("localhost", server.port, Security.NONE)) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: ACCEPTED}


def _until(true, seconds=5.0):
    patience = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        patience.wait(0.01)
    raise AssertionError("it did not happen")
