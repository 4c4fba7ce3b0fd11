"""The heart: claim → choose → write → mark → send → record, a window of mails at a time.

No transaction is open while a message is written or on the wire. While one window is on the wire the next is written;
what came of the first is recorded in the transaction that marks the next but one. Whatever kills a worker between two
steps, the ledger and its journal say what certainly did not happen and what may have (mail/delivery/recovery.py).
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, retry_transaction, transaction
from digest.issues.selection import selection_as_json
from digest.ledger import deliveries, events, sending
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import IssueStatus, SkipReason
from digest.ledger.sending import MessageRecord
from digest.ledger.worker_lock import WorkerLock
from digest.mail.compose.composer import OutgoingMessage
from digest.mail.compose.writing import Composed, Writer
from digest.mail.delivery.choose import ClaimOutcome, Draft, choose, skip_reason
from digest.mail.delivery.journal import ALL, Journal
from digest.mail.delivery.recipients import recipient_statuses
from digest.mail.delivery.record import record
from digest.mail.delivery.recovery import recover
from digest.mail.delivery.window_size import WindowSize
from digest.mail.throttle.limits import MAX_WAIT, domain_of
from digest.smtp.envelope import Envelope, Receipt

log = structlog.get_logger()

CLAIM = 500
_WINDOWS_A_CLAIM = 10
_IN_FLIGHT = 2  # windows
_PUT_BACK = timedelta(seconds=30)
_AT_ONCE = timedelta()  # what is paused is not due, however early its next attempt


class SenderPort(Protocol):
    """What delivery needs of the mail server; smtp/client.py is the real one."""

    def submit(self, window: Sequence[Envelope], now: Callable[[], datetime]) -> Future[list[Receipt]]:
        """Send each message once; one receipt for each envelope, sooner or later."""
        ...

    def close(self) -> None:
        """Take leave of the mail server."""
        ...


class ThrottlePort(Protocol):
    """What delivery needs of flow control; mail/throttle/throttle.py is the real one."""

    def halted(self, now: datetime) -> str:
        """Why nothing may be sent now, "" if it may."""
        ...

    def at_once(self, at_most: int) -> int:
        """How many mails to claim at a time, so that none waits long in a worker's hands."""
        ...

    def admit(self, domains: Sequence[str], now: datetime) -> Sequence[timedelta]:
        """How long each mail must wait; zero = go."""
        ...

    def learn(self, answers: Sequence[tuple[str, Receipt]], now: datetime) -> None:
        """What the mail server said to mails for these domains."""
        ...


@dataclass(slots=True)
class RunStats:
    """How many mails one call handled, and what became of them."""

    handled: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    more: bool = False  # the call ended by its limits; there may be more to do

    def count(self, outcome: str, mails: int = 1) -> None:
        """`mails` more of `outcome`."""
        self.handled += mails
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + mails


class WindowInFlight:
    """Mails that are on the wire together, by their number."""

    def __init__(self, mails: dict[int, Draft], receipts: Future[list[Receipt]]) -> None:
        self.mails = mails
        self.receipts = receipts
        self._began = time.monotonic()
        self._back: float | None = None
        receipts.add_done_callback(self._note_time)

    def seconds(self) -> float:
        """How long it took."""
        return (self._back or time.monotonic()) - self._began

    def _note_time(self, _receipts: Future[list[Receipt]]) -> None:
        self._back = time.monotonic()


