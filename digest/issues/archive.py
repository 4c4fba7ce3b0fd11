"""Past issues as the pages and feeds show them: by month, by paper, and where a paper stood."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from digest.database.tables import issue_papers, issues, papers
from digest.issues.store import ranked_in
from digest.ledger.kinds import IssueStatus
from digest.papers.paper import RankedPaper
from digest.papers.score_terms import ScoreTerms


@dataclass(frozen=True, slots=True)
class IssueRank:
    """A paper's place in one issue, with every number that led to it."""

    day: date
    rank: int
    of: int  # how many papers the issue holds
    score: float
    terms: ScoreTerms


def latest_place(connection: Connection, paper_id: str) -> IssueRank | None:
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
    return IssueRank(day=row.date, rank=row.rank, of=of, score=row.score, terms=ScoreTerms.from_dict(row.terms))


@dataclass(frozen=True, slots=True)
class Day:
    """One line of the list of issues."""

    date: date
    papers: int
    best: str  # title of the first


@dataclass(frozen=True, slots=True)
class Appearance:
    """A paper in the first issue that had it among its best."""

    ranked: RankedPaper
    day: date
    cut_at: datetime


def months_of_issues(connection: Connection) -> list[date]:
    """The first days of the months that have issues, newest first."""
    days = connection.execute(_shown(select(issues.c.date)).order_by(issues.c.date.desc())).scalars()
    return list(dict.fromkeys(day.replace(day=1) for day in days))


def days_in(connection: Connection, month: date) -> list[Day]:
    """The issues of the month that begins with `month`, newest first."""
    after = (month + timedelta(days=32)).replace(day=1)
    first, every = issue_papers.alias(), issue_papers.alias()
    counted = select(func.count()).select_from(every).where(every.c.issue_id == issues.c.id).scalar_subquery()
    query = (
        _shown(select(issues.c.date, counted.label("papers"), first.c.paper))
        .outerjoin(first, (first.c.issue_id == issues.c.id) & (first.c.rank == 1))
        .where(issues.c.date >= month, issues.c.date < after)
        .order_by(issues.c.date.desc())
    )
    return [Day(row.date, row.papers, (row.paper or {}).get("title", "")) for row in connection.execute(query)]


def appearances(connection: Connection, best: int, issues_back: int) -> list[Appearance]:
    """The papers of the newest issues, each in the first issue that had it among the `best`; newest issue first.

    What an issue shows never changes afterwards, nor where a paper stands here.
    """
    newest = _shown(select(issues.c.id, issues.c.date, issues.c.cut_at)).order_by(issues.c.date.desc())
    window = connection.execute(newest.limit(issues_back)).all()
    shown = issue_papers.c.issue_id.in_([issue.id for issue in window]), issue_papers.c.rank <= best
    first = _first_days(connection, best, select(issue_papers.c.paper_id).where(*shown))
    ranked: dict[int, list[RankedPaper]] = {issue.id: [] for issue in window}
    for row in connection.execute(select(issue_papers).where(*shown).order_by(issue_papers.c.rank)):
        ranked[row.issue_id].append(ranked_in(row))
    return [
        Appearance(one, issue.date, issue.cut_at)
        for issue in window
        for one in ranked[issue.id]
        if first[one.paper.id] == issue.date
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
    """When the newest issue was cut."""
    return connection.execute(
        _shown(select(issues.c.cut_at)).order_by(issues.c.date.desc()).limit(1)
    ).scalar_one_or_none()


def newest_paper_ids(connection: Connection, limit: int) -> list[str]:
    """The ids of the papers seen first most recently."""
    query = select(papers.c.id).where(papers.c.withdrawn_at.is_(None))
    query = query.order_by(papers.c.first_seen_at.desc(), papers.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def _shown(query: Select[Any]) -> Select[Any]:
    return query.where(issues.c.kind == "daily", issues.c.status != IssueStatus.CANCELLED)
