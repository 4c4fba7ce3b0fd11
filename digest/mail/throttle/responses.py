"""What the answers to a window of mails say of us and of destinations, and what follows from it. Pure.

The circuit breaker is the pause of EVERYTHING. Failures are answers that are about us: an acceptance forgets them, five
in a row stop all sending for a while, after which one mail is tried. None of it says anything of a reader.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from digest.mail.delivery.outcome import Outcome, Receipt
from digest.mail.throttle.limits import BREAKS_AT, NOT_PAUSED, Pause, without_addresses

# The mail server says no (5.7.x, 535, …): doubling with each mail that was tried in vain.
_REFUSED_FOR, _REFUSED_AT_MOST = timedelta(minutes=5), timedelta(hours=1)
# It cannot be reached, fails at TLS, or says "not now": it may be restarting.
_UNREACHED_FOR = timedelta(minutes=1)
# Gmail asks for ten minutes without a mail (support.google.com/a/answer/14229414); doubling while it repeats that.
_DOMAIN_FOR, _DOMAIN_AT_MOST = timedelta(minutes=10), timedelta(hours=2)

_ENOUGH = re.compile(r"\brate\b|\blimit|too (many|much|fast)|unusual|throttl|slow down", re.IGNORECASE)
_GREYLISTED = re.compile(r"gr[ae]y.?list", re.IGNORECASE)


@dataclass(slots=True)
class ResponseSummary:
    """What one window's answers say."""

    accepted: int = 0
    not_taken: int = 0  # certainly not accepted
    heard: int = 0  # answered at all, or tried to
    failures: int = 0  # about us, in a row since the last acceptance
    refused: bool = False  # the server said no, rather than that it could not be reached
    reply: str = ""  # the last failure, without addresses
    took: set[str] = field(default_factory=set)  # domains with an acceptance
    slow_down: dict[str, str] = field(default_factory=dict)  # domains that want less → the reply, without addresses


def lesson(answers: Sequence[tuple[str, Receipt]]) -> ResponseSummary:
    """Read the answers (destination domain, receipt) in the order in which they came.

    However many mails share a connection that failed, it counts once.
    """
    said = ResponseSummary()
    refusals = 0
    for domain, receipt in sorted(answers, key=lambda answer: answer[1].at):
        said.heard += receipt.outcome is not Outcome.NOT_ATTEMPTED
        if receipt.outcome is Outcome.ACCEPTED:
            said.accepted += 1
            said.took.add(domain)
            said.failures = refusals = 0
            continue
        said.not_taken += receipt.outcome is not Outcome.UNCERTAIN
        if receipt.outcome is Outcome.SENDER_ERROR:
            refusals += (receipt.code or 0) >= 500
            said.failures = max(refusals, 1)
            said.reply = _reply(receipt)
        elif is_rate_limit(receipt):
            said.slow_down[domain] = _reply(receipt)
    said.refused = refusals > 0
    return said


def is_rate_limit(receipt: Receipt) -> bool:
    """Whether a destination asks for fewer mails a time (4.7.28, and the like), and not only for this mail later."""
    if receipt.outcome is not Outcome.DEFERRED or not receipt.enhanced.startswith("4.7."):
        return False
    if receipt.enhanced == "4.7.28":
        return True
    if _GREYLISTED.search(receipt.text):  # RFC 6647: about one pair of addresses
        return False
    return receipt.code == 421 or _ENOUGH.search(receipt.text) is not None


def breaker_after(known: Pause, said: ResponseSummary, now: datetime, trying: bool) -> Pause:
    """What is known of our standing after failures. `trying`: they answer the one mail that was tried after a pause."""
    if known.holds(now) and not trying:
        return known  # mails that were on their way when it opened
    before = 0 if said.accepted else known.failures
    failures = before + said.failures
    if before < BREAKS_AT:  # several workers may have found out at once
        failures = min(failures, BREAKS_AT)
    elif not said.refused:
        failures = before
    until = now + _stop_for(failures, said.refused) if failures >= BREAKS_AT else NOT_PAUSED
    return replace(known, since=now, until=until, reason=said.reply, failures=failures)


def domain_after(known: Pause, reply: str, now: datetime) -> Pause:
    """What is known of a domain that wants less. Answers that come during its pause do not make it longer."""
    if known.holds(now):
        return known
    until = now + min(_DOMAIN_FOR * 2 ** min(known.failures, 10), _DOMAIN_AT_MOST)
    return replace(known, since=now, until=until, reason=reply, failures=known.failures + 1)


def _stop_for(failures: int, refused: bool) -> timedelta:
    if not refused:
        return _UNREACHED_FOR
    wait: timedelta = min(_REFUSED_FOR * 2 ** min(failures - BREAKS_AT, 10), _REFUSED_AT_MOST)
    return wait


def _reply(receipt: Receipt) -> str:
    return without_addresses(f"{receipt.code or ''} {receipt.text}".strip())
