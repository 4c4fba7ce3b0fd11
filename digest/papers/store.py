"""SQL for papers and for their votes over time."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, func, select, update

from digest.database.dialect import insert_new, insert_or_change
from digest.database.tables import papers, votes
from digest.papers.paper import COLUMNS, LISTS, Observed, Paper, Votes, merge, paper_from
from digest.papers.ranking import Past
from digest.papers.search import index_papers

_T = TypeVar("_T")
_BATCH = 500  # below every database's limit of values in one statement


@dataclass(frozen=True, slots=True)
class Listing:
    """The papers that a source listed at one instant."""

    source: str
    seen_at: datetime
    papers: Sequence[Paper]


def keep_papers(connection: Connection, listing: Listing) -> int:
    """Store the listed papers, merged with what is stored. Returns how many were first seen at `seen_at`."""
    listed: dict[str, Paper] = {}
    for paper in listing.papers:
        listed[paper.id] = merge(listed[paper.id], paper) if paper.id in listed else paper
    stored = _rows_of(connection, list(listed))
    rows = [_row(paper, listing, stored.get(paper_id)) for paper_id, paper in sorted(listed.items())]
    for batch in _batches(rows):
        connection.execute(insert_or_change(connection, papers, ["id"]), batch)
    index_papers(connection, rows)
    return sum(row["first_seen_at"] == listing.seen_at for row in rows)


def keep_votes(connection: Connection, observations: Iterable[Votes]) -> int:
    """Store the observations of papers in the archive and return their number. A stored observation never changes."""
    observed = list(observations)
    ids = [observation.paper_id for observation in observed]
    stored = {
        paper_id
        for batch in _batches(ids)
        for paper_id in connection.scalars(select(papers.c.id).where(papers.c.id.in_(batch)))
    }
    rows = [asdict(observation) for observation in observed if observation.paper_id in stored]
    for batch in _batches(rows):
        connection.execute(insert_new(connection, votes), batch)
    return len(rows)


def withdraw(connection: Connection, ids: Sequence[str], at: datetime) -> None:
    """Mark papers as withdrawn. The first withdrawal counts, and ids that are not in the archive are ignored."""
    for batch in _batches(ids):
        change = update(papers).where(papers.c.id.in_(batch), papers.c.withdrawn_at.is_(None))
        connection.execute(change.values(withdrawn_at=at))


def pool(connection: Connection, since: datetime, until: datetime) -> list[Observed]:
    """The papers that surfaced within [since, until], with the votes observed up to `until`.

    A paper surfaces when it is first seen, and again when it is put on a list that people vote on. Papers withdrawn by
    `until` are left out.
    """
    surfaced = papers.c.first_seen_at.between(since, until) | papers.c.listed_at.between(since, until)
    present = (papers.c.first_seen_at <= until) & (papers.c.withdrawn_at.is_(None) | (papers.c.withdrawn_at > until))
    selected = surfaced & present
    votes_of: dict[str, list[Votes]] = {}
    observations = select(votes).join(papers).where(selected, votes.c.observed_at <= until)
    for row in connection.execute(observations.order_by(votes.c.observed_at)):
        votes_of.setdefault(row.paper_id, []).append(Votes(**row._mapping))
    return [
        Observed(paper_from(row), row.first_seen_at, tuple(votes_of.get(row.id, ())))
        for row in connection.execute(select(papers).where(selected).order_by(papers.c.id))
    ]


def past(connection: Connection, since: datetime, until: datetime) -> list[Past]:
    """The papers with votes first seen within [since, until], each with the most votes observed up to `until`."""
    most = (
        select(votes.c.paper_id, func.max(votes.c.upvotes).label("upvotes"))
        .where(votes.c.observed_at <= until)
        .group_by(votes.c.paper_id)
        .subquery()
    )
    query = (
        select(papers.c.organization, papers.c.submitter, papers.c.first_seen_at, most.c.upvotes)
        .join(most, most.c.paper_id == papers.c.id)
        .where(papers.c.first_seen_at.between(since, until))
    )
    return [Past(*row) for row in connection.execute(query)]


def paper(connection: Connection, paper_id: str) -> Observed | None:
    """The paper with all its votes."""
    row = connection.execute(select(papers).where(papers.c.id == paper_id)).one_or_none()
    if row is None:
        return None
    query = select(votes).where(votes.c.paper_id == paper_id).order_by(votes.c.observed_at)
    observations = tuple(Votes(**observation._mapping) for observation in connection.execute(query))
    return Observed(paper_from(row), row.first_seen_at, observations)


def papers_with(connection: Connection, paper_ids: Sequence[str]) -> dict[str, Paper]:
    """The papers that are in the archive, by id."""
    return {paper_id: paper_from(row) for paper_id, row in _rows_of(connection, paper_ids).items()}


def latest_papers(connection: Connection, limit: int) -> list[Paper]:
    """The papers first seen most recently; within one run, the most recently listed come first."""
    listed = func.coalesce(papers.c.listed_at, papers.c.published_at, papers.c.first_seen_at)
    query = select(papers).where(papers.c.withdrawn_at.is_(None))
    query = query.order_by(papers.c.first_seen_at.desc(), listed.desc(), papers.c.id).limit(limit)
    return [paper_from(row) for row in connection.execute(query)]


def _rows_of(connection: Connection, ids: Sequence[str]) -> dict[str, Row[Any]]:
    return {
        row.id: row
        for batch in _batches(ids)
        for row in connection.execute(select(papers).where(papers.c.id.in_(batch)))
    }


def _row(listed: Paper, listing: Listing, stored: Row[Any] | None) -> dict[str, Any]:
    merged = merge(paper_from(stored), listed) if stored else listed
    row = {name: getattr(merged, name) for name in COLUMNS}
    seen = [listing.seen_at, *([stored.first_seen_at, stored.last_seen_at] if stored else [])]
    return row | {
        **{name: list(row[name]) for name in LISTS},
        "sources": sorted({listing.source, *(stored.sources if stored else ())}),
        # An earlier instant may come later, when recorded days are replayed.
        "first_seen_at": min(seen),
        "last_seen_at": max(seen),
        "withdrawn_at": stored.withdrawn_at if stored else None,
    }


def _batches(values: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
