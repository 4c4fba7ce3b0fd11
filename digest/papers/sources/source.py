"""The interface of every source: the papers it lists for a date, their votes, and what could not be read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from digest.papers.paper import Paper, Votes


class SourceUnavailable(Exception):
    """The source gave no usable answer; the message says why on one line."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that was skipped: where it was and why, for the operator."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Validator:
    """The identifiers of the version that a server sent (RFC 9110 §8.8, §13), for the next request."""

    etag: str = ""
    last_modified: str = ""


# The validator stored for an address, if any.
Remembered = Callable[[str], Validator | None]


@dataclass(slots=True)
class SourceResult:
    """A source's result for a day. `unchanged`: nothing has changed since the last complete reading (304)."""

    papers: list[Paper] = field(default_factory=list)
    votes: list[Votes] = field(default_factory=list)  # votes for papers that no source lists are dropped
    withdrawn: list[str] = field(default_factory=list)  # ids of papers not to be shown any longer
    dated: date | None = None  # the date that the list itself gives, if any
    unreadable: list[Unreadable] = field(default_factory=list)
    unchanged: bool = False
    refused: dict[str, str] = field(default_factory=dict)  # suggested papers that do not exist: id → why
    incomplete: str = ""  # why the result is incomplete, e.g. a later page that failed
    validators: dict[str, Validator] = field(default_factory=dict)  # by address; stored together with the papers


class Source(Protocol):
    """A source of papers.

    Two attributes are optional. `past_days` = False: the source only knows the present and is never asked for an
    earlier day. `shows_votes` = False: it has no votes, so earlier days are read again less often.
    """

    name: str

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The list of `day`, as observed at `now`. Raises SourceUnavailable."""
        ...


def has_past_days(source: Source) -> bool:
    return bool(getattr(source, "past_days", True))


def shows_votes(source: Source) -> bool:
    return bool(getattr(source, "shows_votes", True))
