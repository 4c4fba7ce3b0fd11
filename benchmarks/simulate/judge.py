"""Judges a run: the mail server's log against the ledger's rows, and both against what people did.

The names I1 to I9 are those of docs/reliability.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from benchmarks.simulate.database import Database
from benchmarks.simulate.installation import DAY, KEYS, SUBSCRIBERS, address, key_of
from benchmarks.simulate.marks import marks_in
from benchmarks.simulate.people import Facts
from benchmarks.simulate.server_log import Copy, ServerLog, header_of
from benchmarks.simulate.world import World
from digest.database.engine import read_only
from digest.issues.audit import audit
from digest.ledger.deliveries import LEASE
from digest.ledger.kinds import LISTED, SkipReason
from digest.mail.pauses import EVERYTHING
from digest.subscribers.tokens import Purpose, verify

_ENDED = {"accepted", "refused", "expired", "skipped", "quarantined"}
_OVERDUE = 18 * 3_600.0 - 60.0  # seconds, as overdue_hours; messages are due in the first minute
_TOLERANCE = 5.0  # seconds from the end of a subscription to the last MAIL
_PATIENCE = 60.0  # seconds from MAIL to the dot; after more, 660 in all may be over before the reply to it
_COLUMNS = (
    "id, kind, recipient, state, reason, message_id, sha256, issue_id, finished_at, crashes, attempts, subscriber_id"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the ledger, as it is at the end."""

    id: int
    kind: str
    recipient: str
    state: str
    reason: str
    message_id: str
    sha256: str
    issue_id: int | None
    finished_at: str | None
    crashes: int
    attempts: int
    subscriber_id: int | None


