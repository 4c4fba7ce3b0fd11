"""One recipient's part of a delivery report or complaint, in any format."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReportKind(StrEnum):
    HARD = "hard"  # the address does not exist or accepts no email at all
    SOFT = "soft"  # refused or delayed this time: full, busy, policy, reputation
    COMPLAINT = "complaint"  # the recipient marked the message as spam
    NONE = "none"  # delivered, an automatic reply, or not a report


@dataclass(frozen=True)
class Report:
    kind: ReportKind
    status: str | None = None  # RFC 3463, such as 5.1.1
    recipient: str | None = None  # the address that failed or complained
    diagnostic: str = ""  # one printable line of bounded length
    return_path: str | None = None  # the address this report was sent to, which may carry a VERP token
    message_id: str | None = None  # of the original message, if it is quoted
    token: str | None = None  # from a provider's payload or from the quoted headers
    reporter: str = ""  # name of the reporting server or provider
    at: datetime | None = None
