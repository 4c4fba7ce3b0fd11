"""What one run of one source came to, in a word and in a sentence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from digest.papers.sources.source import Unreadable

# As readers know them; any other source goes by its own name.
_NAMES = {"huggingface": "Hugging Face", "arxiv": "arXiv", "hackernews": "Hacker News", "feeds": "The operator’s list"}


class SourceHealth(StrEnum):
    """How a source is, judged by one run (papers/collecting/health.py)."""

    FRESH = "fresh"  # it listed papers of this day, and all was read
    QUIET = "quiet"  # it listed nothing, and nothing was to be expected: a weekend, a holiday, too early
    STALE = "stale"  # it should have a list of this day by now, and has none, or still the one before
    PARTIAL = "partial"  # some of it could not be read, or is not there
    FAILING = "failing"  # no usable answer


# The list was read to its end, whatever was in it.
COMPLETE = frozenset({SourceHealth.FRESH, SourceHealth.QUIET, SourceHealth.STALE})


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What a list was like, so that the next one can be compared with it."""

    dated: date | None = None  # the day that the list itself says it is of
    newest: str = ""  # the newest arXiv id on it
    sample: tuple[str, ...] = ()  # some of its ids, always the same ones of the same list
    categories: Mapping[str, int] = field(default_factory=dict)  # papers by primary category
    unchanged: bool = False  # the source said that nothing changed since it was last read


@dataclass(frozen=True, slots=True)
class Collected:
    """One run of one source for the list of one day."""

    source: str
    day: date
    started_at: datetime
    outcome: SourceHealth
    papers: int  # listed and readable; of an unchanged list, as many as before
    new: int  # of these, never seen before this instant
    unreadable: tuple[Unreadable, ...]
    message: str
    facts: ListFacts = ListFacts()


def as_json(facts: ListFacts) -> dict[str, Any]:
    """For storing; what is empty is left out."""
    said = asdict(facts) | {"dated": facts.dated.isoformat() if facts.dated else None}
    return {name: value for name, value in said.items() if value}


def from_json(stored: Mapping[str, Any]) -> ListFacts:
    """The opposite of as_json()."""
    dated = stored.get("dated")
    return ListFacts(
        dated=date.fromisoformat(dated) if dated else None,
        newest=stored.get("newest", ""),
        sample=tuple(stored.get("sample", ())),
        categories=dict(stored.get("categories", {})),
        unchanged=stored.get("unchanged", False),
    )


def name_of(source: str) -> str:
    """The source's name as readers know it."""
    return _NAMES.get(source, source)
