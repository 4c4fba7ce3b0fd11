"""An SMTP reply → what it means for this mail: accepted, deferred, refused, or ours to fix. Pure.

The meaning is in the enhanced code (RFC 3463) where the server gives one, else in the reply code (RFC 5321 §4.2).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from digest.smtp.envelope import Outcome, Receipt

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
# Of 5.1.x (addressing, RFC 3463 §3.2) these are about the sender's address, not the recipient's.
_SENDERS_ADDRESS = {"5.1.7", "5.1.8"}
# RFC 5321 §4.5.3.1.10: 552 for too many recipients (5.5.3) is to be read as 452; 5.2.2 is a full mailbox.
_TRY_LATER = {"5.2.2", "5.5.3"}
# Security and policy (5.7.x), protocol (5.5.x), content (5.6.x), too big for the system (5.3.4): about the sender.
_OURS = ("5.7.", "5.5.", "5.6.", "5.3.")
# "Other or undefined": some servers say it of an unknown user.
_SAYS_NOTHING = {"5.3.0", "5.5.0"}
# Login wanted or failed (RFC 4954 §6), and commands that we should not have said.
_OUR_CODES = {500, 502, 503, 504, 530, 534, 535, 538}


class Phase(StrEnum):
    """How far the conversation had come when the reply, or the end of the connection, arrived."""

    SESSION = "connecting"  # connect, EHLO, TLS, AUTH
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"  # before 354
    CONTENT = "message content"  # the message was on the wire


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of the mail server."""

    phase: Phase
    code: int
    text: str


def receipt(delivery_id: int, reply: Reply, at: datetime) -> Receipt:
    """What `reply` says of the delivery."""
    enhanced = _enhanced(reply)
    outcome = _outcome(reply, enhanced)
    bad = outcome is Outcome.REFUSED and _about_address(reply, enhanced)
    return Receipt(delivery_id, outcome, reply.code, enhanced, _one_line(reply.text), at, address_is_bad=bad)


def broken(delivery_id: int, phase: Phase, problem: str, at: datetime) -> Receipt:
    """The connection failed without a reply: in doubt only if the whole message may have arrived."""
    outcome = Outcome.UNCERTAIN if phase is Phase.CONTENT else Outcome.SENDER_ERROR
    return Receipt(delivery_id, outcome, None, "", _one_line(f"{phase}: {problem}"), at)


def _outcome(reply: Reply, enhanced: str) -> Outcome:
    if reply.phase is Phase.SESSION:
        return Outcome.SENDER_ERROR
    if 200 <= reply.code < 300:
        # Only the answer to the final dot takes responsibility for the message (RFC 5321 §4.1.1.4).
        return Outcome.ACCEPTED if reply.phase is Phase.CONTENT else Outcome.SENDER_ERROR
    if 400 <= reply.code < 500:
        return Outcome.DEFERRED
    if not 500 <= reply.code < 600:
        return Outcome.UNCERTAIN if reply.phase is Phase.CONTENT else Outcome.SENDER_ERROR
    if enhanced in _TRY_LATER:
        return Outcome.DEFERRED
    if _is_about_us(reply, enhanced):
        return Outcome.SENDER_ERROR
    # 5.2.3: the message is too long for this mailbox, today as tomorrow.
    return Outcome.DEFERRED if reply.code == 552 and enhanced != "5.2.3" else Outcome.REFUSED


def _is_about_us(reply: Reply, enhanced: str) -> bool:
    if reply.phase is Phase.MAIL and reply.code != 552:
        return True  # it has not heard the recipient yet
    if reply.code in _OUR_CODES or enhanced in _SENDERS_ADDRESS:
        return True
    return enhanced.startswith(_OURS) and enhanced not in _SAYS_NOTHING


def _about_address(reply: Reply, enhanced: str) -> bool:
    if enhanced:
        return enhanced.startswith("5.1.") or enhanced == "5.2.1"
    return reply.phase is Phase.RCPT and reply.code in (550, 551, 553)


def _enhanced(reply: Reply) -> str:
    match = _ENHANCED.match(reply.text)
    return match.group(1) if match else ""


def _one_line(text: str) -> str:
    line = " ".join(text.split())[:500]
    if line.isprintable():
        return line
    # A database takes no NUL, and a terminal should not get what moves its cursor.
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
