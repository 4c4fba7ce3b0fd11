"""The mail server's log → what was lost, what came twice, and what went to the wrong reader. Never our database."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from email.utils import parseaddr
from itertools import pairwise
from pathlib import Path

from digest.subscribers.tokens import Purpose, verify


@dataclass(frozen=True, slots=True)
class Taken:
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
class Verdict:
    """What the log shows, counted in mails."""

    taken: int
    lost: int  # readers without a mail
    extra: int  # copies beyond the first
    most_copies: int  # of one reader
    different_bytes: int  # copies that are not the same as the reader's first
    wrong_recipient: int  # RCPT, To and unsubscribe link do not all belong to one reader
    shared_message_ids: int  # ids that two readers' mails have in common
    resets: int  # taken, but the connection was reset instead of an answer
    bytes_per_message: int
    longest_stall: float  # seconds between two mails
    lost_readers: Collection[str] = ()


def as_line(taken: Taken) -> str:
    """One line of the log, ended."""
    return "\t".join(_plain(value) for value in astuple(taken)) + "\n"


def read_log(file: Path) -> Iterator[Taken]:
    """What was taken, in order. A last line without its end was not noted, so it was not answered either."""
    with file.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            if line.endswith("\n"):
                at, recipients, message_id, sha256, to, token, size, answered = line[:-1].split("\t")
                yield Taken(float(at), recipients, message_id, sha256, to, token, int(size), answered == "True")


def judge(log: Sequence[Taken], readers: Mapping[str, int], keys: Sequence[bytes]) -> Verdict:
    """Judge a run that owes one mail to each of `readers` (address → number); `keys` sign their links."""
    first: dict[str, Taken] = {}
    copies: dict[str, int] = {}
    reader_of_id: dict[str, str] = {}
    different = wrong = shared = 0
    for one in log:
        reader = one.recipients
        copies[reader] = copies.get(reader, 0) + 1
        different += first.setdefault(reader, one).sha256 != one.sha256
        wrong += not _is_own(one, readers, keys)
        shared += reader_of_id.setdefault(one.message_id, reader) != reader
    lost = readers.keys() - copies.keys()
    times = sorted(one.at for one in log)
    return Verdict(
        taken=len(log),
        lost=len(lost),
        extra=len(log) - len(copies),
        most_copies=max(copies.values(), default=0),
        different_bytes=different,
        wrong_recipient=wrong,
        shared_message_ids=shared,
        resets=sum(not one.answered for one in log),
        bytes_per_message=sum(one.size for one in log) // max(1, len(log)),
        longest_stall=round(max((b - a for a, b in pairwise(times)), default=0.0), 1),
        lost_readers=lost,
    )


def _is_own(one: Taken, readers: Mapping[str, int], keys: Sequence[bytes]) -> bool:
    token = verify(Purpose.UNSUBSCRIBE, one.token, keys)
    to_them = parseaddr(one.to)[1] == one.recipients
    return token is not None and to_them and token.subscriber_id == readers.get(one.recipients)


def _plain(value: object) -> str:
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)
