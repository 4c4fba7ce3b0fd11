"""The outcome of each reply, and the next state of its delivery."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from digest.database.engine import transaction
from digest.ledger import sending
from digest.ledger.kinds import State
from digest.ledger.sending import MessageRecord
from digest.mail.delivery.outcome import Outcome, Receipt, back_off, is_about_sender, next_state, receipt_of, record
from digest.smtp import Phase, Reply
from digest.subscribers.suppressions import is_suppressed
from tests.ledger.test_deliveries import row_of
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut

ACCEPTED, DEFERRED, REFUSED = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REFUSED
SENDER_ERROR, NOT_ATTEMPTED, UNCERTAIN = Outcome.SENDER_ERROR, Outcome.NOT_ATTEMPTED, Outcome.UNCERTAIN
COMMANDS = (Phase.MAIL, Phase.RCPT, Phase.DATA)


def read(phase: Phase, code: int | None, text: str = "") -> Receipt:
    return receipt_of(Reply(1, phase, code, text, MORNING))


# --- what a reply means ---


@pytest.mark.parametrize("code", [220, 250, 251, 299])
@pytest.mark.parametrize(
    ("phase", "expected"), [(Phase.CONTENT, ACCEPTED), *((phase, SENDER_ERROR) for phase in (Phase.SESSION, *COMMANDS))]
)
def test_only_the_reply_to_the_final_dot_is_an_acceptance(phase, code, expected):
    assert read(phase, code).outcome is expected


@pytest.mark.parametrize(
    ("phase", "code"), [*product((Phase.RCPT, Phase.DATA, Phase.CONTENT), (400, 421, 450, 451, 452, 499))]
)
@pytest.mark.parametrize("text", ["", "4.7.1 greylisted", "4.3.2 closing", "5.1.1 the reply code decides"])
def test_a_temporary_refusal_defers_the_message(phase, code, text):
    assert read(phase, code, text).outcome is DEFERRED


@pytest.mark.parametrize("phase", [Phase.SESSION, Phase.MAIL])
@pytest.mark.parametrize("code", [None, 220, 421, 450, 535, 550, 552, 554])
@pytest.mark.parametrize("text", ["4.7.0 no", "5.2.3 too long", "5.2.2 full"])
def test_a_server_that_was_not_told_the_recipient_says_nothing_about_a_message(phase, code, text):
    assert read(phase, code, text).outcome is SENDER_ERROR


@pytest.mark.parametrize(
    ("phase", "code", "expected"),
    [
        *((phase, code, SENDER_ERROR) for phase in COMMANDS for code in (None, 300, 354, 399, 600)),
        *((Phase.CONTENT, code, UNCERTAIN) for code in (None, -1, 199, 300, 354, 399, 600)),
    ],
)
def test_without_a_final_reply_only_a_message_on_the_wire_is_in_doubt(phase, code, expected):
    assert read(phase, code, "the connection was lost").outcome is expected


def test_a_message_that_waited_was_not_attempted():
    receipt = read(Phase.WAITING, None, "its turn did not come in time")
    assert (receipt.outcome, receipt.text) == (NOT_ATTEMPTED, "its turn did not come in time")


# phase · code · text · outcome · whether the address is bad
PERMANENT = [
    (Phase.MAIL, 550, "sender rejected", SENDER_ERROR, False),
    (Phase.MAIL, 550, "5.1.0 sender rejected", SENDER_ERROR, False),  # the server has not seen the recipient yet
    (Phase.MAIL, 550, "5.1.1 unknown", SENDER_ERROR, False),
    (Phase.MAIL, 535, "5.7.8 authentication failed", SENDER_ERROR, False),
    (Phase.MAIL, 501, "MAIL FROM: this address cannot stand in an SMTP command", SENDER_ERROR, False),
    (Phase.RCPT, 500, "what", SENDER_ERROR, False),
    (Phase.RCPT, 501, "RCPT TO: this address cannot stand in an SMTP command", REFUSED, False),
    (Phase.RCPT, 502, "not implemented", SENDER_ERROR, False),
    (Phase.DATA, 503, "bad sequence", SENDER_ERROR, False),
    (Phase.RCPT, 504, "not for that parameter", SENDER_ERROR, False),
    (Phase.RCPT, 530, "login first", SENDER_ERROR, False),
    (Phase.RCPT, 534, "stronger login", SENDER_ERROR, False),
    (Phase.RCPT, 535, "wrong password", SENDER_ERROR, False),
    (Phase.RCPT, 538, "encryption required", SENDER_ERROR, False),
    (Phase.RCPT, 550, "no such user here", REFUSED, True),
    (Phase.RCPT, 550, "5.1.1 no such user", REFUSED, True),
    (Phase.RCPT, 550, "5.1.10 null MX", REFUSED, True),
    (Phase.RCPT, 550, "5.2.1 disabled", REFUSED, True),
    (Phase.RCPT, 550, "5.2.2 full", DEFERRED, False),
    (Phase.RCPT, 550, "5.3.0 undefined", REFUSED, False),
    (Phase.RCPT, 550, "5.3.4 too big for the system", SENDER_ERROR, False),
    (Phase.RCPT, 550, "5.5.0 mailbox unavailable", REFUSED, False),
    (Phase.RCPT, 550, "5.5.1 wrong command", SENDER_ERROR, False),
    (Phase.RCPT, 550, "5.5.3 too many recipients", DEFERRED, False),
    (Phase.RCPT, 550, "5.6.1 media not supported", SENDER_ERROR, False),
    (Phase.RCPT, 550, "5.7.1 blocked", SENDER_ERROR, False),
    (Phase.RCPT, 550, "5.1.7 the sender's syntax", SENDER_ERROR, False),
    (Phase.RCPT, 553, "5.1.8 the sender's domain does not exist", SENDER_ERROR, False),
    (Phase.RCPT, 551, "not here", REFUSED, True),
    (Phase.RCPT, 553, "not a mailbox", REFUSED, True),
    (Phase.RCPT, 554, "no", REFUSED, False),
    (Phase.RCPT, 552, "too many recipients", DEFERRED, False),  # RFC 5321 §4.5.3.1.10
    (Phase.DATA, 550, "no", REFUSED, False),
    (Phase.CONTENT, 550, "rejected", REFUSED, False),
    (Phase.CONTENT, 550, "5.0.0 spam", REFUSED, False),
    (Phase.CONTENT, 550, "5.1.1 no such user", REFUSED, True),
    (Phase.CONTENT, 550, "5.7.26 unauthenticated", SENDER_ERROR, False),
    (Phase.CONTENT, 552, "5.2.2 mailbox full", DEFERRED, False),
    (Phase.CONTENT, 552, "5.2.3 too long for this mailbox", REFUSED, False),
    (Phase.CONTENT, 552, "5.3.4 message exceeds header limits", SENDER_ERROR, False),
    (Phase.CONTENT, 554, "5.7.515 access denied", SENDER_ERROR, False),
]


@pytest.mark.parametrize(("phase", "code", "text", "outcome", "is_bad"), PERMANENT)
def test_a_permanent_refusal_is_about_the_message_the_address_or_the_sender(phase, code, text, outcome, is_bad):
    receipt = read(phase, code, text)
    assert (receipt.outcome, receipt.address_is_bad) == (outcome, is_bad)
    assert is_about_sender(Reply(1, phase, code, text, MORNING)) is (outcome is SENDER_ERROR)


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [
        ("5.1.1 no", "5.1.1"),
        (" 5.7.515\nno", "5.7.515"),
        ("5.1.1", "5.1.1"),
        ("5.1 no", ""),
        ("no 5.1.1", ""),
        ("3.1.1 no", ""),
        ("5.1.1111 no", ""),
    ],
)
def test_the_enhanced_code_is_at_the_start_of_the_text(text, enhanced):
    assert read(Phase.RCPT, 550, text).enhanced == enhanced


def test_a_connection_that_fails_says_where():
    receipt = read(Phase.RCPT, None, "5.1.1 seconds passed without a reply")
    assert (receipt.code, receipt.enhanced) == (None, "")
    assert receipt.text == "RCPT TO: 5.1.1 seconds passed without a reply"


def test_a_long_reply_of_many_lines_is_kept_as_one_short_line():
    receipt = read(Phase.RCPT, 550, "5.1.1 no\r\nsuch\tuser" + " x" * 900)
    assert receipt.text.startswith("5.1.1 no such user x")
    assert len(receipt.text) <= 500
    assert receipt.enhanced == "5.1.1"


def test_what_a_terminal_or_a_database_should_not_get_is_replaced():
    receipt = read(Phase.RCPT, 550, "5.1.1 no\x00such\x1b[2J user")
    assert receipt.text == "5.1.1 no\N{REPLACEMENT CHARACTER}such\N{REPLACEMENT CHARACTER}[2J user"


# --- the next state ---

ATTEMPTS = 2  # before this one
LATER = MORNING + timedelta(minutes=20)
SOON = MORNING + timedelta(minutes=1)
NEVER = None
QUEUED = State.QUEUED

# outcome · code · in doubt before · hold · about the sender → state · next attempt · counts
# fmt: off
NEXT_STATES: list[tuple[Outcome, int | None, bool, bool, bool, State, datetime | None, bool]] = [
    (ACCEPTED,      250,  False, False, False, State.ACCEPTED,  NEVER,   False),
    (ACCEPTED,      250,  False, True,  False, State.ACCEPTED,  NEVER,   False),
    (ACCEPTED,      250,  True,  False, False, State.ACCEPTED,  NEVER,   False),
    (ACCEPTED,      250,  True,  True,  False, State.ACCEPTED,  NEVER,   False),
    (REFUSED,       550,  False, False, False, State.REFUSED,   NEVER,   False),
    (REFUSED,       550,  False, False, True,  State.REFUSED,   NEVER,   False),
    (REFUSED,       550,  False, True,  False, State.REFUSED,   NEVER,   False),
    (REFUSED,       550,  False, True,  True,  State.REFUSED,   NEVER,   False),
    (REFUSED,       550,  True,  False, False, State.REFUSED,   NEVER,   False),
    (REFUSED,       550,  True,  False, True,  State.REFUSED,   NEVER,   False),
    (REFUSED,       550,  True,  True,  False, State.REFUSED,   NEVER,   False),
    (REFUSED,       550,  True,  True,  True,  State.REFUSED,   NEVER,   False),
    (DEFERRED,      451,  False, False, False, QUEUED,          LATER,   True),
    (DEFERRED,      451,  False, False, True,  QUEUED,          LATER,   True),
    (DEFERRED,      451,  False, True,  False, QUEUED,          LATER,   True),
    (DEFERRED,      451,  False, True,  True,  QUEUED,          LATER,   True),
    (DEFERRED,      451,  True,  False, False, State.UNCERTAIN, LATER,   True),
    (DEFERRED,      451,  True,  False, True,  State.UNCERTAIN, LATER,   True),
    (DEFERRED,      451,  True,  True,  False, State.UNCERTAIN, LATER,   True),
    (DEFERRED,      451,  True,  True,  True,  State.UNCERTAIN, LATER,   True),
    (UNCERTAIN,     None, False, False, False, State.UNCERTAIN, LATER,   True),
    (UNCERTAIN,     None, False, False, True,  State.UNCERTAIN, LATER,   True),
    (UNCERTAIN,     None, False, True,  False, State.UNCERTAIN, NEVER,   True),
    (UNCERTAIN,     None, False, True,  True,  State.UNCERTAIN, NEVER,   True),
    (UNCERTAIN,     None, True,  False, False, State.UNCERTAIN, LATER,   True),
    (UNCERTAIN,     None, True,  False, True,  State.UNCERTAIN, LATER,   True),
    (UNCERTAIN,     None, True,  True,  False, State.UNCERTAIN, NEVER,   True),
    (UNCERTAIN,     None, True,  True,  True,  State.UNCERTAIN, NEVER,   True),
    (NOT_ATTEMPTED, None, False, False, False, QUEUED,          MORNING, False),
    (NOT_ATTEMPTED, None, False, False, True,  QUEUED,          MORNING, False),
    (NOT_ATTEMPTED, None, False, True,  False, QUEUED,          MORNING, False),
    (NOT_ATTEMPTED, None, False, True,  True,  QUEUED,          MORNING, False),
    (NOT_ATTEMPTED, None, True,  False, False, State.UNCERTAIN, MORNING, False),
    (NOT_ATTEMPTED, None, True,  False, True,  State.UNCERTAIN, MORNING, False),
    (NOT_ATTEMPTED, None, True,  True,  False, State.UNCERTAIN, MORNING, False),
    (NOT_ATTEMPTED, None, True,  True,  True,  State.UNCERTAIN, MORNING, False),
    (SENDER_ERROR,  550,  False, False, False, QUEUED,          LATER,   True),
    (SENDER_ERROR,  550,  False, False, True,  QUEUED,          SOON,    False),
    (SENDER_ERROR,  550,  False, True,  False, QUEUED,          LATER,   True),
    (SENDER_ERROR,  550,  False, True,  True,  QUEUED,          SOON,    False),
    (SENDER_ERROR,  550,  True,  False, False, State.UNCERTAIN, LATER,   True),
    (SENDER_ERROR,  550,  True,  False, True,  State.UNCERTAIN, SOON,    False),
    (SENDER_ERROR,  550,  True,  True,  False, State.UNCERTAIN, LATER,   True),
    (SENDER_ERROR,  550,  True,  True,  True,  State.UNCERTAIN, SOON,    False),
    (SENDER_ERROR,  None, False, False, False, QUEUED,          SOON,    False),
    (SENDER_ERROR,  None, False, False, True,  QUEUED,          SOON,    False),
    (SENDER_ERROR,  None, False, True,  False, QUEUED,          SOON,    False),
    (SENDER_ERROR,  None, False, True,  True,  QUEUED,          SOON,    False),
    (SENDER_ERROR,  None, True,  False, False, State.UNCERTAIN, SOON,    False),
    (SENDER_ERROR,  None, True,  False, True,  State.UNCERTAIN, SOON,    False),
    (SENDER_ERROR,  None, True,  True,  False, State.UNCERTAIN, SOON,    False),
    (SENDER_ERROR,  None, True,  True,  True,  State.UNCERTAIN, SOON,    False),
]
# fmt: on


@pytest.mark.parametrize("row", NEXT_STATES, ids=lambda row: "-".join(map(str, row[:5])))
def test_the_next_state_of_a_delivery(row):
    outcome, code, in_doubt, hold, about_sender, state, until, counts = row
    receipt = Receipt(7, outcome, code, "4.3.0", "what the server said", MORNING)
    result = next_state(receipt, ATTEMPTS, in_doubt, hold, about_sender, jitter=0.5)
    assert (result.state, result.until, result.counts) == (state, until, counts)
    assert result.in_doubt is (state is State.UNCERTAIN)
    assert (result.delivery_id, result.at) == (7, MORNING)
    assert (result.code, result.enhanced, result.text) == (code, "4.3.0", "what the server said")


def test_every_combination_has_its_row():
    replied = {ACCEPTED: [250], REFUSED: [550], DEFERRED: [451], SENDER_ERROR: [550, None]}
    combinations = {
        (outcome, code, *flags)
        for outcome in Outcome
        for code in replied.get(outcome, [None])
        for flags in product([False, True], repeat=3)
        if not (outcome is ACCEPTED and flags[2])  # then something was accepted
    }
    assert combinations == {row[:5] for row in NEXT_STATES}
    assert len(combinations) == len(NEXT_STATES)


def test_the_wait_doubles_from_five_minutes_up_to_an_hour_and_six_minutes():
    minutes = [round(back_off(attempts, 0.5) / timedelta(minutes=1)) for attempts in range(1, 8)]
    assert minutes == [5, 10, 20, 40, 66, 66, 66]
    assert back_off(10_000, 0.5) == timedelta(minutes=66)


def test_messages_that_were_deferred_together_do_not_come_back_together():
    assert back_off(1, 0.0) < back_off(1, 0.5) < back_off(1, 0.999)
    receipt = Receipt(7, DEFERRED, 451, "", "", MORNING)
    waits = {next_state(replace(receipt), 0, False, False, False, jitter).until for jitter in (0.0, 0.5, 0.999)}
    assert len(waits) == 3


# --- recording ---

OK = (Phase.CONTENT, 250, "2.0.0 ok")
NO_USER = (Phase.RCPT, 550, "5.1.1 no such user")
NO = (Phase.RCPT, 554, "no")
BLOCKED = (Phase.RCPT, 550, "5.7.1 no")
NO_SENDER = (Phase.MAIL, 451, "4.7.1 too many messages")

# the replies of one window → state, reply code and counted attempts of each · whose address is suppressed
WINDOWS = {
    # Something was accepted, so a refusal of the sender counts against its message.
    "some accepted": ([OK, NO_USER, BLOCKED], [("accepted", 250, 0), ("refused", 550, 0), ("queued", 550, 1)], [1]),
    "some accepted, and no recipient named": ([OK, NO_SENDER], [("accepted", 250, 0), ("queued", 451, 0)], []),
    "all accepted": ([OK, OK], [("accepted", 250, 0), ("accepted", 250, 0)], []),
    "only the sender refused": ([BLOCKED, BLOCKED], [("queued", 550, 0), ("queued", 550, 0)], []),
    "none accepted": ([BLOCKED, NO], [("queued", 550, 0), ("refused", 554, 0)], []),
    "refused for another reason": (
        [OK, NO, NO_USER],
        [("accepted", 250, 0), ("refused", 554, 0), ("refused", 550, 0)],
        [2],
    ),
}


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_is_recorded_and_a_bad_address_suppressed(engine, window):
    replies, expected, bad = WINDOWS[window]
    add_papers(engine, range(3))
    for number in range(len(replies)):
        add_subscriber(engine, f"subscriber{number}@example.com")
    cut(engine)
    with transaction(engine) as connection:
        claims = {claim.id: claim for claim in sending.claim(connection, "me", 10, MORNING + timedelta(hours=1))}
        marked = [MessageRecord(number, f"{number}@example.org", "a" * 64, DAY) for number in claims]
        assert sending.mark_sending(connection, "me", marked) == set(claims)
    receipts = [receipt_of(Reply(number, *reply, MORNING)) for number, reply in zip(claims, replies, strict=True)]
    with transaction(engine) as connection:
        record(connection, "me", receipts, claims, hold=False)
    rows = [row_of(engine, number) for number in claims]
    assert [(row.state, row.reply_code, row.attempts) for row in rows] == expected
    with transaction(engine) as connection:
        suppressed = [is_suppressed(connection, claim.recipient) for claim in claims.values()]
    assert [number for number, is_bad in enumerate(suppressed) if is_bad] == bad


def test_a_receipt_says_nothing_about_the_address_unless_told():
    assert not Receipt(7, REFUSED, 554, "", "no", MORNING).address_is_bad
