"""Figures of past issues: counts, dates, and the votes and scores of one."""

from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Select, bindparam, func, select

from digest.database.fixed import rows_of
from digest.database.tables import issue_papers, issue_topics, issues
from digest.issues.archive import first_appearances, is_shown
from digest.issues.store import BEST_FOR_TOPICS
from digest.ledger.kinds import IssueStatus


def votes_and_scores(connection: Connection, issue_id: int) -> list[tuple[float, float]]:
    """Return votes and score of each paper of an issue that people can vote on, best first."""
    terms = issue_papers.c.terms
    query = (
        select(terms["points"].as_float(), issue_papers.c.score)
        .where(issue_papers.c.issue_id == issue_id, terms["voted"].as_float() > 0)
        .order_by(issue_papers.c.score.desc(), issue_papers.c.rank)
    )
    return [(points, score) for points, score in connection.execute(query)]


class IssueCounts(NamedTuple):
    """It differs once an issue was cut, cancelled, withdrawn or shown again."""

    issues: int
    newest: int  # number
    cancelled: int
    withdrawn: int
    withdrawn_at: datetime | None  # the last


def count_issues(connection: Connection) -> IssueCounts:
    """Count the issues of every kind."""
    cancelled = func.count().filter(issues.c.status == IssueStatus.CANCELLED)
    withdrawn = (func.count(issues.c.withdrawn_at), func.max(issues.c.withdrawn_at))
    query = select(func.count(), func.coalesce(func.max(issues.c.id), 0), cancelled, *withdrawn).select_from(issues)
    return IssueCounts(*connection.execute(query).one())


def papers_of_newer_issues(connection: Connection, issue_id: int) -> frozenset[str]:
    """Return the ids of the papers in issues with a higher number."""
    query = select(issue_papers.c.paper_id).where(issue_papers.c.issue_id > issue_id)
    return frozenset(connection.execute(query).scalars())


def newest_cut(connection: Connection) -> datetime | None:
    """Return when the newest issue that is shown was cut."""
    rows = rows_of(connection, _newest_cut_query(), {})
    return rows[0].cut_at if rows else None


@cache  # building it takes longer than running it
def _newest_cut_query() -> Select[Any]:
    return select(issues.c.cut_at).where(is_shown()).order_by(issues.c.date.desc()).limit(1)


def days_of_issues(connection: Connection, limit: int) -> list[date]:
    """Return the dates of the issues that are shown, newest first."""
    query = select(issues.c.date).where(is_shown()).order_by(issues.c.date.desc()).limit(limit)
    return list(connection.scalars(query))


def months_of_issues(connection: Connection) -> list[date]:
    """Return the first days of the months that have issues, newest first."""
    days = connection.execute(select(issues.c.date).where(is_shown()).order_by(issues.c.date.desc())).scalars()
    return list(dict.fromkeys(day.replace(day=1) for day in days))


def count_by_topic(connection: Connection) -> dict[str, int]:
    """Return the number of papers in recent issues on each topic that has any, by its slug, as appearances() counts."""
    rows = connection.execute(_by_topic_query(), {"best": BEST_FOR_TOPICS})
    return {row.topic: row.papers for row in rows}


@cache
def _by_topic_query() -> Select[Any]:
    first = first_appearances(bindparam("best", type_=Integer)).subquery()
    is_first = (issue_topics.c.issue_id == first.c.issue_id) & (issue_topics.c.rank == first.c.rank)
    return (
        select(issue_topics.c.topic, func.count().label("papers")).join(first, is_first).group_by(issue_topics.c.topic)
    )
