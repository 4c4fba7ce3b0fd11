"""Windows of messages: who is begun and who is not, what is noted, and when a sender stops by itself."""

import threading
import time
from collections import Counter

import pytest

from digest.run import processes
from digest.smtp import Sender, Timeouts, session
from digest.smtp.relay import Relay, Security
from tests.smtp.scenario import (
    ACCEPTED,
    DEFERRED,
    OURS,
    REFUSED,
    UNBEGUN,
    UNKNOWN,
    Envelope,
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
from tests.support.raw_smtp import HANGS_UP, Act, RawSmtp, Step, Then, says

POLICY = says("550 5.7.1 your domain is blocked")


@pytest.fixture(params=["pipelined", "one command at a time"])
def server(request):
    with RawSmtp(pipelining=request.param == "pipelined") as server:
        yield server


class Notebook:
    """Remembers the calls; asks the server what it had by then."""

    def __init__(self, server=None):
        self.calls, self._server = [], server

    def began(self, delivery_id):
        assert threading.current_thread().name == "smtp"
        if self._server is not None:
            assert not self._server.taken_for(address(delivery_id))
        self.calls.append(("began", delivery_id))

    def answered(self, receipt):
        self.calls.append((receipt.outcome, receipt.delivery_id))


# --- several windows ---


def test_windows_in_flight_share_the_connections_and_each_gets_its_own_receipts(server):
    with sending(server, connections=3) as sender:
        submitted = [sender.submit(envelopes(range(n, n + 20)), now) for n in range(0, 100, 20)]
        for first, future in zip(range(0, 100, 20), submitted, strict=True):
            assert outcomes(by_number(future.result(5))) == dict.fromkeys(range(first, first + 20), ACCEPTED)
    assert server.connections == 3
    assert Counter(recipients for recipients, _ in server.taken) == {(address(n),): 1 for n in range(100)}


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
    assert outcomes(send(server, *window)) == {1: REFUSED, 2: OURS, 3: REFUSED, 4: ACCEPTED}
    assert len(server.taken) == 1
    assert outcomes(send(server, window[0])) == {1: REFUSED}


# --- notes ---


def test_each_begun_message_is_noted_before_its_content_goes_and_when_its_answer_comes(server):
    notes = Notebook(server)
    server.once(Step.END, says("450 4.2.0 later"), to=address(2))
    server.once(Step.RCPT, says("550 5.1.1 nobody"), to=address(3))
    server.once(Step.END, HANGS_UP, to=address(4))
    send(server, *envelopes(range(1, 7)), notes=notes)
    answers = {1: ACCEPTED, 2: DEFERRED, 4: UNKNOWN, 5: ACCEPTED, 6: ACCEPTED}
    assert notes.calls == [call for n, outcome in answers.items() for call in (("began", n), (outcome, n))]


def test_with_several_connections_at_most_one_message_of_each_is_begun_and_not_answered(server):
    notes = Notebook()
    send(server, *envelopes(range(200)), connections=4, notes=notes)
    begun = most = 0
    for call, _ in notes.calls:
        begun += 1 if call == "began" else -1
        most = max(most, begun)
    assert (begun, len(notes.calls)) == (0, 400)
    assert most <= 4


def test_what_cannot_be_noted_is_not_begun(server):
    class Full(Notebook):
        def began(self, delivery_id):
            if delivery_id == 2:
                raise OSError("no space left")
            super().began(delivery_id)

    receipts = send(server, *envelopes([1, 2, 3]), notes=Full())
    assert outcomes(receipts) == {1: ACCEPTED, 2: UNBEGUN, 3: ACCEPTED}
    assert "no space left" in receipts[2].text
    assert server.taken_for(address(2)) == []


def test_an_answer_that_cannot_be_noted_is_still_an_answer(server):
    class Broken(Notebook):
        def answered(self, receipt):
            raise IndexError("full")

    assert outcomes(send(server, *envelopes([1, 2]), notes=Broken())) == {1: ACCEPTED, 2: ACCEPTED}


# --- not begun ---


def test_what_has_not_begun_in_time_is_not_begun_and_what_has_begun_is_not_cut(server):
    server.always(Step.END, Act(wait=0.3))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.5)) as sender:
        began = time.monotonic()
        receipts = by_number(sender.send(envelopes(range(6)), now))
        assert time.monotonic() - began < 1.5
    found = Counter(receipt.outcome for receipt in receipts.values())
    assert set(found) == {ACCEPTED, UNBEGUN}
    assert 1 <= found[ACCEPTED] <= 3
    assert len(server.taken) == found[ACCEPTED]


