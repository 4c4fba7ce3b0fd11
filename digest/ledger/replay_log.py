"""The replay log: changes that a restore must not undo, in files outside the database.

Each machine appends to a file for each day (UTC), `<host>.<day>.jsonl`. Entries report subscriptions that ended or
began again, deleted people and suppressed addresses, by recipient keys, which identify nobody; issues that were cut;
and messages that went on the wire, with their papers. An entry that withdraws a permission is on disk before its
transaction commits, an entry that grants a permission after it, and a message before it is sent. So a crash in between
can only make a restored database send less.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from digest.database.engine import note
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import Status

log = structlog.get_logger()

ALIVE_EVERY = timedelta(hours=1)
_NAME = re.compile(r"(?P<host>.+)\.(?P<day>\d{4}-\d\d-\d\d)\.jsonl")


class Entry(StrEnum):
    """The kind of an entry."""

    BEGAN = "began"  # the first entry of a file; `previous`: the day of the previous file, "" for the first
    GAP = "gap"  # entries since `since` are missing: the disk was full, for example
    ALIVE = "alive"  # a sign of life
    LEFT = "left"
    BACK = "back"  # subscribed again
    DELETED = "deleted"
    MOVED = "moved"  # the address of a subscriber changed: the recipient keys `old` and `new`
    SUPPRESSED = "suppressed"
    LIFTED = "lifted"  # a suppression
    CUT = "cut"  # an issue
    UNSENT = "unsent"  # the mail server said "later" to these recipient keys
    SENT = "sent"  # `to`: for each recipient key the papers of a message that went on the wire


class ReplayLog:
    """The log of this machine. All of its processes may append at the same time."""

    def __init__(self, folder: Path, host: str, keep_days: int) -> None:
        self._folder = folder
        self._host = re.sub(r"[^\w.-]", "_", host)[:64] or "host"
        self._keep = timedelta(days=keep_days)
        self._failing_since: datetime | None = None
        self._alive_at: datetime | None = None

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write entries to disk. An error is only logged: a full disk must not keep anyone subscribed."""
        now = datetime.now(UTC)
        gap = [{"what": Entry.GAP, "since": self._failing_since.isoformat()}] if self._failing_since else []
        try:
            self._write(now, [*gap, *entries])
        except OSError as problem:
            self._failing_since = self._failing_since or now
            advice = "After a restore, all email would wait for digest settle. Make room, or check DIGEST_REPLAY_DIR"
            log.error(f"the replay log cannot be written. {advice}", problem=str(problem), every=60)
        else:
            self._failing_since = None

    def alive(self) -> None:
        """Append a sign of life each hour."""
        now = datetime.now(UTC)
        if self._alive_at is None or now - self._alive_at >= ALIVE_EVERY:
            self._alive_at = now
            self.append([{"what": Entry.ALIVE}])

    def _write(self, now: datetime, entries: Sequence[Mapping[str, Any]]) -> None:
        file = self._folder / f"{self._host}.{now.date()}.jsonl"
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            is_new = _cut_off_torn_line(stream) == 0
            begin = [{"what": Entry.BEGAN, "previous": self._previous(now.date())}] if is_new else []
            lines = [
                json.dumps({"at": now.isoformat(), **entry}, separators=(",", ":")) for entry in [*begin, *entries]
            ]
            _write_all(stream, "".join([f"{line}\n" for line in lines]).encode())
            os.fsync(stream)
            if is_new:
                self._keep_in_folder(now.date())

    def _previous(self, today: date) -> str:
        days = [day for host, day in _files(self._folder) if host == self._host and day < today]
        return max(days).isoformat() if days else ""

    def _keep_in_folder(self, today: date) -> None:
        """Sync the name of the new file, and delete files that are too old."""
        for host, day in _files(self._folder):
            if host == self._host and day < today - self._keep:
                _file(self._folder, host, day).unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _cut_off_torn_line(stream: Any) -> int:
    """Remove a line whose writer died: its change did not happen. Returns the size of the file."""
    size: int = stream.seek(0, os.SEEK_END)
    end = size
    while end:
        start = max(0, end - 65_536)
        stream.seek(start)
        newline = stream.read(end - start).rfind(b"\n")
        end = start + newline + 1 if newline >= 0 else start
        if newline >= 0:
            break
    if end < size:
        stream.truncate(end)
    return end