class DeliveryWorker:
    """One worker process at work. `name` stands in the ledger for what it has claimed."""

    def __init__(
        self,
        engine: Engine,
        sender: SenderPort,
        writer: Writer,
        paces: ThrottlePort,
        journal: Journal,
        name: str,
        hold: bool,
        now: Callable[[], datetime],
    ) -> None:
        """`hold`: what may have arrived waits for the operator instead of being sent once more."""
        self._engine = engine
        self._sender = sender
        self._writer = writer
        self._paces = paces
        self._journal = journal
        self._name = name
        self._hold = hold
        self._now = now
        self._token = WorkerLock(engine, name)
        self._pace = WindowSize()
        self._in_flight: deque[WindowInFlight] = deque()

    def deliver_due(self, at_most: int, seconds: float = 20.0) -> RunStats:
        """Work through what is due, until nothing is, or `at_most` mails were handled, or so many seconds are over."""
        tally = RunStats()
        until = time.monotonic() + seconds
        self._token.hold()
        self._tidy_up(tally)
        recover(self._engine, self._journal.folder, self._hold, self._now())
        try:
            while self._work(at_most - tally.handled, tally):
                tally.more = tally.handled >= at_most or time.monotonic() > until
                if tally.more:
                    break
        finally:
            self._tidy_up(tally)
        if tally.handled:
            log.info("mails handled", count=tally.handled, outcomes=tally.outcomes)
        return tally

    def _tidy_up(self, tally: RunStats) -> None:
        """Record what is on the wire, and give back what is not: also after a call that failed."""
        self._journal.making(0)
        while self._in_flight:
            self._record_and_mark([], tally)
        retry_transaction(self._engine, lambda connection: deliveries.give_back(connection, self._name, self._now()))
        self._journal.clear()

    def close(self) -> None:
        """The process ends in good order: nothing is in hand."""
        self._sender.close()
        self._token.release()
        self._journal.close()

    def _work(self, at_most: int, tally: RunStats) -> bool:
        """One claim; False when there is nothing to do, or nothing may be sent."""
        if self._halted():
            return False
        limit = self._paces.at_once(min(CLAIM, at_most, self._pace.size * _WINDOWS_A_CLAIM))
        with transaction(self._engine) as connection:
            claims = sending.claim(connection, self._name, limit, self._now())
        waiting = deque(self._choose(claims, tally).parts) if claims else deque[Draft]()
        while waiting:
            if self._halted():
                self._put_back([part.delivery.id for part in waiting], _AT_ONCE, tally)
                break
            self._send(self._admitted(waiting, tally), tally)
        return bool(claims)

    def _halted(self) -> bool:
        return bool(self._paces.halted(self._now()))

    def _choose(self, claims: Sequence[Delivery], tally: RunStats) -> ClaimOutcome:
        self._journal.making(ALL)
        with read_only(self._engine) as connection:
            choice = choose(connection, self._name, claims, self._writer.shelf, self._journal.making)
        self._journal.making(0)
        if choice.skipped:
            with transaction(self._engine) as connection:
                for delivery_id, reason in choice.skipped.items():
                    self._skip(connection, delivery_id, reason, tally)
        self._put_back(choice.paused, _AT_ONCE, tally)
        self._put_back(choice.waiting, _PUT_BACK, tally)
        return choice

    def _admitted(self, waiting: deque[Draft], tally: RunStats) -> list[Draft]:
        """Those of the next window that may go now. The others wait their turn here, or a long time in the ledger."""
        parts = [waiting.popleft() for _ in range(min(self._pace.size, len(waiting)))]
        waits = self._paces.admit([domain_of(part.reader.email) for part in parts], self._now())
        both = list(zip(parts, waits, strict=True))
        for part, wait in both:
            if wait > MAX_WAIT:
                self._put_back([part.delivery.id], wait, tally)
        soon = [(part, wait) for part, wait in both if timedelta() < wait <= MAX_WAIT]
        waiting.extendleft(part for part, _wait in reversed(soon))
        going = [part for part, wait in both if not wait]
        if soon and not going:
            time.sleep(min(wait for _part, wait in soon).total_seconds())
        return going

    def _send(self, parts: Sequence[Draft], tally: RunStats) -> None:
        """Write a window while others are on the wire; mark it when the oldest of them is back; let it go."""
        if not parts:
            return
        work = self._writer.write(parts)
        self._set_apart(work, tally)
        may_go = self._record_and_mark([_composed(part, written) for part, written in work.made], tally)
        going = [(part, written) for part, written in work.made if part.delivery.id in may_go]
        self._hold_back([part.delivery for part, _written in work.made if part.delivery.id not in may_go], tally)
        if going:
            receipts = self._sender.submit([written.envelope for _part, written in going], self._now)
            self._in_flight.append(WindowInFlight({part.delivery.id: part for part, _written in going}, receipts))

    def _record_and_mark(self, composed: Sequence[MessageRecord], tally: RunStats) -> set[int]:
        """What came of the oldest window, once it is back, and the last check of the next one, in one transaction."""
        due = len(self._in_flight) >= _IN_FLIGHT or not composed
        oldest = self._in_flight[0] if self._in_flight and due else None
        receipts = oldest.receipts.result() if oldest else []

        def work(connection: Connection) -> set[int]:
            if oldest:
                mails = {delivery_id: part.delivery for delivery_id, part in oldest.mails.items()}
                record(connection, self._name, receipts, mails, self._hold)
            return sending.mark_sending(connection, self._name, composed) if composed else set()

        may_go = retry_transaction(self._engine, work)
        if oldest:
            self._in_flight.popleft()
            self._learn(oldest, receipts, tally)
        return may_go

    def _learn(self, window: WindowInFlight, receipts: Sequence[Receipt], tally: RunStats) -> None:
        self._pace.learn(window.seconds(), receipts)
        said = [(domain_of(window.mails[receipt.delivery_id].reader.email), receipt) for receipt in receipts]
        self._paces.learn(said, self._now())
        for receipt in receipts:
            tally.count(receipt.outcome)

    def _hold_back(self, claims: Sequence[Delivery], tally: RunStats) -> None:
        """What has changed since the claim is skipped or put back; what was set apart is neither."""
        if not claims:
            return
        with transaction(self._engine) as connection:
            for claim_id, found in recipient_statuses(connection, claims).items():
                claim = next(one for one in claims if one.id == claim_id)
                reason = skip_reason(claim, found)
                if reason is not None:
                    self._skip(connection, claim_id, reason, tally)
                else:
                    wait = _AT_ONCE if found.issue_status is IssueStatus.PAUSED else _PUT_BACK
                    deliveries.release(connection, [claim_id], self._now() + wait)
                    tally.count("put back")

    def _set_apart(self, work: Composed, tally: RunStats) -> None:
        """What cannot be made is quarantined, what the mail server has already is accepted."""
        if not work.unfit and not work.arrived:
            return
        with transaction(self._engine) as connection:
            for delivery_id, problem in work.unfit.items():
                log.error("a mail cannot be made and is set apart", delivery=delivery_id, problem=problem)
                deliveries.quarantine(connection, delivery_id, problem, self._now())
                said = {"problem": problem}
                events.record(connection, self._now(), f"delivery:{delivery_id}", "quarantined", said)
                tally.count("quarantined")
            for delivery_id, where in work.arrived.items():
                deliveries.found_at_server(connection, delivery_id, where, self._now())
                tally.count("found at the mail server")

    def _skip(self, connection: Connection, delivery_id: int, reason: SkipReason, tally: RunStats) -> None:
        deliveries.skip(connection, delivery_id, reason, self._now())
        tally.count(f"skipped: {reason}")

    def _put_back(self, delivery_ids: Sequence[int], wait: timedelta, tally: RunStats) -> None:
        if delivery_ids:
            with transaction(self._engine) as connection:
                deliveries.release(connection, delivery_ids, self._now() + wait)
            tally.count("put back", len(delivery_ids))


def _composed(part: Draft, written: OutgoingMessage) -> MessageRecord:
    content = written.envelope.message if part.issue is None else b""
    selection = selection_as_json(part.selection) if part.selection else "null"
    return MessageRecord(part.delivery.id, written.message_id, written.sha256, selection, content)
