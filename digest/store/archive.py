"""Where papers stood in past issues, for the pages that explain a place."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from digest.issues.issue import IssueStatus
from digest.store.tables import issue_papers, issues


@dataclass(frozen=True, slots=True)
class Place:
    """A paper's place in one issue, with every number that led to it."""

    day: date
    rank: int
    of: int  # how many papers the issue holds
    score: float
    terms: dict[str, float]


def latest_place(connection: Connection, paper_id: str) -> Place | None:
    """The place in the newest issue that holds the paper; None when none does."""
    query = (
        select(issues.c.id, issues.c.date, issue_papers.c.rank, issue_papers.c.score, issue_papers.c.terms)
        .join(issues, issues.c.id == issue_papers.c.issue_id)
        .where(issue_papers.c.paper_id == paper_id, issues.c.kind == "daily", issues.c.status != IssueStatus.CANCELLED)
        .order_by(issues.c.date.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    last = select(issue_papers.c.rank).where(issue_papers.c.issue_id == row.id).order_by(issue_papers.c.rank.desc())
    of = connection.execute(last.limit(1)).scalar_one()
    return Place(day=row.date, rank=row.rank, of=of, score=row.score, terms=row.terms)
