"""Did a mail in doubt arrive after all? The log of a Postfix on this machine knows, by the Message-ID.

Postfix writes `cleanup[…]: QUEUEID: message-id=<…>` while it reads a message, and `qmgr[…]: QUEUEID: from=<…>, … (queue
active)` once it has the message on disk. Only both together say that it arrived: of a message whose sender vanished
before the final dot there is only the first. A mail that is not found may still have arrived (an active queue that is
full, lines that the logger dropped): then it is sent once more, as without this log.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path

# Anchored at the start of the line, since a logged Subject may hold anything: the classic stamp or RFC 3339's, host,
# program with its instance (postfix-bulk/cleanup, postfix/submission/cleanup).
_START = r"^(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S+) \S+ \S+/"
_QUEUE_ID = r"([0-9A-Za-z]{6,}): "  # hexadecimal, or the long kind of 52 letters and digits
_READ = re.compile(_START + r"cleanup\[\d+\]: " + _QUEUE_ID + r"message-id=<?([^<>\s]*)>?")
_QUEUED = re.compile(_START + r"n?qmgr\[\d+\]: " + _QUEUE_ID + r"from=<.*>, size=\d+, nrcpt=\d+ \(queue active\)")
_DATED = "-" + "[0-9]" * 8  # logrotate's dateext


def arrived(lines: Iterable[str], message_ids: Collection[str]) -> dict[str, str]:
    """The mails that Postfix has taken, of those asked for: Message-ID (without angle brackets) → queue id."""
    wanted = frozenset(message_ids)
    reading: dict[str, str] = {}  # queue id → Message-ID, while only cleanup has seen it
    found: dict[str, str] = {}
    for line in lines:
        if "cleanup[" in line and (read := _READ.match(line)):
            queue_id, message_id = read.groups()
            reading.pop(queue_id, None)  # Postfix gives a short queue id to another message when it is free again
            if message_id in wanted:
                reading[queue_id] = message_id
        elif reading and "qmgr[" in line and (queued := _QUEUED.match(line)) and queued[1] in reading:
            found.setdefault(reading.pop(queued[1]), queued[1])
    return found


def look_up(path: Path, message_ids: Collection[str], at_most_bytes: int = 64_000_000) -> dict[str, str]:
    """Like arrived(), in the end of the log at `path`, and of the one rotated before it when the log is short.

    Raises OSError, saying what to do, when the log cannot be read.
    """
    try:
        size = path.stat().st_size
        before = _rotated(path) if size < at_most_bytes else None
        earlier = _end_of(before, at_most_bytes - size) if before else iter(())
        return arrived(chain(earlier, _end_of(path, at_most_bytes)), message_ids)
    except OSError as error:
        advice = "Check DIGEST_POSTFIX_LOG, and that this user may read it (group adm)."
        raise OSError(f"The mail log {path} cannot be read ({error.strerror or error}). {advice}") from error


def _rotated(path: Path) -> Path | None:
    """The log before this one, if it is there and not compressed."""
    numbered = path.with_name(f"{path.name}.1")
    dated = sorted(path.parent.glob(path.name + _DATED))
    return numbered if numbered.exists() else dated[-1] if dated else None


def _end_of(path: Path, at_most_bytes: int) -> Iterator[str]:
    """The last lines of a file; one that is cut through is left out."""
    with path.open("rb") as log:
        start = max(0, path.stat().st_size - at_most_bytes)
        log.seek(start)
        if start:
            log.readline()
        for line in log:
            yield line.decode("utf-8", "replace")
