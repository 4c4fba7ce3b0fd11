"""From the mail server's reply to the ledger: what a reply means, the next state of its delivery, and recording it.

A reply's meaning is in its enhanced code (RFC 3463) if the server gives one, else in the reply code (RFC 5321 §4.2).
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import Connection, select

from digest.database.tables import subscribers
from digest.ledger import sending
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import FailureKind, State
from digest.ledger.replay_log import note_unsent
from digest.ledger.sending import DeliveryResult
from digest.mail import failures
from digest.mail.failures import SMTP, Failure, record_refusals
from digest.smtp import Phase, Reply
from digest.text import domain_of

_FIRST_WAIT = timedelta(minutes=5)
_MAX_WAIT = timedelta(minutes=66)  # Postfix's maximal_backoff_time, 4000 s
_RECONNECT_WAIT = timedelta(minutes=1)

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
# RFC 5321 §4.5.3.1.10: 552 for too many recipients (5.5.3) is to be read as 452; 5.2.2 is a full mailbox.
_TRY_LATER = {"5.2.2", "5.5.3"}
# Login required or failed (RFC 4954 §6), and commands that we should not have sent.
_SENDER_CODES = {500, 502, 503, 504, 530, 534, 535, 538}
# The server has not been told the recipient yet, so whatever it says is about the connection or the sender.
_BEFORE_RECIPIENT = (Phase.SESSION, Phase.MAIL)


class Outcome(StrEnum):
    """The meaning of an attempt for its message."""

    ACCEPTED = "accepted"  # 2yz after the final dot
    DEFERRED = "deferred"  # 4yz and 552, from the recipient on: this message, later
    REFUSED = "refused"  # other 5yz: this message, never
    SENDER_ERROR = "sender error"  # not about the recipient: no connection, TLS, login, policy against the sender
    NOT_ATTEMPTED = "not attempted"  # no byte of this message was sent, and nothing was learned about it
    UNCERTAIN = "uncertain"  # the connection ended after the message was on the wire and before the reply


@dataclass(frozen=True, slots=True)
class Receipt:
    """A reply, and what it means for its delivery."""

    delivery_id: int
    outcome: Outcome
    code: int | None
    enhanced: str  # "5.1.1", "" if the server gave none
    text: str  # one line, up to 500 characters
    at: datetime
    address_is_bad: bool = False  # the refusal says that this address cannot receive email: suppress it
    before_recipient: bool = False

    @property
    def is_about_recipient(self) -> bool:
        """True if the server rejected us once it knew the recipient: it may be this recipient's domain alone."""
        is_refusal = self.outcome is Outcome.SENDER_ERROR and (self.code or 0) >= 500
        return is_refusal and not self.before_recipient


# --- the meaning of a reply ---


@lru_cache(maxsize=1_000)
def receipt_of(reply: Reply) -> Receipt:
    """Computed once, on the sender's thread; the journal, the breaker of its connections and the ledger share it."""
    match = _ENHANCED.match(reply.text) if reply.code else None
    enhanced = match.group(1) if match else ""
    outcome = _outcome(reply, enhanced)
    text = reply.text if reply.code or reply.phase is Phase.WAITING else f"{reply.phase}: {reply.text}"
    is_bad = outcome is Outcome.REFUSED and _is_about_address(reply, enhanced)
    before_recipient = reply.phase in _BEFORE_RECIPIENT
    return Receipt(reply.id, outcome, reply.code, enhanced, _one_line(text), reply.at, is_bad, before_recipient)


def is_about_sender(reply: Reply) -> bool:
    """True if the server rejects the sender rather than this message."""
    return receipt_of(reply).outcome is Outcome.SENDER_ERROR


def _outcome(reply: Reply, enhanced: str) -> Outcome:
    code = reply.code
    if reply.phase is Phase.WAITING:
        return Outcome.NOT_ATTEMPTED
    if reply.phase in _BEFORE_RECIPIENT:
        return Outcome.SENDER_ERROR
    if reply.is_acceptance:
        return Outcome.ACCEPTED
    if code is None or not 400 <= code < 600:
        return Outcome.UNCERTAIN if reply.phase is Phase.CONTENT else Outcome.SENDER_ERROR
    if code < 500 or enhanced in _TRY_LATER:
        return Outcome.DEFERRED
    if _rejects_sender(reply, enhanced):
        return Outcome.SENDER_ERROR
    # 5.2.3: the message is too long for this mailbox, now and later.
    return Outcome.DEFERRED if code == 552 and enhanced != "5.2.3" else Outcome.REFUSED


