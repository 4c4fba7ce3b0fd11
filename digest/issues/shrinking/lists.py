"""Shrinks the lists of old issues, which would take several hundred MB a year: most of their papers are in others too.

Ranks, scores and votes stay. The papers are in the archive, and each keeps all numbers behind its rank in the newest
issue that has it, for its page.
"""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, exists, func, insert, select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, issue_papers, issues, pools
from digest.issues.archive import is_shown
from digest.issues.paper_json import IS_WHOLE, shrunk
from digest.issues.store import SHRUNK, pack_rows

# Terms that lists and charts show.
_KEPT = ("voted", "points", "upvotes", "hackernews", "stars", "gained", "pinned", "score_rank", "score")


def count_whole_papers(connection: Connection, before: date) -> int:
    """Count the papers of the lists that shrink_old_lists() would shrink."""
    old = _whole_lists(before).subquery()
    query = select(func.count()).select_from(issue_papers).join(old, old.c.id == issue_papers.c.issue_id)
    return connection.execute(query).scalar_one()


def shrink_old_lists(engine: Engine, before: date, until: float) -> int:
    """Shrink the lists of issues of dates before `before` that have no deliveries any more.

    Stops at `until` on the monotonic clock. Returns the number of their papers.
    """
    with read_only(engine) as connection:
        old = list(connection.scalars(_whole_lists(before)))
    papers = 0
    for issue_id in old:
        if time.monotonic() > until:
            break
        with transaction(engine) as connection:
            papers += _shrink(connection, issue_id)
    return papers


def _whole_lists(before: date) -> Select[Any]:
    has_deliveries = exists().where(deliveries.c.issue_id == issues.c.id)
    is_whole = exists().where(issue_papers.c.issue_id == issues.c.id, issue_papers.c.rank == 1, IS_WHOLE)
    return select(issues.c.id).where(issues.c.date < before, is_whole, ~has_deliveries).order_by(issues.c.id)


def _shrink(connection: Connection, issue_id: int) -> int:
    listed = select(issue_papers).where(issue_papers.c.issue_id == issue_id)
    rows, repeated = connection.execute(listed).all(), _papers_of_newer(connection, issue_id)
    values = [
        {
            **row._mapping,
            "paper": shrunk(row.paper),
            "terms": _kept(row.terms) if row.paper_id in repeated else row.terms,
        }
        for row in rows
    ]
    # Not updated: SQLite would keep the pages of rows that only become shorter.
    connection.execute(delete(issue_papers).where(issue_papers.c.issue_id == issue_id))
    connection.execute(insert(issue_papers), values)
    rest = SHRUNK + pack_rows(())
    connection.execute(update(pools).where(pools.c.issue_id == issue_id).values(content=rest))
    return len(rows)


def _papers_of_newer(connection: Connection, issue_id: int) -> frozenset[str]:
    """Return the ids of papers in newer daily issues; for a weekly or catch-up issue also in that of its date."""
    this, other = issues.alias(), issue_papers.alias()
    is_newer = (issues.c.date > this.c.date) | ((issues.c.date == this.c.date) & (issues.c.id != this.c.id))
    newer = exists().where(other.c.paper_id == issue_papers.c.paper_id, other.c.issue_id == issues.c.id)
    newer = newer.where(is_shown(issues), this.c.id == issue_id, is_newer)
    query = select(issue_papers.c.paper_id).where(issue_papers.c.issue_id == issue_id, newer)
    return frozenset(connection.scalars(query))


def _kept(terms: Mapping[str, Any]) -> dict[str, Any]:
    return {name: terms[name] for name in _KEPT if terms.get(name)}
