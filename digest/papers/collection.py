"""What one run of one source came to, in a word and in a sentence. Plain values; papers/collect.py makes them."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from digest.papers.sources.source import Unreadable


class Outcome(StrEnum):
    """How a run of a source went."""

    FRESH = "fresh"  # it listed papers, and all was read
    QUIET = "quiet"  # it answered and listed nothing: a weekend, a holiday
    UNCHANGED = "unchanged"  # it said that nothing changed since the last time
    PARTIAL = "partial"  # some of it could not be read
    FAILING = "failing"  # no usable answer


COMPLETE = frozenset({Outcome.FRESH, Outcome.QUIET, Outcome.UNCHANGED})


@dataclass(frozen=True, slots=True)
class Collected:
    """One run of one source for the list of one day."""

    source: str
    day: date
    started_at: datetime
    outcome: Outcome
    papers: int  # listed and readable
    new: int  # of these, never seen before this instant
    unreadable: tuple[Unreadable, ...]
    message: str