def test_a_slow_server_does_not_cost_the_connection_of_each_window(server):
    server.always(Step.END, Act(wait=0.2))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.5)) as sender:
        for _ in range(3):
            assert UNBEGUN in outcomes(by_number(sender.send(envelopes(range(9)), now))).values()
    # Only the very first window does not know how slow it is.
    assert server.connections <= 2


def test_a_message_behind_a_stuck_one_is_given_up_in_time(server):
    server.once(Step.END, Act(wait=1.2), to=address(1))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.4)) as sender:
        stuck = sender.submit([envelope(1)], now)
        time.sleep(0.05)
        behind = sender.submit([envelope(2)], now)
        assert outcomes(by_number(behind.result(1))) == {2: UNBEGUN}
        assert not stuck.done()
        assert outcomes(by_number(stuck.result(5))) == {1: ACCEPTED}
    assert server.taken_for(address(2)) == []


def test_a_server_that_is_slow_to_answer_commands_gets_mail_all_the_same(server):
    server.always(Step.RCPT, Act(wait=0.5))
    receipts = send(server, *envelopes([1, 2]), timeouts=Timeouts(5, 5, 5, 10, begin=0.3))
    assert outcomes(receipts) == {1: ACCEPTED, 2: UNBEGUN}


def test_a_connection_that_was_idle_for_long_is_closed_politely(server, monkeypatch):
    monkeypatch.setattr(session, "_IDLE", 0.2)
    with sending(server) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: ACCEPTED}
        _until(lambda: server.said("QUIT") == 1)
        assert outcomes(by_number(sender.send([envelope(2)], now))) == {2: ACCEPTED}
    assert server.connections == 2


def test_a_connection_that_opens_too_slowly_leaves_the_window_unbegun_and_serves_the_next(server):
    server.once(Step.CONNECT, Act(wait=0.5))
    with sending(server, timeouts=Timeouts(5, 5, 5, 10, begin=0.3)) as sender:
        assert outcomes(by_number(sender.send(envelopes([1, 2]), now))) == {1: UNBEGUN, 2: UNBEGUN}
        time.sleep(0.3)
        assert outcomes(by_number(sender.send([envelope(3)], now))) == {3: ACCEPTED}
    assert server.connections == 1


def test_a_server_that_is_known_not_to_answer_is_a_trouble_and_not_only_a_delay(server):
    server.always(Step.CONNECT, Act(wait=5))
    with sending(server, timeouts=Timeouts(0.5, 5, 5, 10, begin=0.3)) as sender:
        assert outcomes(by_number(sender.send([envelope(1)], now))) == {1: UNBEGUN}
        time.sleep(0.3)
        receipts = by_number(sender.send([envelope(2)], now))
    assert outcomes(receipts) == {2: OURS}
    assert "did not answer in time" in receipts[2].text


# --- halting ---


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.END])
def test_refusals_of_everything_stop_the_window_after_a_few_attempts(server, step):
    server.always(step, POLICY)
    with sending(server, connections=4) as sender:
        receipts = by_number(sender.send(envelopes(range(100)), now))
        found = Counter(receipt.outcome for receipt in receipts.values())
        assert set(found) == {OURS, UNBEGUN}
        assert found[OURS] <= 4 + 3
        # From now on one try decides.
        again = Counter(receipt.outcome for receipt in sender.send(envelopes(range(100, 200)), now))
        assert again == {OURS: 1, UNBEGUN: 99}
        server.behave()
        assert {receipt.outcome for receipt in sender.send(envelopes(range(100)), now)} == {ACCEPTED}
    assert server.at_once <= 4


def test_refusals_stop_what_other_windows_wait_for_too(server):
    server.always(Step.END, POLICY)
    with sending(server) as sender:
        first, second = sender.submit(envelopes(range(50)), now), sender.submit(envelopes(range(50, 100)), now)
        found = Counter(receipt.outcome for future in (first, second) for receipt in future.result(5))
    assert found == {OURS: 3, UNBEGUN: 97}


