"""What every source answers: papers it lists for a date, what it showed of their votes, and what could not be read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from digest.papers.paper import Paper, Votes


class SourceUnavailable(Exception):
    """The source gave no usable answer; the message says what happened in one line."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that was skipped: where it stood and why, in words for the operator."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Validator:
    """What a server said of the version it sent, given back to it with the next request (RFC 9110 §8.8, §13)."""

    etag: str = ""
    last_modified: str = ""


# The validator of an address, if one was remembered.
Remembered = Callable[[str], Validator | None]


@dataclass(slots=True)
class SourceResult:
    """One run of one source. `unchanged` = the source said 304: nothing changed since it was last read whole."""

    papers: list[Paper] = field(default_factory=list)
    votes: list[Votes] = field(default_factory=list)  # those of papers that nobody listed are left out
    withdrawn: list[str] = field(default_factory=list)  # ids of papers that are no longer to be shown
    dated: date | None = None  # the day that the list itself says it is of, where it says so
    unreadable: list[Unreadable] = field(default_factory=list)
    unchanged: bool = False
    refused: dict[str, str] = field(default_factory=dict)  # suggested papers that there are not: id → why, for readers
    incomplete: str = ""  # why not everything was read, e.g. a page that failed after others had come
    validators: dict[str, Validator] = field(default_factory=dict)  # by address; kept once the papers are stored


class Source(Protocol):
    """A place that papers come from.

    Two attributes may be left out: `past_days` = False when it can only say how things are now, so that it is never
    asked for an earlier day; `shows_votes` = False when it brings none, so that earlier days are read again less often.
    """

    name: str

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """Papers that the source lists for `day`, as observed at `now`. Raises SourceUnavailable."""
        ...


def has_past_days(source: Source) -> bool:
    """Whether the source can be asked for a day before today."""
    return bool(getattr(source, "past_days", True))


def shows_votes(source: Source) -> bool:
    """Whether reading a day again observes votes."""
    return bool(getattr(source, "shows_votes", True))
