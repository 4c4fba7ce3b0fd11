"""The heart: claim → choose → write → mark → send → record, a window of mails at a time.

No transaction is open while a message is written or on the wire. Whatever kills a worker between two steps, the ledger
says what certainly did not happen and what may have (store/ledger.py, recover).
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

import structlog
from jinja2 import TemplateError
from sqlalchemy import Connection, Engine

from digest.issues.issue import Issue
from digest.issues.selection import SkipReason
from digest.mail import flow
from digest.mail.choose import Choice, choose, why_not
from digest.mail.compose import UnfitMessage
from digest.mail.letters import Desk, Written, write
from digest.mail.message import Envelope, Outcome, Receipt
from digest.mail.smtp import is_plain_address
from digest.store import deliveries, events
from digest.store.database import reading, transaction
from digest.store.deliveries import Composed, Delivery
from digest.store.issues import issue_by_id
from digest.store.recipients import standing
from digest.store.suppressions import SuppressionReason, suppress

log = structlog.get_logger()

_ADDRESS = re.compile(r"[^\s<>:,;]+@[^\s<>:,;]+")


class Sends(Protocol):
    """What delivery needs of the mail server; mail/smtp.py is the real one."""

    def send(self, window: Sequence[Envelope], now: Callable[[], datetime]) -> list[Receipt]:
        """Send each message once; one receipt for each envelope."""
        ...


@dataclass(slots=True)
class Tally:
    """How many mails one call handled, and what became of them."""

    handled: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str) -> None:
        """One more of `outcome`."""
        self.handled += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Postman:
    """One worker process at work. `name` stands in the ledger for what it has claimed."""

    def __init__(self, engine: Engine, sender: Sends, desk: Desk, name: str, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._sender = sender
        self._desk = desk
        self._name = name
        self._now = now
        # The list of an issue never changes; its status does, and is read from the database each time.
        self._issue = lru_cache(maxsize=4)(self._read_issue)

    def deliver_due(self, at_most: int, window: int = 50) -> Tally:
        """Work through what is due, window by window, until nothing is or `at_most` mails were handled."""
        tally = Tally()
        while tally.handled < at_most:
            with transaction(self._engine) as connection:
                claims = deliveries.claim(connection, self._name, min(window, at_most - tally.handled), self._now())
            if not claims:
                break
            self._deliver(claims, tally)
        if tally.handled:
            log.info("mails handled", count=tally.handled, outcomes=tally.outcomes)
        return tally

    def _deliver(self, claims: Sequence[Delivery], tally: Tally) -> None:
        written = self._write(self._choose(claims, tally), tally)
        envelopes = self._mark({claim.id: claim for claim in claims}, written, tally)
        if envelopes:
            receipts = self._sender.send(envelopes, self._now)
            self._record(receipts, {claim.id: claim for claim in claims}, tally)

    def _choose(self, claims: Sequence[Delivery], tally: Tally) -> Choice:
        issues = {claim.issue_id: self._issue(claim.issue_id) for claim in claims if claim.issue_id is not None}
        with transaction(self._engine) as connection:
            choice = choose(connection, self._name, claims, issues.__getitem__)
            for delivery_id, reason in choice.skipped.items():
                self._skip(connection, delivery_id, reason, tally)
            self._put_back(connection, choice.waiting, tally)
        return choice

    def _write(self, choice: Choice, tally: Tally) -> list[Written]:
        """The exact bytes of each mail; one that cannot be made is set apart and stops no other."""
        written: list[Written] = []
        for part in choice.parts:
            try:
                one = write(part, self._desk)
                _check(one, part.delivery)
            except (TemplateError, UnfitMessage, ValueError) as problem:
                self._quarantine(part.delivery, str(problem), tally)
            else:
                written.append(one)
        return written

    def _mark(self, claims: dict[int, Delivery], written: Sequence[Written], tally: Tally) -> list[Envelope]:
        """The last check; what has changed since the claim is skipped or put back."""
        composed = [Composed(one.envelope.delivery_id, one.message_id, one.sha256) for one in written]
        with transaction(self._engine) as connection:
            may_go = deliveries.mark_sending(connection, self._name, composed)
            held = [claims[one.delivery_id] for one in composed if one.delivery_id not in may_go]
            for delivery_id, found in standing(connection, held).items():
                reason = why_not(claims[delivery_id], found)
                if reason is None:
                    self._put_back(connection, [delivery_id], tally)
                else:
                    self._skip(connection, delivery_id, reason, tally)
        return [one.envelope for one in written if one.envelope.delivery_id in may_go]

    def _record(self, receipts: Sequence[Receipt], claims: dict[int, Delivery], tally: Tally) -> None:
        with transaction(self._engine) as connection:
            for receipt in receipts:
                self._record_one(connection, receipt, claims[receipt.delivery_id])
                tally.count(receipt.outcome)
            self._report_trouble(connection, receipts)

    def _record_one(self, connection: Connection, receipt: Receipt, claim: Delivery) -> None:
        later = receipt.at + flow.back_off(claim.attempts + 1, random.random())  # noqa: S311 - jitter
        match receipt.outcome:
            case Outcome.ACCEPTED:
                deliveries.accept(connection, self._name, receipt)
            case Outcome.REFUSED:
                deliveries.refuse(connection, self._name, receipt)
                if receipt.address_is_bad:
                    said = f"{receipt.code} {receipt.text}"
                    suppress(connection, claim.recipient, SuppressionReason.REFUSED, said, receipt.at)
            case _ if claim.sha256 and receipt.outcome in (Outcome.DEFERRED, Outcome.OURS):
                # This copy was not accepted; what became of the first one is as unknown as before.
                deliveries.doubt(connection, self._name, receipt, later)
            case Outcome.DEFERRED:
                deliveries.defer(connection, self._name, receipt, later, counts=True)
            case Outcome.OURS:
                deliveries.defer(connection, self._name, receipt, receipt.at + flow.RECONNECT, counts=False)
            case Outcome.UNKNOWN:
                deliveries.doubt(connection, self._name, receipt, later)

    def _report_trouble(self, connection: Connection, receipts: Sequence[Receipt]) -> None:
        """Once a window, not once a mail: the mail server does not take mail from us at all."""
        ours = [receipt for receipt in receipts if receipt.outcome is Outcome.OURS]
        if ours:
            # Servers like to repeat the address, which belongs neither into a log nor into the events.
            reply = _ADDRESS.sub("…", f"{ours[0].code or ''} {ours[0].text}".strip())
            said = {"reply": reply, "mails": len(ours)}
            events.record(connection, self._now(), "mail server", "cannot send", said)
            log.error("the mail server does not take our mail; nothing is lost, it is tried again in a minute", **said)

    def _quarantine(self, delivery: Delivery, problem: str, tally: Tally) -> None:
        log.error("a mail cannot be made and is set apart", delivery=delivery.id, problem=problem)
        with transaction(self._engine) as connection:
            deliveries.quarantine(connection, delivery.id, problem, self._now())
            events.record(connection, self._now(), f"delivery:{delivery.id}", "quarantined", {"problem": problem})
        tally.count("quarantined")

    def _skip(self, connection: Connection, delivery_id: int, reason: SkipReason, tally: Tally) -> None:
        deliveries.skip(connection, delivery_id, reason, self._now())
        tally.count(f"skipped: {reason}")

    def _put_back(self, connection: Connection, delivery_ids: Sequence[int], tally: Tally) -> None:
        deliveries.release(connection, delivery_ids, self._now() + timedelta(seconds=30))
        for _ in delivery_ids:
            tally.count("put back")

    def _read_issue(self, issue_id: int) -> Issue:
        with reading(self._engine) as connection:
            return issue_by_id(connection, issue_id)


def _check(written: Written, delivery: Delivery) -> None:
    """Raises ValueError for what must not go on the wire."""
    if not is_plain_address(written.envelope.forward_path):
        raise ValueError("the address cannot stand in an SMTP command")
    if delivery.sha256 and delivery.sha256 != written.sha256:
        # The first copy may have arrived; another that differs would be a second mail and not a copy.
        raise ValueError("an earlier attempt may have arrived, and the message would differ now")
