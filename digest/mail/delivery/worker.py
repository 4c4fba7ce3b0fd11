"""Delivers what is due in five stages: claim, choose, compose, record, send.

No transaction is open while a message is composed or on the wire. Up to two windows of messages are on the wire while
the next is composed; the replies to the first are recorded in the transaction that marks the next. If a worker dies
between two steps, the ledger and its journal say what certainly did not happen and what may have (recovery.py).
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine

from digest import machine_clock
from digest.database.engine import read_only, retry_transaction, transaction
from digest.ledger import events, sending, transitions
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import IssueStatus, SkipReason
from digest.ledger.replies import count_replies
from digest.ledger.worker_lock import WorkerLock
from digest.mail.compose.composer import Composer
from digest.mail.delivery.choose import choose, recipient_statuses, record_of
from digest.mail.delivery.journal import ALL, Journal
from digest.mail.delivery.outcome import Outcome, receipt_of, record
from digest.mail.delivery.recovery import recover
from digest.mail.delivery.reply_counter import ReplyCounter
from digest.mail.message import Draft, OutgoingMessage
from digest.mail.throttle import MAX_WAIT, Throttle, is_evidence, next_window_size
from digest.smtp import Reply, Sender

log = structlog.get_logger()

_MAX_CLAIM = 500
_WINDOWS_PER_CLAIM = 10
_MAX_IN_FLIGHT = 2  # windows
_BEGIN_SECONDS = 300.0  # after its mark; a message that begins later might not end within its lease
_AT_ONCE = timedelta()  # a delivery of a paused issue is not claimed, however early it is due
_SOON = timedelta(seconds=30)

ComposedMessages = Sequence[tuple[Draft, OutgoingMessage]]


@dataclass(slots=True)
class RunStats:
    """The number of deliveries that one call handled, by outcome."""

    outcomes: Counter[str] = field(default_factory=Counter)
    more: bool = False  # the call ended at its limits; there may be more to do

    @property
    def handled(self) -> int:
        return self.outcomes.total()


class WindowInFlight(NamedTuple):
    """Messages that are on the wire together."""

    drafts: dict[int, Draft]
    replies: Future[list[Reply]]
    began: datetime


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`name`: no other process ever has it. `hold`: a message that may have arrived waits for the operator instead of
    being sent once more.
    """

    name: str
    hold: bool
    now: Callable[[], datetime]