def _rejects_sender(reply: Reply, enhanced: str) -> bool:
    return reply.code in _SENDER_CODES or (enhanced.startswith("5.") and failures.is_about_sender(enhanced))


def _is_about_address(reply: Reply, enhanced: str) -> bool:
    if enhanced:
        return enhanced.startswith("5.1.") or enhanced == "5.2.1"
    return reply.phase is Phase.RCPT and reply.code in (550, 551, 553)


def _one_line(text: str) -> str:
    line = " ".join(text.split())[:500]
    if line.isprintable():
        return line
    # A database takes no NUL, and control characters could move a terminal's cursor.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


# --- the next state ---


def next_state(
    receipt: Receipt, attempts: int, in_doubt: bool, hold: bool, about_sender: bool, jitter: float
) -> DeliveryResult:
    """The state of a delivery after one attempt.

    `attempts`: before this one. `in_doubt`: an earlier one may have arrived. `hold`: a doubtful delivery waits for the
    operator. `about_sender`: nothing is accepted at present, or the server was not told the recipient, so that a
    refusal says nothing about this message.
    """
    match receipt.outcome:
        case Outcome.ACCEPTED | Outcome.REFUSED:
            return _result(receipt, State(receipt.outcome))
        case Outcome.UNCERTAIN if hold:
            return _result(receipt, State.UNCERTAIN, None, counts=True)
        case Outcome.NOT_ATTEMPTED:
            wait, counts = timedelta(), False
        case Outcome.SENDER_ERROR if about_sender or receipt.code is None:
            wait, counts = _RECONNECT_WAIT, False
        case _:
            wait, counts = back_off(attempts + 1, jitter), True
    # A copy that was certainly not accepted leaves the doubt about an earlier one.
    uncertain = in_doubt or receipt.outcome is Outcome.UNCERTAIN
    return _result(receipt, State.UNCERTAIN if uncertain else State.QUEUED, receipt.at + wait, counts)


def back_off(attempts: int, jitter: float) -> timedelta:
    """The wait after the `attempts`-th deferral: 5, 10, 20, … up to 66 minutes, ± 10 % by `jitter` in [0, 1).

    Without the jitter a thousand messages deferred together would come back together.
    """
    wait = min(_FIRST_WAIT * (1 << min(attempts - 1, 10)), _MAX_WAIT)
    return wait * (0.9 + 0.2 * jitter)


def _result(receipt: Receipt, state: State, until: datetime | None = None, counts: bool = False) -> DeliveryResult:
    return DeliveryResult(
        receipt.delivery_id,
        state,
        receipt.at,
        receipt.code,
        receipt.enhanced,
        receipt.text,
        until=until,
        counts=counts,
        in_doubt=state is State.UNCERTAIN,
    )


# --- recording ---


def record(
    connection: Connection, worker: str, receipts: Sequence[Receipt], claims: Mapping[int, Delivery], hold: bool
) -> None:
    """Store the receipts of one window, and the effects of its refusals on addresses.

    `claims`: the deliveries as they were claimed, by id; a row that `worker` no longer holds stays as it is.
    """
    none_accepted = not any(receipt.outcome is Outcome.ACCEPTED for receipt in receipts)
    results = []
    for receipt in receipts:
        claim = claims[receipt.delivery_id]
        jitter = random.random()  # noqa: S311 - not a secret
        about_sender = receipt.before_recipient or (none_accepted and not claim.is_requested)
        results.append(next_state(receipt, claim.attempts, claim.in_doubt, hold, about_sender, jitter))
    sending.record(connection, worker, results)
    note_unsent(connection, [claims[result.delivery_id] for result in results if result.state is State.QUEUED])
    refused = [(receipt, claims[receipt.delivery_id]) for receipt in receipts if receipt.outcome is Outcome.REFUSED]
    if refused:
        record_refusals(connection, _failures(connection, refused))


def _failures(connection: Connection, refused: Sequence[tuple[Receipt, Delivery]]) -> list[Failure]:
    of_issues = {claim.recipient for _, claim in refused if not claim.is_requested}
    emails = select(subscribers.c.key, subscribers.c.email).where(subscribers.c.key.in_(of_issues))
    domains = {key: domain_of(email) for key, email in connection.execute(emails)}
    return [
        Failure(
            claim.id,
            claim.recipient,
            claim.subscriber_id,
            FailureKind.HARD if receipt.address_is_bad else FailureKind.SOFT,
            receipt.enhanced,
            receipt.code,
            SMTP,
            receipt.at,
            domain="" if claim.is_requested else domains.get(claim.recipient, ""),
        )
        for receipt, claim in refused
    ]
