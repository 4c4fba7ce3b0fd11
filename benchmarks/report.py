"""Reads from the mail server's log, never from our database, what was lost, doubled or sent to the wrong person."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from email.utils import parseaddr
from itertools import pairwise
from pathlib import Path

from digest.subscribers.tokens import Purpose, verify


@dataclass(frozen=True, slots=True)
class LogLine:
    """One message that the mail server took responsibility for."""

    at: float  # seconds since 1970
    recipients: str  # of RCPT, joined by commas
    message_id: str
    sha256: str  # of the content without dot-stuffing
    to: str  # the header field
    token: str  # of the link in List-Unsubscribe
    size: int  # bytes
    answered: bool  # False: the connection was reset instead


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of messages in the log."""

    taken: int
    lost: int  # subscribers without a message
    extra: int  # copies beyond the first
    most_copies: int  # to one subscriber
    different_bytes: int  # copies that differ from the subscriber's first
    wrong_recipient: int  # RCPT, To and unsubscribe link do not all belong to one subscriber
    shared_message_ids: int  # ids that messages to two subscribers have in common
    resets: int  # taken, but the connection was reset instead of a reply
    bytes_per_message: int
    longest_stall: float  # seconds between two messages
    lost_subscribers: Collection[str] = ()


def as_line(taken: LogLine) -> str:
    """One line of the log, with its line end."""
    return "\t".join(_plain(value) for value in astuple(taken)) + "\n"


def read_log(file: Path) -> Iterator[LogLine]:
    """The messages taken, in order. An incomplete last line was not recorded, and so not answered either."""
    with file.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            if line.endswith("\n"):
                at, recipients, message_id, sha256, to, token, size, answered = line[:-1].split("\t")
                yield LogLine(float(at), recipients, message_id, sha256, to, token, int(size), answered == "True")


def report_on(log: Sequence[LogLine], subscribers: Mapping[str, int], keys: Sequence[bytes]) -> Report:
    """Check a run that owes one message to each of `subscribers` (address → number); `keys` sign their links."""
    first: dict[str, LogLine] = {}
    copies: dict[str, int] = {}
    recipient_of_id: dict[str, str] = {}
    different = wrong = shared = 0
    for line in log:
        recipient = line.recipients
        copies[recipient] = copies.get(recipient, 0) + 1
        different += first.setdefault(recipient, line).sha256 != line.sha256
        wrong += not _is_own(line, subscribers, keys)
        shared += recipient_of_id.setdefault(line.message_id, recipient) != recipient
    lost = subscribers.keys() - copies.keys()
    times = sorted(line.at for line in log)
    return Report(
        taken=len(log),
        lost=len(lost),
        extra=len(log) - len(copies),
        most_copies=max(copies.values(), default=0),
        different_bytes=different,
        wrong_recipient=wrong,
        shared_message_ids=shared,
        resets=sum(not line.answered for line in log),
        bytes_per_message=sum(line.size for line in log) // max(1, len(log)),
        longest_stall=round(max((b - a for a, b in pairwise(times)), default=0.0), 1),
        lost_subscribers=lost,
    )


def _is_own(line: LogLine, subscribers: Mapping[str, int], keys: Sequence[bytes]) -> bool:
    token = verify(Purpose.UNSUBSCRIBE, line.token, keys)
    is_addressed = parseaddr(line.to)[1] == line.recipients
    return token is not None and is_addressed and token.subscriber_id == subscribers.get(line.recipients)


def _plain(value: object) -> str:
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)
