"""One run of one source, and how it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from digest.papers.sources.source import Unreadable

# As subscribers know them; any other source goes by its own name.
_TITLES = {"huggingface": "Hugging Face", "arxiv": "arXiv", "hackernews": "Hacker News", "feeds": "The operator’s list"}


class SourceHealth(StrEnum):
    """The health of a source in one run (papers/collecting/health.py)."""

    FRESH = "fresh"  # it listed papers of this day, and all of them were read
    QUIET = "quiet"  # it listed nothing, and nothing was expected: a weekend, a holiday, too early
    STALE = "stale"  # a list of this day is overdue: there is none, or still the one before
    PARTIAL = "partial"  # some of it could not be read or is missing
    FAILING = "failing"  # no usable answer


_ADVICE = {
    SourceHealth.STALE: "Late papers are in the next issue. If this lasts, check the source's own status page.",
    SourceHealth.PARTIAL: "It is read again with the next collecting; `digest collect --json` names each record.",
    SourceHealth.FAILING: "It is read again with the next run. If this lasts, check its address and your network.",
}

# The list was read to its end, whatever was in it.
COMPLETE = frozenset({SourceHealth.FRESH, SourceHealth.QUIET, SourceHealth.STALE})


@dataclass(frozen=True, slots=True)
class ListFacts:
    """Properties of a list by which the next one is compared with it."""

    dated: date | None = None  # the date that the list itself gives
    newest: str = ""  # the newest arXiv id on it
    sample: tuple[str, ...] = ()  # some of its ids; equal lists have equal samples
    categories: Mapping[str, int] = field(default_factory=dict)  # papers by primary category
    unchanged: bool = False  # the source answered that nothing has changed since the last read


@dataclass(frozen=True, slots=True)
class SourceRun:
    """One run of one source for the list of one day."""

    source: str
    day: date
    started_at: datetime
    outcome: SourceHealth
    papers: int  # listed and readable; for an unchanged list, as many as before
    new: int  # of these, first seen in this run
    unreadable: tuple[Unreadable, ...]
    message: str  # for the operator
    facts: ListFacts = ListFacts()

    @property
    def advice(self) -> str:
        """The remedy for the operator; "" if there is none to take."""
        return _ADVICE.get(self.outcome, "")


@dataclass(frozen=True, slots=True)
class History:
    """A source's earlier runs: for each day, the last one before this time of day."""

    same_day: SourceRun | None = None  # the last usable run for the same day
    earlier: Sequence[SourceRun] = ()  # of earlier days that had papers, newest first


def source_title(source: str) -> str:
    """The source's name as subscribers know it."""
    return _TITLES.get(source, source)
