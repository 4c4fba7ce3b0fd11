"""Summarises the replies to a window of messages, by what they say about us and about destinations. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from digest.mail.delivery.outcome import Outcome, Receipt

_RATE_LIMIT = re.compile(r"\brate\b|\blimit|too (many|much|fast)|unusual|throttl|slow down", re.IGNORECASE)
_GREYLISTING = re.compile(r"gr[ae]y.?list", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>:,;]+@[^\s<>:,;]+")


@dataclass(slots=True)
class ResponseSummary:
    """Of one window."""

    accepted: int = 0
    not_accepted: int = 0  # certainly
    attempted: int = 0
    failures: int = 0  # about us, in a row since the last acceptance
    refused: bool = False  # the server rejected us, rather than being unreachable
    reply: str = ""  # the last failure, without addresses
    accepting: set[str] = field(default_factory=set)  # domains with an acceptance
    slow_down: dict[str, str] = field(default_factory=dict)  # domains that want less → the reply, without addresses


def summarize(responses: Sequence[tuple[str, Receipt]]) -> ResponseSummary:
    """Read the receipts, each with its destination domain, in the order in which they came.

    However many messages were to share a connection that failed, it counts once.
    """
    summary = ResponseSummary()
    refusals = 0
    for domain, receipt in sorted(responses, key=lambda response: response[1].at):
        summary.attempted += receipt.outcome is not Outcome.NOT_ATTEMPTED
        if receipt.outcome is Outcome.ACCEPTED:
            summary.accepted += 1
            summary.accepting.add(domain)
            summary.failures = refusals = 0
            continue
        summary.not_accepted += receipt.outcome is not Outcome.UNCERTAIN
        reply = without_addresses(f"{receipt.code or ''} {receipt.text}".strip())
        if receipt.outcome is Outcome.SENDER_ERROR:
            refusals += (receipt.code or 0) >= 500
            summary.failures = max(refusals, 1)
            summary.reply = reply
        elif is_rate_limit(receipt):
            summary.slow_down[domain] = reply
    summary.refused = refusals > 0
    return summary


def is_rate_limit(receipt: Receipt) -> bool:
    """True if a destination wants fewer messages (4.7.28 and the like), rather than this one later."""
    is_greylisting = _GREYLISTING.search(receipt.text) is not None  # RFC 6647: about one pair of addresses
    wants_less = receipt.code == 421 or _RATE_LIMIT.search(receipt.text) is not None
    is_policy = receipt.outcome is Outcome.DEFERRED and receipt.enhanced.startswith("4.7.")
    return is_policy and (receipt.enhanced == "4.7.28" or (wants_less and not is_greylisting))


def without_addresses(reply: str) -> str:
    """Servers like to repeat the address, which belongs neither in the log nor in the events."""
    return _ADDRESS.sub("…", reply)
