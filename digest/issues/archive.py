"""Past issues for the pages and feeds: by month, by paper, and the rank of a paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    String,
    bindparam,
    case,
    cast,
    extract,
    func,
    or_,
    select,
)

from digest.database.fixed import rows_of
from digest.database.tables import issue_papers, issue_topics, issues, papers, votes
from digest.issues.issue import Issue
from digest.issues.paper_json import papers_of
from digest.issues.store import is_listed, issue_in, newest_of
from digest.ledger.kinds import IssueKind
from digest.papers.paper import COLUMNS, Paper, paper_from
from digest.papers.score_terms import ScoreTerms
from digest.papers.summaries.store import summaries_of_paper

_AS_JSON = ("weights", "settings")  # columns of `issues`
_VOTES = ("upvotes", "hackernews")  # in the terms of a score
_ISSUES_BACK = 14  # issues whose papers the feeds and the pages of topics show


@dataclass(frozen=True, slots=True)
class ListedPaper:
    """A paper of an issue as lists show it, without the numbers behind its rank."""

    rank: int
    paper: Paper  # as it was at the cut
    votes: int
    has_votes: bool  # as in RankedPaper: votes or points
    score_rank: int  # as in RankedPaper
    is_pinned: bool  # at the top because an editor chose it
    gained: int = 0  # votes of the day before the cut
    stars: int = 0  # of its code
    topics: tuple[str, ...] = ()  # slugs, of the highest ranks
    history: str = ""  # its votes until the cut as `seconds:source:votes,…`; "" in lists of many issues


@dataclass(frozen=True, slots=True)
class IssuePart:
    """Some ranks of an issue, for a page that shows no more."""

    issue: Issue  # without its papers
    papers: tuple[ListedPaper, ...]
    total: int  # papers of the whole issue
    has_votes: bool  # whether anyone voted on any of them
    before: date | None = None  # of the issue before this one, among the daily ones
    after: date | None = None


@dataclass(frozen=True, slots=True)
class IssueRank:
    """A paper's rank in one issue, with every number that led to it."""

    day: date
    rank: int  # by its score
    of: int  # how many papers the issue holds
    score: float
    terms: ScoreTerms


def part_of_issue(
    connection: Connection, ranks: range, day: date | None = None, kind: str = IssueKind.DAILY
) -> IssuePart | None:
    """Return `ranks` of the issue of `day`, without it of the newest that has papers; None if there is no such issue.

    A rank beyond the last is left out.
    """
    values = {"kind": kind, "first": ranks.start, "last": ranks.stop - 1} | ({"day": day} if day else {})
    rows = rows_of(connection, _part_query(is_newest=day is None), values)
    if not rows:
        return None
    papers, row = tuple(_listed_in(connection, [row for row in rows if row.rank is not None])), rows[0]
    return IssuePart(issue_in(row, ()), papers, row.total, row.is_voted, row.before, row.after)


@cache  # building it takes longer than running it
def _part_query(is_newest: bool) -> Select[Any]:
    kind = bindparam("kind", type_=issues.c.kind.type)
    # The issue comes first and by itself, or SQLite would count its papers for each of the ranks.
    query = select(issues, _count_papers().label("total"), _is_voted().label("is_voted"), *_neighbours())
    is_public = issues.c.kind != IssueKind.NOTICE
    of_day = query.where(issues.c.kind == kind, is_public, issues.c.date == bindparam("day", type_=Date)).limit(1)
    issue = (newest_of(query, kind) if is_newest else of_day).subquery()
    first = bindparam("first", type_=Integer)
    in_part = issue_papers.c.rank.between(first, bindparam("last", type_=Integer))
    is_first = func.coalesce(issue_papers.c.rank, first) == first
    # JSON comes in the first row alone: decoding it once for each paper would take as long as the papers.
    columns = [case((is_first, column)).label(name) if name in _AS_JSON else column for name, column in issue.c.items()]
    return (
        select(*columns, *_listed_columns(), *_details(issue))
        .outerjoin(issue_papers, (issue_papers.c.issue_id == issue.c.id) & in_part)
        .order_by(issue_papers.c.rank)
    )


