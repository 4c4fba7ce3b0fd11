"""The steps of a worker that change the ledger, each as digest/mail/delivery/worker.py takes it."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from datetime import timedelta

from benchmarks.model.state import ClaimName, Rules, Wire
from benchmarks.model.world import Note, World, locked, reply
from digest.database.engine import read_only, transaction
from digest.issues.publish import halt
from digest.ledger import sending, transitions
from digest.ledger.kinds import IssueStatus, SkipReason
from digest.ledger.received import packed_ranks
from digest.ledger.sending import MessageRecord
from digest.mail.delivery import outcome
from digest.mail.delivery.choose import recipient_statuses
from digest.mail.delivery.outcome import receipt_of
from digest.mail.delivery.recovery import recover
from digest.subscribers.subscriptions import unsubscribe
from tests.support.scenario import DAY, MORNING

_DUE = MORNING + timedelta(hours=4)  # also for what was deferred
_OVERDUE = MORNING + timedelta(days=2)


class Ledger:
    """The product's functions, with the protection taken out that the rules name."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.world = World(rules.messages)

    def name(self, worker: int) -> str:
        return "worker" if self.rules.without == "token" else "AB"[worker]

    # --- by a worker ---

    def claim(self, rows: int, worker: int, limit: int) -> tuple[int, tuple[ClaimName, ...]]:
        # Two workers never look at the same instant, so a message composed by the other has another date.
        now = _DUE + timedelta(minutes=worker)

        def work() -> tuple[ClaimName, ...]:
            with transaction(self.world.engine) as connection:
                claims = sending.claim(connection, self.name(worker), limit, now)
            return tuple(map(self.world.keep, claims))

        return self.world.run(rows, ("claim", worker, limit), work)

    def choose(self, rows: int, claims: Sequence[ClaimName]) -> dict[ClaimName, str]:
        """The reason to skip each, or ""."""

        def work() -> dict[ClaimName, str]:
            with read_only(self.world.engine) as connection:
                values = {name: self.world.claim(name) for name in claims}
                statuses = recipient_statuses(connection, [*values.values()])
                return {name: statuses[claim.id].skip_reason(claim) or "" for name, claim in values.items()}

        return self.world.read(rows, ("choose", *claims), work)

    def skip(self, rows: int, claims: Mapping[ClaimName, str]) -> int:
        """Skip claims with a reason and requeue the others."""

        def work() -> None:
            with transaction(self.world.engine) as connection:
                for name, reason in claims.items():
                    if reason:
                        transitions.skip(connection, self.world.claim(name).id, SkipReason(reason), _DUE)
                    else:
                        transitions.requeue(connection, [self.world.claim(name).id], _DUE)

        return self.world.run(rows, ("skip", *claims.items()), work)[0]

    def mark(self, rows: int, worker: int, claims: Sequence[ClaimName], twice: bool) -> tuple[int, set[int]]:
        """`twice`: the answer to the COMMIT was lost, so the transaction runs once more."""
        records = [self._message(name) for name in claims]

        def work() -> set[int]:
            may_go: set[int] = set()
            with self.world.as_at_first() if self.rules.without == "recheck" else nullcontext():
                for _ in range(1 + twice):
                    with transaction(self.world.engine) as connection:
                        may_go = sending.mark_sending(connection, self.name(worker), records)
            return may_go

        return self.world.run(rows, ("mark", worker, twice, *claims), work)

    def fingerprint(self, name: ClaimName) -> str:
        return self._message(name).sha256

    def _message(self, name: ClaimName) -> MessageRecord:
        claim = self.world.claim(name)
        picks = claim.picks or packed_ranks([1])
        made_anew = f" once more {claim.attempts}" if self.rules.without == "retry" else ""
        content = f"{claim.id} {claim.date.isoformat()} {picks.hex()}{made_anew}"
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        return MessageRecord(claim.id, f"{claim.id}@example.org", sha256, DAY, picks)

    def record(self, rows: int, worker: int, wire: Sequence[Wire], twice: bool) -> int:
        receipts = [receipt_of(reply(message.id, message.code)) for message in wire]
        claims = {message.id: self.world.claim(message.claim) for message in wire}

        def work() -> None:
            for _ in range(1 + twice):
                with transaction(self.world.engine) as connection:
                    outcome.record(connection, self.name(worker), receipts, claims, self.rules.hold)

        return self.world.run(rows, ("record", worker, twice, *wire), work)[0]

    def settle(self, rows: int, worker: int) -> int:
        def work() -> None:
            with transaction(self.world.engine) as connection:
                transitions.requeue_held_by(connection, self.name(worker), _DUE)

        return self.world.run(rows, ("settle", worker), work)[0]

    # --- by others ---

    def recover(self, rows: int, found: Mapping[int, tuple[bool, tuple[Note, ...]]]) -> tuple[int, set[int]]:
        """`found`: of each worker whether it lives, and its journal. Returns also the workers whose journals remain."""

        def work() -> set[int]:
            dead_first = sorted(found.items(), key=lambda each: each[1][0])  # of two with one name the dead one counts
            by_name = {self.name(worker): about for worker, about in reversed(dead_first)}
            folder = self.world.left_behind({name: notes for name, (_lives, notes) in by_name.items()})
            with ExitStack() as locks:
                for name, (lives, _notes) in by_name.items():
                    if lives:
                        locks.enter_context(locked(folder / f"{name}.journal"))
                recover(self.world.engine, folder, self.rules.hold, _DUE)
            left = self.world.remaining()
            return {worker for worker in found if self.name(worker) in left}

        return self.world.run(rows, ("recover", *found.items()), work)

    def expire(self, rows: int) -> int:
        def work() -> None:
            with transaction(self.world.engine) as connection:
                transitions.expire(connection, _OVERDUE, timedelta(hours=18), 12)

        return self.world.run(rows, ("expire",), work)[0]

    def unsubscribe(self, rows: int) -> int:
        first = self.world.subscribers[0]
        return self.world.run(rows, ("leave",), lambda: unsubscribe(self.world.engine, first, _DUE, "test"))[0]

    def cancel(self, rows: int) -> int:
        cancelled = IssueStatus.CANCELLED
        return self.world.run(rows, ("cancel",), lambda: halt(self.world.engine, DAY, cancelled, _DUE))[0]