def test_refusals_with_acceptances_between_them_stop_nothing(server):
    for number in range(0, 40, 2):
        server.once(Step.END, POLICY, to=address(number))
    receipts = send(server, *envelopes(range(40)))
    assert Counter(receipt.outcome for receipt in receipts.values()) == {OURS: 20, ACCEPTED: 20}


def test_refusals_of_recipients_stop_nothing(server):
    server.always(Step.RCPT, says("550 5.1.1 nobody"))
    assert set(outcomes(send(server, *envelopes(range(30)))).values()) == {REFUSED}


def test_a_login_that_fails_leaves_every_mail_with_us_and_is_not_repeated_by_each_connection():
    with RawSmtp(auth=True) as server:
        server.always(Step.AUTH, says("535 5.7.8 wrong password"))
        relay = relay_of(server, username="user", password="secret")
        with sending(relay, connections=4) as sender:
            for start in (0, 50, 100):
                receipts = by_number(sender.send(envelopes(range(start, start + 50)), now))
                assert set(outcomes(receipts).values()) == {OURS}
                assert {(receipt.code, receipt.enhanced) for receipt in receipts.values()} == {(535, "5.7.8")}
                assert not any("secret" in receipt.text for receipt in receipts.values())
        assert server.connections <= 4 + 2
        assert server.said("MAIL") == 0


# --- several mail servers ---


def test_several_relays_share_the_connections_by_weight():
    with RawSmtp() as big, RawSmtp() as small:
        for server in (big, small):
            server.always(Step.END, Act(wait=0.02))
        relays = [relay_of(big, weight=3), relay_of(small, weight=1)]
        with sending(*relays, connections=8) as sender:
            assert set(outcomes(by_number(sender.send(envelopes(range(80)), now))).values()) == {ACCEPTED}
        assert (big.connections, small.connections) == (6, 2)
        assert len(big.taken) > len(small.taken) > 0


def test_a_relay_that_cannot_be_reached_is_passed_over():
    with RawSmtp() as working:
        with RawSmtp() as gone:
            dead = relay_of(gone, weight=5)
        with sending(dead, relay_of(working), connections=3) as sender:
            for start in (0, 20):
                receipts = by_number(sender.send(envelopes(range(start, start + 20)), now))
                assert set(outcomes(receipts).values()) == {ACCEPTED}
        assert len(working.taken) == 40
        assert working.connections == 3


def test_a_relay_that_goes_away_in_the_middle_of_the_work_is_replaced_by_the_other():
    with RawSmtp() as working, RawSmtp() as going:
        going.once(Step.MAIL, Act(), Act(say="", then=Then.RESET))
        going.once(Step.CONNECT, Act(), *[HANGS_UP] * 20)
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
    assert processes.wait_until(lambda: server.said("QUIT") == server.connections, seconds=5)


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
    _until(lambda: server.said("DATA") >= 2)
    time.sleep(0.1)
    sender.close()
    receipts = by_number(future.result(0))
    assert Counter(outcomes(receipts).values()) == {ACCEPTED: 2, UNBEGUN: 8}
    assert len(server.taken) == 2
    assert outcomes(by_number(sender.send([envelope(11)], now))) == {11: UNBEGUN}
    sender.close()


def test_closing_without_patience_leaves_what_is_on_the_wire_in_doubt(server):
    server.always(Step.END, Act(wait=5))
    sender = Sender([relay_of(server)], 1)
    future = sender.submit(envelopes(range(3)), now)
    _until(lambda: server.said("DATA") >= 1)
    time.sleep(0.1)
    sender.close(patience=0.2)
    assert outcomes(by_number(future.result(0))) == {0: UNKNOWN, 1: UNBEGUN, 2: UNBEGUN}


def test_closing_while_a_connection_is_being_opened_waits_for_nothing(server):
    server.always(Step.CONNECT, Act(wait=30))
    sender = Sender([relay_of(server)], 2)
    future = sender.submit(envelopes(range(3)), now)
    time.sleep(0.1)
    began = time.monotonic()
    sender.close()
    assert time.monotonic() - began < 2
    assert set(outcomes(by_number(future.result(0))).values()) == {UNBEGUN}


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
