"""SQL for papers and for their votes over time."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Integer,
    Row,
    Select,
    bindparam,
    cast,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
    update,
)

from digest.database.dialect import Instant, in_list, insert_new, insert_or_change
from digest.database.fixed import rows_of
from digest.database.tables import papers, votes
from digest.papers.paper import COLUMNS, Observed, Paper, Votes, merge, paper_from
from digest.papers.ranking import Past
from digest.papers.ranking.signals import HACKERNEWS
from digest.papers.search import index_papers
from digest.papers.summaries.store import summaries_of


def keep_papers(connection: Connection, source: str, seen_at: datetime, listed: Iterable[Paper]) -> int:
    """Store the papers that `source` listed, merged with what is stored. Returns how many were first seen now."""
    by_id: dict[str, Paper] = {}
    for paper in listed:
        by_id[paper.id] = merge(by_id[paper.id], paper) if paper.id in by_id else paper
    stored = _rows_of(connection, by_id)
    rows = [_row(paper, source, seen_at, stored.get(paper_id)) for paper_id, paper in sorted(by_id.items())]
    if rows:
        connection.execute(insert_or_change(connection, papers, ["id"]), rows)
    index_papers(connection, rows)
    return sum(row["first_seen_at"] == seen_at for row in rows)


def keep_votes(connection: Connection, observations: Sequence[Votes]) -> int:
    """Store the observations of papers in the archive and return their number. A stored observation never changes."""
    observed = {observation.paper_id for observation in observations}
    stored = set(connection.scalars(select(papers.c.id).where(in_list(connection, papers.c.id, observed))))
    rows = [asdict(observation) for observation in observations if observation.paper_id in stored]
    if rows:
        connection.execute(insert_new(connection, votes), rows)
    return len(rows)


def withdraw(connection: Connection, source: str, ids: Sequence[str], at: datetime) -> None:
    """Mark papers as withdrawn by `source`, which undoes it by listing them again. The first withdrawal counts."""
    change = update(papers).where(in_list(connection, papers.c.id, ids), papers.c.withdrawn_at.is_(None))
    connection.execute(change.values(withdrawn_at=at, withdrawn_by=source))


def pool(connection: Connection, since: datetime, until: datetime) -> list[Observed]:
    """The papers that surfaced within [since, until], with the votes observed up to `until`.

    A paper surfaces when it is first seen, and again when it is put on a list that people vote on. Papers withdrawn by
    `until` are left out.
    """
    surfaced = papers.c.first_seen_at.between(since, until) | papers.c.listed_at.between(since, until)
    return _observed(connection, surfaced & _present(until), votes.c.observed_at <= until)


def papers_since(connection: Connection, since: datetime) -> Iterator[tuple[datetime, Paper]]:
    """The papers first seen after an instant, oldest first, with when that was; without those withdrawn."""
    seen = papers.c.first_seen_at
    query = select(papers).where(seen > since, papers.c.withdrawn_at.is_(None)).order_by(seen, papers.c.id)
    for row in connection.execute(query, execution_options={"yield_per": 500}):
        yield row.first_seen_at, paper_from(row)


def observed_among(connection: Connection, ids: Collection[str], until: datetime) -> list[Observed]:
    """Those of the papers that an issue of `until` may hold, however old, with the votes observed up to then."""
    if not ids:
        return []
    return _observed(connection, in_list(connection, papers.c.id, ids) & _present(until), votes.c.observed_at <= until)


def _present(until: datetime) -> ColumnElement[bool]:
    return (papers.c.first_seen_at <= until) & (papers.c.withdrawn_at.is_(None) | (papers.c.withdrawn_at > until))


def past(connection: Connection, since: datetime, until: datetime) -> list[Past]:
    """The papers with votes first seen within [since, until], with the first and most votes observed up to `until`.

    They are those of the source that shows most. Votes hardly ever fall, so the fewest are those of the first look.
    """
    within = {"since": since, "until": until}
    votes_by_id: dict[str, Any] = {}
    for row in rows_of(connection, _PAST_VOTES, within):
        other = votes_by_id.get(row.paper_id)
        if other is None or row.most > other.most:
            votes_by_id[row.paper_id] = row
    return [
        Past(
            row.organization,
            row.submitter,
            row.first_seen_at,
            counts.most,
            counts.first if counts.looks > 1 else None,
            row.authors,
        )
        for row in rows_of(connection, _PAST_PAPERS, within)
        if (counts := votes_by_id.get(row.id))
    ]


_WITHIN = papers.c.first_seen_at.between(bindparam("since", type_=Instant), bindparam("until", type_=Instant))
_PAST_PAPERS = select(*(papers.c[name] for name in ("id", "organization", "submitter", "first_seen_at", "authors")))
_PAST_PAPERS = _PAST_PAPERS.where(_WITHIN).order_by(papers.c.id)
# Not joined: SQLite would go through the papers by the time of their first sight, and then have to sort their votes.
_PAST_VOTES = (
    select(
        votes.c.paper_id,
        func.max(votes.c.upvotes).label("most"),
        func.min(votes.c.upvotes).label("first"),
        func.count().label("looks"),
    )
    .where(
        votes.c.paper_id.in_(select(papers.c.id).where(_WITHIN)),
        votes.c.observed_at <= bindparam("until", type_=Instant),
        votes.c.source != HACKERNEWS,
    )
    .group_by(votes.c.paper_id, votes.c.source)
)


def paper(connection: Connection, paper_id: str) -> Observed | None:
    """The paper with all its votes."""
    row = connection.execute(_PAPER, {"id": paper_id}).one_or_none()
    return Observed(paper_from(row), row.first_seen_at, votes_of(connection, paper_id)) if row else None


def votes_of(connection: Connection, paper_id: str) -> tuple[Votes, ...]:
    """The votes observed for a paper, oldest first."""
    return tuple(Votes(*vote) for vote in rows_of(connection, _VOTES, {"id": paper_id}))


_OF_VOTES = tuple(votes.c[field.name] for field in fields(Votes))
_PAPER = select(papers).where(papers.c.id == bindparam("id"))
_VOTES = select(*_OF_VOTES).where(votes.c.paper_id == bindparam("id")).order_by(votes.c.observed_at)


def papers_with(connection: Connection, paper_ids: Collection[str]) -> dict[str, Paper]:
    """The papers that are in the archive, by id."""
    return {paper_id: paper_from(row) for paper_id, row in _rows_of(connection, paper_ids).items()}


def latest_papers(connection: Connection, limit: int) -> list[Paper]:
    """The papers first seen most recently; within one run, the most recently listed come first."""
    listed = func.coalesce(papers.c.listed_at, papers.c.published_at, papers.c.first_seen_at)
    query = select(papers).where(papers.c.withdrawn_at.is_(None))
    query = query.order_by(papers.c.first_seen_at.desc(), listed.desc(), papers.c.id).limit(limit)
    return [paper_from(row) for row in connection.execute(query)]


def newest_papers(
    connection: Connection, limit: int, before: tuple[datetime, str] | None = None
) -> list[tuple[Paper, datetime]]:
    """The papers first seen last, with that instant; only those `before` an instant and, at the same instant, an id."""
    query = select(papers).where(papers.c.withdrawn_at.is_(None))
    if before is not None:
        at, paper_id = literal(before[0], papers.c.first_seen_at.type), before[1]
        # The first condition is for the index, which knows no ids.
        query = query.where(papers.c.first_seen_at <= at)
        query = query.where(tuple_(papers.c.first_seen_at, papers.c.id) < tuple_(at, paper_id))
    rows = connection.execute(query.order_by(papers.c.first_seen_at.desc(), papers.c.id.desc()).limit(limit))
    return [(paper_from(row), row.first_seen_at) for row in rows]


def days_of_papers(connection: Connection) -> list[date]:
    """Return the days on which papers were first seen, newest first."""
    return list(connection.scalars(_days_query(connection.dialect.name)))


@cache
def _days_query(dialect: str) -> Select[Any]:
    """Step from day to day in the index, which is much longer than the list of days."""
    seen, is_postgresql = papers.c.first_seen_at, dialect == "postgresql"

    def start_of_day(instant: ColumnElement[Any]) -> ColumnElement[Any]:
        if is_postgresql:
            return func.date_trunc("day", instant, "UTC")
        return type_coerce(func.substr(instant, 1, 10), Date)  # SQLite stores an instant in UTC as text

    days = select(start_of_day(func.max(seen)).label("day")).cte("days", recursive=True)
    earlier = select(func.max(seen)).where(seen < days.c.day).scalar_subquery()
    days = days.union_all(select(start_of_day(earlier)).where(days.c.day.is_not(None)))
    day = cast(func.timezone("UTC", days.c.day), Date) if is_postgresql else days.c.day
    return select(day).where(days.c.day.is_not(None))


def papers_of_day(connection: Connection, day: date, limit: int) -> list[str]:
    """Return the ids of papers first seen on `day`, newest first."""
    start = datetime.combine(day, time(0), UTC)
    values = {"start": start, "end": start + timedelta(days=1), "limit": limit}
    return list(connection.scalars(_papers_of_day_query(), values))


@cache
def _papers_of_day_query() -> Select[Any]:
    seen = papers.c.first_seen_at
    query = select(papers.c.id).where(seen >= bindparam("start"), seen < bindparam("end"))
    query = query.where(papers.c.withdrawn_at.is_(None)).order_by(seen.desc(), papers.c.id)
    return query.limit(bindparam("limit", type_=Integer))


def _observed(connection: Connection, selected: ColumnElement[bool], counted: ColumnElement[bool]) -> list[Observed]:
    """The selected papers with those of their votes that count."""
    votes_of: dict[str, list[Votes]] = {}
    observations = select(*_OF_VOTES).join(papers).where(selected, counted).order_by(votes.c.observed_at)
    for row in connection.execute(observations):
        votes_of.setdefault(row.paper_id, []).append(Votes(*row))
    rows = connection.execute(select(papers).where(selected).order_by(papers.c.id)).all()
    summaries = summaries_of(connection, selected)
    return [
        Observed(paper_from(row, summaries.get(row.id, ())), row.first_seen_at, tuple(votes_of.get(row.id, ())))
        for row in rows
    ]


def _rows_of(connection: Connection, ids: Collection[str]) -> dict[str, Row[Any]]:
    rows = connection.execute(select(papers).where(in_list(connection, papers.c.id, ids)))
    return {row.id: row for row in rows}


def _row(listed: Paper, source: str, seen_at: datetime, stored: Row[Any] | None) -> dict[str, Any]:
    merged = merge(paper_from(stored), listed) if stored else listed
    withdrawn = stored if stored and stored.withdrawn_by != source else None
    seen = [seen_at, *([stored.first_seen_at, stored.last_seen_at] if stored else [])]
    return {name: getattr(merged, name) for name in COLUMNS} | {
        "sources": sorted({source, *(stored.sources if stored else ())}),
        # An earlier instant may come later, when recorded days are replayed.
        "first_seen_at": min(seen),
        "last_seen_at": max(seen),
        "withdrawn_at": withdrawn.withdrawn_at if withdrawn else None,
        "withdrawn_by": withdrawn.withdrawn_by if withdrawn else None,
    }
