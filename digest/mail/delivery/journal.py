"""A worker's record of the messages it began and the replies it got, read after its death.

Each worker has one file, locked while its process lives, preallocated and mapped into memory: a record costs no system
call, and the kernel has it when the process is killed. It does not survive a crash of the machine.

    8 bytes: the delivery being composed (0: none, ALL: any claimed one); then lines, ended by NUL:
    "B <id>" begun; "A <id> <outcome> <code> <enhanced> <bad address> <seconds> <text>" answered
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from digest.mail.delivery.outcome import Outcome, Receipt, receipt_of
from digest.smtp import Reply

ALL = 2**63  # any claimed delivery may be the one that crashes the worker
_SIZE = 4 * 1024 * 1024  # a task of 5,000 deliveries writes 600 kB
_HEAD = 8
_MAX_TEXT = 200
SUFFIX = ".journal"
_EARLIER_NAMES = {"OURS": "SENDER_ERROR", "UNBEGUN": "NOT_ATTEMPTED", "UNKNOWN": "UNCERTAIN"}  # before 0.2


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What a journal records."""

    making: int
    begun: set[int] = field(default_factory=set)  # and not answered
    answered: dict[int, Receipt] = field(default_factory=dict)


class Journal:
    """The journal of this process. The worker calls `making` and `clear`; the sender calls `began` and `answered`."""

    def __init__(self, folder: Path, worker: str) -> None:
        """Raises OSError if the folder cannot be written or the disk is full: then nothing may be sent."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = folder / f"{worker}{SUFFIX}"
        draft = self._file.with_suffix(".new")
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        _allocate(handle)
        self._memory = mmap.mmap(handle, _SIZE)
        self._handle = handle
        self._end = _HEAD
        draft.rename(self._file)  # visible to others only now that it is locked

    def making(self, delivery_id: int) -> None:
        """Record the delivery that is composed next; 0 for none."""
        self._memory[:_HEAD] = delivery_id.to_bytes(_HEAD, "little")

    def began(self, delivery_id: int) -> None:
        """Record that the content of a message is about to be sent."""
        self._append(b"B %d\n" % delivery_id)

    def answered(self, reply: Reply) -> None:
        """Record the reply to a begun message."""
        self._append(_line(receipt_of(reply)))

    def clear(self) -> None:
        """Empty it: the ledger has everything, and nothing is on the wire."""
        self._memory[: self._end] = bytes(self._end)
        self._end = _HEAD

    def close(self) -> None:
        """Remove the file: the process ends normally."""
        self._file.unlink(missing_ok=True)
        self._memory.close()
        os.close(self._handle)

    def _append(self, line: bytes) -> None:
        end = self._end + len(line)
        self._memory[self._end : end] = line
        self._end = end


def journals(folder: Path) -> list[Path]:
    """The journals of all workers on this machine, dead or alive."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def worker_of(journal: Path) -> str:
    return journal.name.removesuffix(SUFFIX)


@contextmanager
def left_behind(journal: Path) -> Iterator[JournalContent | None]:
    """Read the journal of a dead worker. Yields None if the worker lives, or someone else is reading it.

    The file is removed at the end of the block, unless the block raises.
    """
    with ExitStack() as stack:
        content = None
        with suppress(FileNotFoundError, BlockingIOError):
            file = stack.enter_context(journal.open("rb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Someone may have removed it between our opening it and locking it.
            if os.fstat(file.fileno()).st_nlink:
                content = read(file.read(_SIZE))
        yield content
        if content is not None:
            journal.unlink()


def peek(journal: Path) -> JournalContent | None:
    """Read the journal of a worker that may live; None if it is gone."""
    with suppress(FileNotFoundError):
        return read(journal.read_bytes())
    return None


def read(content: bytes) -> JournalContent:
    """Parse a journal. An incomplete last line counts as not written."""
    begun: set[int] = set()
    answered: dict[int, Receipt] = {}
    for line in content[_HEAD:].split(b"\0", 1)[0].split(b"\n")[:-1]:
        kind, _, rest = line.decode("utf-8", "replace").partition(" ")
        if kind == "B":
            begun.add(int(rest))
        else:
            receipt = _receipt(rest)
            answered[receipt.delivery_id] = receipt
    return JournalContent(int.from_bytes(content[:_HEAD], "little"), begun - answered.keys(), answered)


def _line(receipt: Receipt) -> bytes:
    text = receipt.text[:_MAX_TEXT].replace("\n", " ").replace("\0", " ")
    reply = f"{receipt.code or 0} {receipt.enhanced or '-'} {receipt.address_is_bad:d} {receipt.at.timestamp()} {text}"
    return f"A {receipt.delivery_id} {receipt.outcome.name} {reply}\n".encode()


def _receipt(rest: str) -> Receipt:
    number, outcome, code, enhanced, bad, at, text = rest.split(" ", 6)
    return Receipt(
        delivery_id=int(number),
        outcome=Outcome[_EARLIER_NAMES.get(outcome, outcome)],
        code=int(code) or None,
        enhanced=enhanced.replace("-", ""),
        text=text,
        at=datetime.fromtimestamp(float(at), UTC),
        address_is_bad=bad == "1",
    )


def _allocate(handle: int) -> None:
    # Writing to a sparse file through memory would kill the process when the disk is full.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, _SIZE)
    else:
        os.write(handle, bytes(_SIZE))
