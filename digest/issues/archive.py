"""Past issues for the pages and feeds: by month, by paper, and the rank of a paper."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, ScalarSelect, Select, func, select

from digest.database.tables import issue_papers, issues, papers
from digest.issues.store import ranked_in
from digest.ledger.kinds import IssueStatus
from digest.papers.paper import RankedPaper
from digest.papers.score_terms import ScoreTerms


@dataclass(frozen=True, slots=True)
class IssueRank:
    """A paper's rank in one issue, with every number that led to it."""

    day: date
    rank: int
    of: int  # how many papers the issue holds
    score: float
    terms: ScoreTerms


def latest_place(connection: Connection, paper_id: str) -> IssueRank | None:
    """Return a paper's rank in the newest issue that contains it."""
    columns = (issues.c.date, issue_papers.c.rank, issue_papers.c.score, issue_papers.c.terms)
    query = (
        _shown(select(*columns, _count_papers().label("of")))
        .join(issues, issues.c.id == issue_papers.c.issue_id)
        .where(issue_papers.c.paper_id == paper_id)
        .order_by(issues.c.date.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return IssueRank(row.date, row.rank, row.of, row.score, ScoreTerms.from_dict(row.terms)) if row else None


@dataclass(frozen=True, slots=True)
class Day:
    """A line in the list of issues."""

    date: date
    papers: int
    best: str  # title of the first paper


@dataclass(frozen=True, slots=True)
class Appearance:
    """A paper in the first issue that ranked it among the best."""

    ranked: RankedPaper
    day: date
    cut_at: datetime


def months_of_issues(connection: Connection) -> list[date]:
    """Return the first days of the months that have issues, newest first."""
    days = connection.execute(_shown(select(issues.c.date)).order_by(issues.c.date.desc())).scalars()
    return list(dict.fromkeys(day.replace(day=1) for day in days))


def days_in(connection: Connection, month: date) -> list[Day]:
    """Return the issues of the month that begins with `month`, newest first."""
    after = (month + timedelta(days=32)).replace(day=1)
    first = issue_papers.alias()
    query = (
        _shown(select(issues.c.date, _count_papers().label("papers"), first.c.paper))
        .outerjoin(first, (first.c.issue_id == issues.c.id) & (first.c.rank == 1))
        .where(issues.c.date >= month, issues.c.date < after)
        .order_by(issues.c.date.desc())
    )
    return [Day(row.date, row.papers, (row.paper or {}).get("title", "")) for row in connection.execute(query)]


def appearances(connection: Connection, best: int, issues_back: int) -> list[Appearance]:
    """Return the papers of the newest issues, each in the first issue that ranked it among the `best`; newest first.

    The result for an issue never changes, since its list is frozen.
    """
    newest = _shown(select(issues.c.id, issues.c.date, issues.c.cut_at)).order_by(issues.c.date.desc())
    window = connection.execute(newest.limit(issues_back)).all()
    shown = issue_papers.c.issue_id.in_([issue.id for issue in window]), issue_papers.c.rank <= best
    first = _first_days(connection, best, select(issue_papers.c.paper_id).where(*shown))
    ranked: dict[int, list[RankedPaper]] = {issue.id: [] for issue in window}
    for row in connection.execute(select(issue_papers).where(*shown).order_by(issue_papers.c.rank)):
        ranked[row.issue_id].append(ranked_in(row))
    return [
        Appearance(paper, issue.date, issue.cut_at)
        for issue in window
        for paper in ranked[issue.id]
        if first[paper.paper.id] == issue.date
    ]


def _first_days(connection: Connection, best: int, paper_ids: Select[Any]) -> dict[str, date]:
    query = (
        _shown(select(issue_papers.c.paper_id, func.min(issues.c.date).label("day")))
        .join(issues, issues.c.id == issue_papers.c.issue_id)
        .where(issue_papers.c.paper_id.in_(paper_ids), issue_papers.c.rank <= best)
        .group_by(issue_papers.c.paper_id)
    )
    return {row.paper_id: row.day for row in connection.execute(query)}


def newest_cut(connection: Connection) -> datetime | None:
    return connection.execute(_shown(select(issues.c.cut_at)).order_by(issues.c.date.desc()).limit(1)).scalar()


def newest_paper_ids(connection: Connection, limit: int) -> list[str]:
    """Return the ids of the papers that were first seen most recently."""
    query = select(papers.c.id).where(papers.c.withdrawn_at.is_(None))
    query = query.order_by(papers.c.first_seen_at.desc(), papers.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def _count_papers() -> ScalarSelect[int]:
    counted = issue_papers.alias()
    return select(func.count()).select_from(counted).where(counted.c.issue_id == issues.c.id).scalar_subquery()


def _shown(query: Select[Any]) -> Select[Any]:
    return query.where(issues.c.kind == "daily", issues.c.status != IssueStatus.CANCELLED)


class IssueCounts(NamedTuple):
    """It differs once an issue was cut or cancelled."""

    issues: int
    newest: int  # number
    cancelled: int


def count_issues(connection: Connection) -> IssueCounts:
    """Count the issues of every kind."""
    cancelled = func.count().filter(issues.c.status == IssueStatus.CANCELLED)
    query = select(func.count(), func.coalesce(func.max(issues.c.id), 0), cancelled).select_from(issues)
    return IssueCounts(*connection.execute(query).one())


def papers_since(connection: Connection, issue_id: int) -> frozenset[str]:
    """Return the ids of the papers in issues that are newer than `issue_id`."""
    query = select(issue_papers.c.paper_id).where(issue_papers.c.issue_id > issue_id)
    return frozenset(connection.execute(query).scalars())
