"""Papers with their votes over time, and the runs of the sources that brought them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from digest.database.dialect import insert_new, insert_or_change
from digest.database.tables import collections, papers, validators, votes
from digest.papers.collecting.collection import COMPLETE, Collected, SourceHealth, as_json, from_json
from digest.papers.paper import Observed, Paper, Votes, merge
from digest.papers.ranking.track_record import Past
from digest.papers.search.index import index_papers
from digest.papers.sources.source import Unreadable, Validator

_T = TypeVar("_T")
_AT_ONCE = 500  # below every database's limit of values in one statement
_SEVERAL = ("authors", "categories", "keywords")
_PAPER_FIELDS = tuple(Paper.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Listing:
    """What one source listed at one instant."""

    source: str
    seen_at: datetime
    papers: Sequence[Paper]


def keep_papers(connection: Connection, listing: Listing) -> int:
    """Store what is listed, merged with what is known; how many were never seen before `seen_at`."""
    listed = _merged(listing.papers)
    known = _known(connection, list(listed))
    rows = [_row(paper, listing, known.get(paper_id)) for paper_id, paper in sorted(listed.items())]
    for some in _portions(rows):
        connection.execute(insert_or_change(connection, papers, ["id"]), some)
    index_papers(connection, rows)
    return sum(row["first_seen_at"] == listing.seen_at for row in rows)


def keep_votes(connection: Connection, observations: Iterable[Votes]) -> int:
    """Store observations of papers that are known; how many those are. One that is there already stays as it is."""
    seen = list(observations)
    known = _ids(connection, [one.paper_id for one in seen])
    rows = [asdict(one) for one in seen if one.paper_id in known]
    for some in _portions(rows):
        connection.execute(insert_new(connection, votes), some)
    return len(rows)


def withdraw(connection: Connection, ids: Sequence[str], at: datetime) -> None:
    """Remember that these papers were taken back; of one that was so before, the first instant is kept.

    A paper that no source ever listed is nothing to us.
    """
    for some in _portions(ids):
        change = update(papers).where(papers.c.id.in_(some), papers.c.withdrawn_at.is_(None))
        connection.execute(change.values(withdrawn_at=at))


def pool(connection: Connection, since: datetime, until: datetime) -> list[Observed]:
    """The papers that surfaced within [since, until], with the votes observed up to `until`.

    A paper surfaces when it is first seen, and again when it is put on a list that people vote on. One that was
    withdrawn by then is not among them.
    """
    surfaced = papers.c.first_seen_at.between(since, until) | papers.c.listed_at.between(since, until)
    there = (papers.c.first_seen_at <= until) & (papers.c.withdrawn_at.is_(None) | (papers.c.withdrawn_at > until))
    within = surfaced & there
    cast: dict[str, list[Votes]] = {}
    seen = select(votes).join(papers).where(within, votes.c.observed_at <= until).order_by(votes.c.observed_at)
    for row in connection.execute(seen):
        cast.setdefault(row.paper_id, []).append(Votes(**row._mapping))
    return [
        Observed(paper_in(row), row.first_seen_at, tuple(cast.get(row.id, ())))
        for row in connection.execute(select(papers).where(within).order_by(papers.c.id))
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
    """One paper with all its votes."""
    row = connection.execute(select(papers).where(papers.c.id == paper_id)).one_or_none()
    if row is None:
        return None
    seen = select(votes).where(votes.c.paper_id == paper_id).order_by(votes.c.observed_at)
    return Observed(paper_in(row), row.first_seen_at, tuple(Votes(**v._mapping) for v in connection.execute(seen)))


def papers_with(connection: Connection, paper_ids: Sequence[str]) -> dict[str, Paper]:
    """Those of the papers that are in the archive, by id."""
    return {paper_id: paper_in(row) for paper_id, row in _known(connection, paper_ids).items()}


def latest_papers(connection: Connection, limit: int) -> list[Paper]:
    """The papers seen first most recently; of one run, those listed last come first."""
    listed = func.coalesce(papers.c.listed_at, papers.c.published_at, papers.c.first_seen_at)
    query = select(papers).where(papers.c.withdrawn_at.is_(None))
    query = query.order_by(papers.c.first_seen_at.desc(), listed.desc(), papers.c.id).limit(limit)
    return [paper_in(row) for row in connection.execute(query)]


def paper_in(row: Row[Any]) -> Paper:
    """The paper that a row of the table `papers` holds."""
    values = {name: row._mapping[name] for name in _PAPER_FIELDS}
    return Paper(**values | {name: tuple(values[name]) for name in _SEVERAL})


def record_collection(connection: Connection, run: Collected) -> None:
    """Remember a run. The same run again takes its place, unless it has only to say that nothing changed."""
    same = (
        (collections.c.source == run.source)
        & (collections.c.day == run.day)
        & (collections.c.started_at == run.started_at)
    )
    if run.facts.unchanged and connection.execute(select(collections.c.id).where(same)).first():
        return
    connection.execute(delete(collections).where(same))
    unreadable = [asdict(record) for record in run.unreadable]
    row = asdict(run) | {"outcome": str(run.outcome), "unreadable": unreadable, "facts": as_json(run.facts)}
    connection.execute(insert(collections).values(row))


def last_collections(connection: Connection, until: datetime | None = None) -> list[Collected]:
    """How each source was last seen, by name: the latest run for its latest day, up to `until`."""
    newest = func.row_number().over(
        partition_by=collections.c.source,
        order_by=(collections.c.day.desc(), collections.c.started_at.desc(), collections.c.id.desc()),
    )
    runs = select(collections, newest.label("place"))
    if until is not None:
        runs = runs.where(collections.c.started_at <= until, collections.c.day <= until.date())
    ranked = runs.subquery()
    query = select(ranked).where(ranked.c.place == 1).order_by(ranked.c.source)
    return [collected(row) for row in connection.execute(query)]


def last_complete(connection: Connection, source: str, since: date) -> dict[date, datetime]:
    """When the list of each day from `since` on was last read whole."""
    query = (
        select(collections.c.day, func.max(collections.c.started_at).label("at"))
        .where(
            collections.c.source == source, collections.c.day >= since, collections.c.outcome.in_(map(str, COMPLETE))
        )
        .group_by(collections.c.day)
    )
    return {row.day: row.at for row in connection.execute(query)}


def validator(connection: Connection, url: str) -> Validator | None:
    """What the server last said of this address."""
    query = select(validators.c.etag, validators.c.last_modified).where(validators.c.url == url)
    row = connection.execute(query).one_or_none()
    return Validator(row.etag, row.last_modified) if row else None


def keep_validators(connection: Connection, said: Mapping[str, Validator], fetched_at: datetime) -> None:
    """Remember what servers said, in the transaction that stores what they sent."""
    rows = [{"url": url, **asdict(value), "fetched_at": fetched_at} for url, value in said.items() if len(url) <= 500]
    if rows:
        connection.execute(insert_or_change(connection, validators, ["url"]), rows)


def _merged(listed: Iterable[Paper]) -> dict[str, Paper]:
    merged: dict[str, Paper] = {}
    for record in listed:
        merged[record.id] = merge(merged[record.id], record) if record.id in merged else record
    return merged


def _known(connection: Connection, ids: Sequence[str]) -> dict[str, Row[Any]]:
    return {
        row.id: row
        for some in _portions(ids)
        for row in connection.execute(select(papers).where(papers.c.id.in_(some)))
    }


def _row(listed: Paper, listing: Listing, known: Row[Any] | None) -> dict[str, Any]:
    together = merge(paper_in(known), listed) if known else listed
    row = {name: getattr(together, name) for name in _PAPER_FIELDS}
    first, last, sources = (known.first_seen_at, known.last_seen_at, set(known.sources)) if known else _NEVER
    return row | {
        **{name: list(row[name]) for name in _SEVERAL},
        "sources": sorted(sources | {listing.source}),
        # An earlier instant comes later when recorded days are replayed.
        "first_seen_at": min(first or listing.seen_at, listing.seen_at),
        "last_seen_at": max(last or listing.seen_at, listing.seen_at),
        "withdrawn_at": known.withdrawn_at if known else None,
    }


_NEVER: tuple[None, None, set[str]] = (None, None, set())


def collected(row: Row[Any]) -> Collected:
    """A row of `collections` as a value."""
    values = {name: row._mapping[name] for name in Collected.__dataclass_fields__}
    unreadable = tuple(Unreadable(**record) for record in row.unreadable)
    return Collected(
        **values | {"outcome": SourceHealth(row.outcome), "unreadable": unreadable, "facts": from_json(row.facts)}
    )


def _ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    return {
        found
        for some in _portions(ids)
        for found in connection.scalars(select(papers.c.id).where(papers.c.id.in_(some)))
    }


def _portions(values: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