class DeliveryWorker:
    """One worker process. The ledger has its name on what it has claimed."""

    def __init__(
        self,
        engine: Engine,
        sender: Sender,
        composer: Composer,
        throttle: Throttle,
        journal: Journal,
        settings: WorkerSettings,
    ) -> None:
        self._engine = engine
        self._sender = sender
        self._composer = composer
        self._throttle = throttle
        self._journal = journal
        self._settings = settings
        self._now = settings.now
        self._lock = WorkerLock(engine, settings.name)
        self._window_size = 1  # messages
        self._is_refused = False  # the last replies reject us: then one window at a time, so that few are tried
        self._in_flight: deque[WindowInFlight] = deque()
        self._may_hold = False  # deliveries
        self._marked_at = 0.0  # when the last mark began, by machine_clock.monotonic()
        self._stats = RunStats()
        self._replies = ReplyCounter()
        self.accepted = 0  # since the start
        self.worked_at: float | None = None  # when a delivery was last handled, by machine_clock.monotonic()

    def deliver_due(self, limit: int, seconds: float = 20.0) -> RunStats:
        """Deliver what is due, up to about `limit` deliveries, until nothing is or the time is over."""
        stats = self._stats = RunStats()
        deadline = machine_clock.monotonic() + seconds
        self._lock.hold()
        self._settle()
        recover(self._engine, self._journal.folder, self._settings.hold, self._now())
        try:
            while not stats.more and (claims := self.claim(limit - stats.handled)):
                drafts = self.choose(claims)
                while window := self._admit(drafts):
                    if messages := self.compose(window):
                        self.send(self.record(self._unpaused(messages)))
                stats.more = stats.handled >= limit or machine_clock.monotonic() > deadline
        finally:
            self._settle()
        if stats.handled:
            log.info("deliveries handled", count=stats.handled, outcomes=dict(stats.outcomes))
        return stats

    def close(self) -> None:
        """End in good order, with nothing claimed or on the wire."""
        self._sender.close()
        self._lock.release()
        self._journal.close()

    # --- the stages ---

    def claim(self, limit: int) -> list[Delivery]:
        """Nothing while sending is paused."""
        if self._throttle.why_paused(self._now()):
            return []
        limit = self._throttle.claim_limit(min(_MAX_CLAIM, limit, self._window_size * _WINDOWS_PER_CLAIM))
        now, held_before, self._may_hold = self._now(), self._may_hold, True
        with transaction(self._engine) as connection:
            day_began, shares = self._throttle.day_began(now), self._throttle.shares(limit, now)
            claims = sending.claim(connection, self._settings.name, limit, now, day_began, shares)
        self._may_hold = held_before or bool(claims)
        return claims

    def choose(self, claims: Sequence[Delivery]) -> deque[Draft]:
        """Choose the papers of each message; skip or requeue the claims that get none."""
        self._journal.making(ALL)
        with read_only(self._engine) as connection:
            outcome = choose(connection, self._settings.name, claims, self._composer.issues, self._journal)
        self._journal.making(0)
        if outcome.skipped:
            with transaction(self._engine) as connection:
                for delivery_id, reason in outcome.skipped.items():
                    self._skip(connection, delivery_id, reason)
        self._requeue(outcome.paused, _AT_ONCE)
        self._requeue(outcome.waiting, _SOON)
        return deque(outcome.drafts)

    def compose(self, drafts: Sequence[Draft]) -> ComposedMessages:
        """Compose the messages of a window; quarantine those that cannot be."""
        messages, unfit = self._composer.compose(drafts)
        if unfit:
            with transaction(self._engine) as connection:
                for delivery_id, problem in unfit.items():
                    log.error("a message cannot be composed and is quarantined", delivery=delivery_id, problem=problem)
                    transitions.quarantine(connection, delivery_id, problem, self._now())
                    events.record(
                        connection, self._now(), f"delivery:{delivery_id}", "quarantined", {"problem": problem}
                    )
                    self._stats.outcomes["quarantined"] += 1
        return messages

    def record(self, messages: ComposedMessages = ()) -> ComposedMessages:
        """Record the replies to the oldest window, if the wire has no room for another, and mark `messages` as being
        sent, in one transaction. Returns those that may go after this last check.
        """
        is_due = len(self._in_flight) >= _MAX_IN_FLIGHT or not messages
        oldest = self._in_flight[0] if self._in_flight and is_due else None
        receipts = [receipt_of(reply) for reply in oldest.replies.result()] if oldest else []
        records = [record_of(draft, message, self._composer.issues) for draft, message in messages]
        replies, day = self._replies.due(), self._day()

        def work(connection: Connection) -> set[int]:
            if oldest:
                claims = {delivery_id: draft.delivery for delivery_id, draft in oldest.drafts.items()}
                record(connection, self._settings.name, receipts, claims, self._settings.hold)
            self._marked_at = machine_clock.monotonic()
            may_go = sending.mark_sending(connection, self._settings.name, records) if records else set()
            count_replies(connection, day, replies)  # last: other workers wait for these rows
            return may_go

        may_go = retry_transaction(self._engine, work)
        self._replies.stored(replies)
        if oldest:
            self._in_flight.popleft()
            self._stats.outcomes.update(receipt.outcome for receipt in receipts)
            self.accepted += sum(receipt.outcome is Outcome.ACCEPTED for receipt in receipts)
            self.worked_at = machine_clock.monotonic()
            took = max(receipt.at for receipt in receipts) - oldest.began
            requested = {delivery_id for delivery_id, draft in oldest.drafts.items() if draft.delivery.is_requested}
            evidence = [receipt for receipt in receipts if is_evidence(receipt, requested)] if requested else receipts
            self._window_size = next_window_size(self._window_size, took, evidence)
            self._is_refused = any(receipt.outcome is Outcome.SENDER_ERROR for receipt in evidence)
            responses = [(oldest.drafts[receipt.delivery_id].subscriber.email, receipt) for receipt in receipts]
            self._replies.add(responses)
            self._throttle.record(responses, self._now(), requested)
        if len(may_go) < len(messages):
            self._return([draft.delivery for draft, _message in messages if draft.delivery.id not in may_go])
        return [(draft, message) for draft, message in messages if draft.delivery.id in may_go]

    def send(self, messages: ComposedMessages) -> None:
        """Submit a window; its replies are recorded while later ones are on the wire."""
        if messages:
            drafts, began = {draft.delivery.id: draft for draft, _message in messages}, self._now()
            envelopes = [message.envelope for _draft, message in messages]
            replies = self._sender.submit(envelopes, self._now, self._marked_at + _BEGIN_SECONDS)
            self._in_flight.append(WindowInFlight(drafts, replies, began))

    # --- between the stages ---

    def _settle(self) -> None:
        """Record what is on the wire and requeue what is not, also after a call that failed."""
        self._journal.making(0)
        while self._in_flight:
            self.record()
        replies, day = self._replies.due(at_once=True), self._day()

        def work(connection: Connection) -> None:
            transitions.requeue_held_by(connection, self._settings.name, self._now())
            count_replies(connection, day, replies)

        if self._may_hold or replies:
            retry_transaction(self._engine, work)
        self._may_hold = False
        self._replies.stored(replies)
        self._journal.clear()

    def _day(self) -> date:
        return self._now().astimezone(UTC).date()

    def _admit(self, drafts: deque[Draft]) -> list[Draft]:
        """Take the next drafts that may go now. The others stay, or are requeued if their wait is long."""
        while self._is_refused and self._in_flight:
            self.record()
        while drafts:
            if self._throttle.why_paused(self._now()):
                self._requeue([draft.delivery.id for draft in drafts], _AT_ONCE)
                drafts.clear()
                break
            window = [drafts.popleft() for _ in range(min(self._window_size, len(drafts)))]
            requested = [index for index, draft in enumerate(window) if draft.delivery.is_requested]
            waits = self._throttle.admit([draft.subscriber.email for draft in window], self._now(), requested)
            going = [draft for draft, wait in zip(window, waits, strict=True) if not wait]
            soon = [draft for draft, wait in zip(window, waits, strict=True) if timedelta() < wait <= MAX_WAIT]
            drafts.extendleft(reversed(soon))
            for wait in {wait for wait in waits if wait > MAX_WAIT}:
                later = [draft.delivery.id for draft, its in zip(window, waits, strict=True) if its == wait]
                self._requeue(later, wait)
            if going:
                return going
            if soon:
                machine_clock.sleep(min(waits).total_seconds())
        return []

    def _unpaused(self, messages: ComposedMessages) -> ComposedMessages:
        """Wait for room on the wire, up to ten minutes, and requeue what has been paused meanwhile."""
        if len(self._in_flight) < _MAX_IN_FLIGHT:
            return messages
        self._in_flight[0].replies.result()
        paused = self._throttle.paused_meanwhile([draft.subscriber.email for draft, _ in messages], self._now())
        held = [draft.delivery.id for (draft, _), is_paused in zip(messages, paused, strict=True) if is_paused]
        self._requeue(held, _AT_ONCE)
        return [(draft, message) for draft, message in messages if draft.delivery.id not in held] if held else messages

    def _return(self, claims: Sequence[Delivery]) -> None:
        """Skip or requeue what the last check refused, since it has changed after the choice."""
        with transaction(self._engine) as connection:
            statuses = recipient_statuses(connection, claims)
            for claim in claims:
                reason = statuses[claim.id].skip_reason(claim)
                if reason is not None:
                    self._skip(connection, claim.id, reason)
                else:
                    wait = _AT_ONCE if statuses[claim.id].issue_status is IssueStatus.PAUSED else _SOON
                    transitions.requeue(connection, [claim.id], self._now() + wait)
                    self._stats.outcomes["requeued"] += 1

    def _skip(self, connection: Connection, delivery_id: int, reason: SkipReason) -> None:
        transitions.skip(connection, delivery_id, reason, self._now())
        self._stats.outcomes[f"skipped: {reason}"] += 1
        self.worked_at = machine_clock.monotonic()

    def _requeue(self, delivery_ids: Sequence[int], wait: timedelta) -> None:
        if delivery_ids:
            with transaction(self._engine) as connection:
                transitions.requeue(connection, delivery_ids, self._now() + wait)
            self._stats.outcomes["requeued"] += len(delivery_ids)