def _write_all(stream: Any, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[stream.write(rest) :]


# --- entries of transactions ---


def note_status(connection: Connection, key: str, status: Status) -> None:
    """Note the new status of a subscriber."""
    has_left = status is Status.UNSUBSCRIBED
    note(connection, {"what": Entry.LEFT if has_left else Entry.BACK, "key": key}, after=not has_left)


def note_move(connection: Connection, old: str, new: str) -> None:
    """Note that a subscriber gets no more email at the address behind `old`."""
    note(connection, {"what": Entry.MOVED, "old": old, "new": new})


def note_suppression(connection: Connection, key: str, reason: str, until: datetime | None) -> None:
    entry = {"what": Entry.SUPPRESSED, "key": key, "reason": reason}
    note(connection, entry if until is None else entry | {"until": until.isoformat()})


def note_sent(connection: Connection, marked: Iterable[Any], papers: Mapping[int, Sequence[str]]) -> None:
    """Note messages that go on the wire after this transaction: rows of id, kind, occasion and recipient."""
    messages: dict[tuple[str, str], dict[str, Sequence[str]]] = {}
    for delivery_id, kind, occasion, recipient in marked:
        messages.setdefault((kind, occasion), {})[recipient] = papers[delivery_id]
    for (kind, occasion), to in messages.items():
        note(connection, {"what": Entry.SENT, "kind": kind, "day": occasion, "to": to}, after=True)


def note_unsent(connection: Connection, claims: Iterable[Delivery]) -> None:
    """Note messages that the mail server deferred, and that wait again."""
    waiting: dict[tuple[str, str], list[str]] = {}
    for claim in claims:
        waiting.setdefault((claim.kind, claim.occasion), []).append(claim.recipient)
    for (kind, occasion), to in waiting.items():
        note(connection, {"what": Entry.UNSENT, "kind": kind, "day": occasion, "to": to}, after=True)


# --- reading ---


@dataclass(frozen=True, slots=True)
class Coverage:
    """The time that the log of one machine covers without a gap, up to its end."""

    host: str
    since: datetime
    until: datetime  # of its last entry
    has_gap: bool  # before `since`


def coverages(folder: Path) -> list[Coverage]:
    """Return the time that the logs in `folder` cover, by machine."""
    days: dict[str, list[date]] = {}
    for host, day in _files(folder):
        days.setdefault(host, []).append(day)
    return [coverage for host in sorted(days) if (coverage := _coverage(folder, host, sorted(days[host])))]


def _coverage(folder: Path, host: str, days: Sequence[date]) -> Coverage | None:
    since: datetime | None = None
    until: datetime | None = None
    previous, has_gap = "", False
    for day in days:
        is_first_line = True
        for entry in _entries(_file(folder, host, day)):
            at = datetime.fromisoformat(entry["at"]) if "at" in entry else None
            goes_on = not is_first_line or entry.get("previous") == previous
            if not goes_on or entry.get("what", Entry.GAP) == Entry.GAP:
                since, has_gap = at, True  # None for a damaged line
            since, until = since or at, at or until
            is_first_line = False
        previous = day.isoformat()
    return Coverage(host, since, until, has_gap) if since and until else None


def entries_since(folder: Path, since: datetime) -> Iterator[dict[str, Any]]:
    """Yield the entries of all machines since `since`, in order for each machine."""
    for host, day in _files(folder):
        if day >= since.date():
            for entry in _entries(_file(folder, host, day)):
                if "at" in entry and datetime.fromisoformat(entry["at"]) >= since:
                    yield entry


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a file; an empty entry for a damaged line. The last line may be incomplete."""
    with file.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            try:
                entry = json.loads(line)
                datetime.fromisoformat(entry["at"])
                yield entry if isinstance(entry["what"], str) else {}
            except (ValueError, KeyError, TypeError):
                yield {}


def _files(folder: Path) -> list[tuple[str, date]]:
    """Return the host and day of each file, in order."""
    if not folder.is_dir():
        return []
    names = filter(None, (_NAME.fullmatch(file.name) for file in folder.iterdir()))
    return sorted((name["host"], date.fromisoformat(name["day"])) for name in names)


def _file(folder: Path, host: str, day: date) -> Path:
    return folder / f"{host}.{day}.jsonl"
