"""Summarises the replies to a window of messages, by what they say about us and about destinations. Pure."""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from digest.mail.delivery.outcome import Outcome, Receipt

_RATE_LIMIT = re.compile(r"\brate\b|\blimit|too (many|much|fast)|unusual|throttl|slow down", re.IGNORECASE)
_GREYLISTING = re.compile(r"gr[ae]y.?list", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>:,;]+@[^\s<>:,;]+")


@dataclass(slots=True)
class ResponseSummary:
    """Of one window."""

    accepted: int = 0
    not_accepted: int = 0  # certainly, of issues
    no_recipient: int = 0  # requested messages whose recipient was not sent to the server
    attempted: int = 0
    failures: int = 0  # certainly about us, in a row since the last acceptance
    refusing: list[str] = field(default_factory=list)  # the domain of each refusal since then that may be about us
    refused: bool = False  # the server rejected us, rather than being unreachable
    reply: str = ""  # the last failure, without addresses
    accepting: set[str] = field(default_factory=set)  # domains with an acceptance
    slow_down: dict[str, str] = field(default_factory=dict)  # domains that want less → the reply, without addresses


def summarize(responses: Sequence[tuple[str, Receipt]], requested: Container[int] = ()) -> ResponseSummary:
    """Read the receipts, each with its destination domain, in the order in which they came.

    However many messages were to share a connection that failed, it counts once. `requested`: the deliveries that
    someone asked for.
    """
    summary = ResponseSummary()
    refusals = 0
    for domain, receipt in sorted(responses, key=lambda response: response[1].at):
        summary.attempted += receipt.outcome is not Outcome.NOT_ATTEMPTED
        if receipt.outcome is Outcome.ACCEPTED:
            summary.accepted += 1
            summary.accepting.add(domain)
            summary.failures = refusals = 0
            summary.refusing.clear()
            continue
        if receipt.delivery_id in requested:
            summary.no_recipient += _is_without_recipient(receipt)
        else:
            summary.not_accepted += receipt.outcome is not Outcome.UNCERTAIN
        if not is_evidence(receipt, requested):
            continue
        reply = without_addresses(f"{receipt.code or ''} {receipt.text}".strip())
        if receipt.outcome is Outcome.SENDER_ERROR:
            summary.reply = reply
            if receipt.is_about_recipient:
                summary.refusing.append(domain)
                continue
            refusals += (receipt.code or 0) >= 500
            summary.failures = max(refusals, 1)
        elif is_rate_limit(receipt):
            summary.slow_down[domain] = reply
    summary.refused = refusals > 0
    return summary


def is_evidence(receipt: Receipt, requested: Container[int]) -> bool:
    """False for what a server says about a recipient whom a stranger may have named: it is not about us, nor about a
    domain with subscribers. An acceptance always tells something.
    """
    is_by_stranger = receipt.delivery_id in requested
    return not is_by_stranger or receipt.outcome is Outcome.ACCEPTED or _is_without_recipient(receipt)


def _is_without_recipient(receipt: Receipt) -> bool:
    return receipt.before_recipient or receipt.outcome is Outcome.NOT_ATTEMPTED


def is_rate_limit(receipt: Receipt) -> bool:
    """True if a destination wants fewer messages (4.7.28 and the like), rather than this one later."""
    is_greylisting = _GREYLISTING.search(receipt.text) is not None  # RFC 6647: about one pair of addresses
    wants_less = receipt.code == 421 or _RATE_LIMIT.search(receipt.text) is not None
    is_policy = receipt.outcome is Outcome.DEFERRED and receipt.enhanced.startswith("4.7.")
    return is_policy and (receipt.enhanced == "4.7.28" or (wants_less and not is_greylisting))


def without_addresses(reply: str) -> str:
    """Servers like to repeat the address, which belongs neither in the log nor in the events."""
    return _ADDRESS.sub("…", reply)
