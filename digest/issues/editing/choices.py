"""Editorial choices, and what they make of a ranked pool. Pure.

A choice is about the issues of one date, whatever their kind. docs/selection.md tells what each does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum

from digest.papers.paper import RankedPaper


class Choice(StrEnum):
    """The decision about a paper in the issues of a date."""

    PINNED = "pinned"  # at the top, whatever its rank
    REMOVED = "removed"  # in none of them
    POSTPONED = "postponed"  # in none before another date


@dataclass(frozen=True, slots=True)
class EditorialChoice:
    """A choice about one paper for the issues of `issue_date`."""

    issue_date: date
    paper_id: str
    choice: Choice
    by: str
    at: datetime
    reason: str = ""
    until: date | None = None  # of a postponed paper: the first date that may have it

    def is_in_force(self, day: date) -> bool:
        """True if it decides about the issues of `day`."""
        return self.issue_date == day or (self.until is not None and self.issue_date < day < self.until)


@dataclass(frozen=True, slots=True)
class IssueChoices:
    """All choices that matter for the issues of one date, by paper id."""

    pinned: tuple[str, ...] = ()  # in the order of the list
    left_out: frozenset[str] = frozenset()
    returned: Mapping[str, date] = field(default_factory=dict)  # postponed papers, by the date that may have them


def choices_for(stored: Sequence[EditorialChoice], day: date, days: int) -> IssueChoices:
    """Sort out the choices for an issue of `day` whose pool goes back `days` days.

    A choice for the date itself counts more than a paper's postponement from an earlier one.
    """
    of_day = {choice.paper_id: choice for choice in stored if choice.issue_date == day}
    earlier = {
        choice.paper_id: choice.until
        for choice in sorted(stored, key=lambda choice: choice.issue_date)
        if choice.until and choice.issue_date < day and choice.paper_id not in of_day
    }
    pinned = [choice for choice in of_day.values() if choice.choice is Choice.PINNED]
    left_out = {choice.paper_id for choice in of_day.values() if choice.choice is not Choice.PINNED}
    return IssueChoices(
        tuple(choice.paper_id for choice in sorted(pinned, key=lambda choice: (choice.at, choice.paper_id))),
        frozenset(left_out | {paper_id for paper_id, until in earlier.items() if until > day}),
        {paper_id: until for paper_id, until in earlier.items() if 0 <= (day - until).days < days},
    )


def in_force(stored: Sequence[EditorialChoice], day: date) -> tuple[EditorialChoice, ...]:
    """Those that decide about the issues of `day`, one a paper, the oldest first."""
    by_paper = {
        choice.paper_id: choice
        for choice in sorted(stored, key=lambda choice: choice.issue_date)
        if choice.is_in_force(day)
    }
    return tuple(sorted(by_paper.values(), key=lambda choice: (choice.at, choice.paper_id)))


def start_of(day: date) -> datetime:
    """Midnight in UTC."""
    return datetime.combine(day, time(0), UTC)


def edited(ranked: Sequence[RankedPaper], choices: IssueChoices) -> tuple[RankedPaper, ...]:
    """A ranked pool as the editors want it: without what they left out, and what they pinned at the top.

    No score changes. The terms of a paper say that it was pinned, and which rank its score alone would give it.
    """
    kept = [paper for paper in ranked if paper.paper.id not in choices.left_out]
    by_score = {paper.paper.id: (number, paper) for number, paper in enumerate(kept, start=1)}
    pinned = [by_score[paper_id] for paper_id in choices.pinned if paper_id in by_score]
    others = [entry for paper_id, entry in by_score.items() if paper_id not in choices.pinned]
    first = [_numbered(paper, rank, number, pinned=True) for rank, (number, paper) in enumerate(pinned, start=1)]
    rest = enumerate(others, start=len(pinned) + 1)
    return (*first, *(_numbered(paper, rank, number) for rank, (number, paper) in rest))


def reordered(papers: Sequence[RankedPaper]) -> tuple[RankedPaper, ...]:
    """The papers of an issue by the scores in their terms, with the same ones pinned."""
    pinned = tuple(paper.paper.id for paper in papers if paper.terms.is_pinned)
    best_first = sorted(papers, key=lambda paper: (-paper.terms.score, paper.score_rank))
    return edited([replace(paper, score=paper.terms.score) for paper in best_first], IssueChoices(pinned))


def _numbered(paper: RankedPaper, rank: int, score_rank: int, pinned: bool = False) -> RankedPaper:
    """The paper at a rank of its issue."""
    terms = replace(
        paper.terms,
        pinned=1.0 if pinned else None,
        score_rank=float(score_rank) if pinned or rank != score_rank else None,
    )
    return paper if (rank, terms) == (paper.rank, paper.terms) else replace(paper, rank=rank, terms=terms)