class Judge:
    """Finds what is broken."""

    def __init__(self, world: World, database: Database, log: ServerLog, facts: Facts, hold: bool) -> None:
        self._world, self._log, self._facts, self._hold = world, log, facts, hold
        self._raw, self._engine = database.raw, database.engine
        raw = self._raw
        self.rows = [Row(*row) for row in raw.execute(f"SELECT {_COLUMNS} FROM deliveries")]
        self._by_message = {row.message_id: row for row in self.rows if row.message_id}
        self._copies: dict[str, list[Copy]] = defaultdict(list)
        for copy in log.copies:
            self._copies[copy.message_id].append(copy)
        self._marks = marks_in(raw)
        self._processes = {process.name: process for process in world.processes}
        first = raw.execute("SELECT id FROM issues WHERE kind = 'daily' AND date = ?", (DAY.isoformat(),)).fetchone()
        self._first_issue = first[0] if first else None  # the one that operators pause and cancel

    def problems(self, was_over: bool) -> Iterator[str]:
        if not was_over:
            yield "I7: work did not end by itself"
        yield from self._world.failures
        yield from self._lost()
        yield from self._wrong_marks()
        yield from self._audience()
        for message_id, copies in self._copies.items():
            row = self._by_message.get(message_id)
            if row is None:
                yield f"I1: the server has {message_id}, which is in no row"
                continue
            yield from self._identity(row, copies)
            yield from self._duplicates(row, copies)
            for copy in copies:
                yield from self._address(row, copy)
                yield from self._unwanted(row, copy)
        yield from self._suppressions()
        if self._log.in_clear:
            yield "mail was sent in clear although STARTTLS was demanded"

    # --- I1: nothing is lost ---

    def _lost(self) -> Iterator[str]:
        for row in self.rows:
            accepted = any(copy.is_accepted for copy in self._copies.get(row.message_id, ()))
            is_held = row.state == "uncertain" and row.finished_at is not None
            if row.state not in _ENDED and not (is_held and (self._hold or row.reason == "overdue")):
                yield f"I1: {row.kind} {row.id} is still {row.state}"
            elif row.state == "accepted" and not accepted:
                yield f"I1: {row.kind} {row.id} is recorded as accepted, and the server does not have it"
            elif row.state != "accepted" and (why := self._unexplained(row)):
                yield f"I8: {row.kind} {row.id} is {row.state} ({row.reason}): {why}"

    def _unexplained(self, row: Row) -> str:
        """Why a message that was not accepted should have been; "" if all is well."""
        accepted = [copy for copy in self._copies.get(row.message_id, ()) if copy.is_accepted]
        known = [copy for copy in accepted if copy.known_at is not None]
        if known and not any(self._slept(copy) for copy in known):
            return "the worker knew that the server had it"
        match row.state:
            case "refused":
                return "" if self._email(row) in self._log.refused else "the server never refused it"
            case "skipped":
                return self._wrong_skip(row)
            case "expired":
                return "" if row.kind not in LISTED or self._world.elapsed > _OVERDUE else "it was not overdue"
            case "quarantined":
                return "" if row.crashes >= 3 else "no three workers died with it"
        return ""

    def _wrong_skip(self, row: Row) -> str:
        facts, key = self._facts, row.recipient
        suppressed = self._raw.execute("SELECT 1 FROM suppressions WHERE key = ?", (key,)).fetchone()
        earlier = [other for other in self.rows if other.id < row.id and other.state == "accepted"]
        is_true = {
            SkipReason.UNSUBSCRIBED: key in facts.ended,
            SkipReason.ERASED: key in facts.erased,
            SkipReason.PAUSED: key in facts.paused,
            SkipReason.SUPPRESSED: bool(suppressed),
            SkipReason.CANCELLED: facts.cancelled is not None,
            SkipReason.CHANGED: row.kind not in LISTED,
            SkipReason.NOTHING_NEW: any(other.recipient == key and other.kind == "digest" for other in earlier),
        }
        return "" if is_true.get(SkipReason(row.reason), False) else "that is not so"

    def _audience(self) -> Iterator[str]:
        digests = Counter(row.recipient for row in self.rows if row.kind == "digest")
        for number in range(1, SUBSCRIBERS + 1):
            key = key_of(address(number))
            left_early = min(self._facts.ended.get(key, 1e9), self._facts.paused.get(key, 1e9)) < 3_600 * 24
            if not digests[key] and not left_early:
                yield f"I1: {address(number)} has no row"
        for key in self._facts.confirmed:
            if not digests[key] and self._facts.cancelled is None:
                yield f"I1: {self._facts.emails[key]} confirmed and has no row"
        with read_only(self._engine) as connection:
            for (issue_id,) in self._raw.execute("SELECT id FROM issues").fetchall():
                sums = audit(connection, issue_id)
                rows = Counter(row.state for row in self.rows if row.issue_id == issue_id)
                if sums.unexplained:
                    yield f"I1: the sums of issue {issue_id} leave {sums.unexplained} unexplained"
                if sums.accepted != rows["accepted"]:
                    yield f"I1: issue {issue_id} counts {sums.accepted} accepted, its rows {rows['accepted']}"

    # --- I2, I3: copies ---

    def _duplicates(self, row: Row, copies: list[Copy]) -> Iterator[str]:
        accepted = sorted((copy for copy in copies if copy.is_accepted), key=lambda copy: copy.begun_at)
        for earlier, later in pairwise(accepted):
            if earlier.known_at is not None and not self._slept(earlier):
                yield f"I2: {row.kind} {row.id} was sent again after its acceptance was known"
            elif self._hold:
                yield f"I2: {row.kind} {row.id} was sent again although what is in doubt is held"
            elif not self._is_in_doubt(earlier):
                yield f"I2: {row.kind} {row.id} was sent twice without a doubt, by {earlier.sender} and {later.sender}"

    def _is_in_doubt(self, copy: Copy) -> bool:
        """Return True if the sender of an accepted copy had to count with the possibility that it was lost."""
        process, was_slow = self._processes[copy.sender], copy.at - copy.mail_at > _PATIENCE
        # A worker that was stopped may find its own patience ended before the reply that has come.
        return copy.is_doubtful or was_slow or bool(process.killed_at or process.was_frozen)

    def _slept(self, copy: Copy) -> bool:
        """Return True if the worker was stopped for longer than its lease while it waited for the reply."""
        stops, lease = self._processes[copy.sender].was_frozen, LEASE.total_seconds()
        last = copy.known_at if copy.known_at is not None else inf
        return any(until - began >= lease - 60 and copy.begun_at <= began < last for began, until in stops)

    def _identity(self, row: Row, copies: list[Copy]) -> Iterator[str]:
        # A message that was refused for our sake is composed anew, with another date.
        if len({copy.sha256 for copy in copies if copy.is_accepted or copy.is_doubtful}) > 1:
            yield f"I3: the copies of {row.kind} {row.id} differ"
        if row.state == "accepted" and copies[-1].sha256 != row.sha256:
            yield f"I3: {row.kind} {row.id} is recorded with other bytes than were sent"

    # --- I4: the right person ---

    def _email(self, row: Row) -> str:
        return self._facts.emails.get(row.recipient, "")

    def _address(self, row: Row, copy: Copy) -> Iterator[str]:
        email = self._email(row)
        if copy.recipient != email:
            yield f"I4: {row.kind} {row.id} of {email} went to {copy.recipient}"
        if f"\r\nTo: {email}\r\n".encode() not in b"\r\n" + copy.head + b"\r\n":
            yield f"I4: {row.kind} {row.id} names somebody else in To"
        if copy.delivery_id != row.id:
            yield f"I4: the return path of {row.kind} {row.id} is another delivery's"
        link = header_of(copy.head, b"List-Unsubscribe")  # a signature may contain anything
        start = link.find("/u/")
        token = link[start + 3 : start + 35]
        verified = verify(Purpose.UNSUBSCRIBE, token, KEYS) if start > 0 else None
        if start > 0 and (verified is None or row.subscriber_id not in (None, verified.subscriber_id)):
            yield f"I4: the link of {row.kind} {row.id} would unsubscribe somebody else"

    # --- I2, I5: the last check ---

    def _wrong_marks(self) -> Iterator[str]:
        rows = {row.id: row for row in self.rows}
        for mark in self._marks:
            row = rows[mark.delivery_id]
            if mark.process != mark.holder:
                yield f"I2: {row.kind} {row.id}, which {mark.holder} held, was marked by {mark.process}"
            if mark.claimed_until < mark.marked_until - LEASE:
                yield f"I2: {row.kind} {row.id} was marked after the lease of its claim"
            for reason, since in self._ends(row).items():
                if since is not None and since < mark.at:
                    yield f"I5: {row.kind} {row.id} was marked {mark.at - since:.3f} s after: {reason}"
            if any(what == "issue" and began < mark.at < until for what, began, until in self._stops(row)):
                yield f"I5: {row.kind} {row.id} was marked while its issue was paused"

    def _ends(self, row: Row) -> dict[str, float | None]:
        """When its message ceased to be wanted, by reason."""
        facts = self._facts
        ends = {"erased": facts.erased.get(row.recipient)}
        if row.kind in LISTED:
            ends |= {"unsubscribed": facts.ended.get(row.recipient), "paused": facts.paused.get(row.recipient)}
            ends["cancelled"] = facts.cancelled if row.issue_id == self._first_issue else None
        return ends

    def _stops(self, row: Row) -> list[tuple[str, float, float]]:
        """The pauses that are about it."""
        scopes = {EVERYTHING, self._email(row).rpartition("@")[2]}
        if row.issue_id == self._first_issue:
            scopes.add("issue")
        return [stop for stop in self._facts.stops if stop[0] in scopes]

    # --- I5: no message after someone has left ---

    def _unwanted(self, row: Row, copy: Copy) -> Iterator[str]:
        at = copy.mail_at - _TOLERANCE
        for reason, since in self._ends(row).items():
            if since is not None and since < at:
                yield f"I5: {row.kind} {row.id} began {copy.mail_at - since:.1f} s after: {reason}"
        for what, began, until in self._stops(row):
            if began < at and copy.mail_at < until:
                yield f"I5: {row.kind} {row.id} began {copy.mail_at - began:.1f} s after {what} was paused"

    # --- I6: our own faults suppress no address ---

    def _suppressions(self) -> Iterator[str]:
        for key, reason in self._raw.execute("SELECT key, reason FROM suppressions"):
            email = self._facts.emails.get(key, "")
            if reason == "refused" and email not in self._log.bad_addresses:
                yield f"I6: {email} is suppressed, and the server never said that it is bad"