def _neighbours() -> list[ColumnElement[Any]]:
    """Select the dates of the daily issues before and after one."""
    other = issues.alias()
    before = _shown(select(func.max(other.c.date)).where(other.c.date < issues.c.date), other)
    after = _shown(select(func.min(other.c.date)).where(other.c.date > issues.c.date), other)
    return [
        query.correlate(issues).scalar_subquery().label(name) for query, name in ((before, "before"), (after, "after"))
    ]


def _details(issue: FromClause) -> list[ColumnElement[Any]]:
    """Select what cards alone show: the topics of a paper, and its votes as they were seen until the cut."""
    topics = select(func.aggregate_strings(issue_topics.c.topic, ",")).where(
        issue_topics.c.issue_id == issue_papers.c.issue_id, issue_topics.c.rank == issue_papers.c.rank
    )
    seconds = cast(cast(extract("epoch", votes.c.observed_at), Integer), String)
    seen = seconds + ":" + votes.c.source + ":" + cast(votes.c.upvotes, String)
    history = select(func.aggregate_strings(seen, ",")).where(
        votes.c.paper_id == issue_papers.c.paper_id, votes.c.observed_at <= issue.c.cut_at
    )
    return [
        topics.correlate(issue_papers).scalar_subquery().label("topics"),
        history.correlate(issue_papers, issue).scalar_subquery().label("history"),
    ]


def _listed_columns() -> list[ColumnElement[Any]]:
    numbers = (*_VOTES, "pinned", "score_rank", "gained", "stars")
    terms = (issue_papers.c.terms[name].as_float().label(name) for name in numbers)
    return [issue_papers.c.rank, issue_papers.c.paper_id, issue_papers.c.paper, *terms]


def _listed_in(connection: Connection, rows: Sequence[Any]) -> list[ListedPaper]:
    papers = papers_of(connection, {row.paper_id: row.paper for row in rows})
    return [_listed(row, papers[row.paper_id]) for row in rows]


def _listed(row: Any, paper: Paper) -> ListedPaper:
    upvotes, points = row.upvotes or 0, row.hackernews or 0
    return ListedPaper(
        row.rank,
        paper,
        int(upvotes),
        upvotes > 0 or points > 0,
        int(row.score_rank or row.rank),
        bool(row.pinned),
        int(row.gained or 0),
        int(row.stars or 0),
        topics=tuple(sorted(filter(None, (getattr(row, "topics", "") or "").split(",")))),
        history=getattr(row, "history", "") or "",
    )


def paper_and_place(connection: Connection, paper_id: str) -> tuple[Paper, IssueRank | None] | None:
    """Return a paper of the archive with its rank in the newest issue that contains it."""
    rows = rows_of(connection, _place_query(), {"id": paper_id})
    if not rows:
        return None
    row = rows[0]
    paper = paper_from(row, summaries_of_paper(connection, paper_id))
    if row.date is None:
        return paper, None
    terms = ScoreTerms.from_dict(row.terms)
    return paper, IssueRank(row.date, int(terms.score_rank or row.rank), row.of, row.score, terms)


@cache
def _place_query() -> Select[Any]:
    columns = (issues.c.date, issue_papers.c.rank, issue_papers.c.score, issue_papers.c.terms)
    return (
        select(*(papers.c[name] for name in COLUMNS), *columns, _count_papers().label("of"))
        .select_from(papers.outerjoin(issue_papers, issue_papers.c.paper_id == papers.c.id))  # nested, SQLite reads all
        .outerjoin(issues, (issues.c.id == issue_papers.c.issue_id) & is_shown(issues))
        .where(papers.c.id == bindparam("id"))
        .order_by(issues.c.date.desc().nulls_last())
        .limit(1)
    )


@dataclass(frozen=True, slots=True)
class Day:
    """A line in the list of issues."""

    date: date
    papers: int
    best: str  # title of the first paper


@dataclass(frozen=True, slots=True)
class Appearance:
    """A paper in the first issue that ranked it among the best."""

    listed: ListedPaper
    day: date  # of the issue
    cut_at: datetime


def days_in(connection: Connection, month: date) -> list[Day]:
    """Return the issues of the month that begins with `month`, newest first."""
    after = (month + timedelta(days=32)).replace(day=1)
    first = issue_papers.alias()
    query = (
        _shown(select(issues.c.date, _count_papers().label("papers"), first.c.paper_id, first.c.paper))
        .outerjoin(first, (first.c.issue_id == issues.c.id) & (first.c.rank == 1))
        .where(issues.c.date >= month, issues.c.date < after)
        .order_by(issues.c.date.desc())
    )
    rows = connection.execute(query).all()
    papers = papers_of(connection, {row.paper_id: row.paper for row in rows if row.paper_id})
    return [Day(row.date, row.papers, papers[row.paper_id].title if row.paper_id else "") for row in rows]


def appearances(
    connection: Connection, best: int, limit: int, offset: int = 0, topic: str | None = None
) -> tuple[list[Appearance], int]:
    """Return papers of the newest issues, each in the first issue that ranked it among the `best`, and their number.

    The newest issue comes first. With the slug of a `topic`, only its papers, of the ranks up to BEST_FOR_TOPICS. The
    result for an issue never changes, since its list is frozen.
    """
    values = {"best": best, "first": limit, "after": offset} | ({"topic": topic} if topic else {})
    rows = rows_of(connection, _appearances_query(has_topic=topic is not None), values)
    listed = zip(_listed_in(connection, rows), rows, strict=True)
    return [Appearance(paper, row.day, row.cut_at) for paper, row in listed], rows[0].total if rows else 0


@cache
def _appearances_query(has_topic: bool) -> Select[Any]:
    first = first_appearances(bindparam("best", type_=Integer))
    if has_topic:
        is_on_topic = (issue_topics.c.issue_id == issue_papers.c.issue_id) & (
            issue_topics.c.topic == bindparam("topic")
        )
        first = first.join(issue_topics, is_on_topic & (issue_topics.c.rank == issue_papers.c.rank))
    newest_first = first.order_by(first.selected_columns.date.desc(), issue_papers.c.rank)
    shown = newest_first.limit(bindparam("first", type_=Integer)).offset(bindparam("after", type_=Integer)).subquery()
    return (
        select(*_listed_columns(), shown.c.date.label("day"), shown.c.cut_at, shown.c.total)
        .join(shown, (shown.c.issue_id == issue_papers.c.issue_id) & (shown.c.rank == issue_papers.c.rank))
        .order_by(shown.c.date.desc(), issue_papers.c.rank)
    )


def first_appearances(best: BindParameter[int]) -> Select[Any]:
    """Select the ranks of the newest issues up to `best` whose paper no earlier issue ranked so high."""
    newest = _shown(select(issues.c.id, issues.c.date, issues.c.cut_at)).order_by(issues.c.date.desc())
    recent = newest.limit(_ISSUES_BACK).subquery()
    earlier, earlier_issue = issue_papers.alias(), issues.alias()
    is_before = (earlier_issue.c.id == earlier.c.issue_id) & (earlier_issue.c.date < recent.c.date)
    # Not joined: SQLite would go through all earlier issues for each paper, instead of through those that held it.
    in_earlier_issue = _shown(select(earlier_issue.c.id), earlier_issue).where(is_before).correlate(earlier, recent)
    is_repeated = (
        select(earlier.c.rank)
        .where(earlier.c.paper_id == issue_papers.c.paper_id, earlier.c.rank <= best, in_earlier_issue.exists())
        .correlate(issue_papers, recent)
        .exists()
    )
    return (
        select(recent.c.date, recent.c.cut_at, issue_papers.c.issue_id, issue_papers.c.rank)
        .add_columns(func.count().over().label("total"))
        .join(recent, recent.c.id == issue_papers.c.issue_id)
        .where(issue_papers.c.rank <= best, ~is_repeated)
    )


def _count_papers() -> ScalarSelect[int]:
    counted = issue_papers.alias()
    return select(func.count()).select_from(counted).where(counted.c.issue_id == issues.c.id).scalar_subquery()


def _is_voted() -> ColumnElement[bool]:
    """True where a paper of the issue has votes, as in RankedPaper.has_votes."""
    ranked = issue_papers.alias()
    voted = (ranked.c.terms[name].as_float() > 0 for name in _VOTES)
    return select(1).where(ranked.c.issue_id == issues.c.id, or_(*voted)).exists()


def _shown(query: Select[Any], issue: FromClause = issues) -> Select[Any]:
    return query.where(is_shown(issue))


def is_shown(issue: FromClause = issues) -> ColumnElement[bool]:
    """True for a daily issue that the archive and the feeds show."""
    return (issue.c.kind == IssueKind.DAILY) & is_listed(issue)
