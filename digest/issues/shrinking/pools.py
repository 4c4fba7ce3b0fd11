"""Shrinks the pools of old issues; for the lists of all arXiv archives, a year of pools would take several hundred MB.

Papers that are in a subscriber's list are kept: its page, `explain` and a second copy of its message need them.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, exists, func, select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, issues, pools
from digest.issues.store import SHRUNK, pack_rows, pool_content, rows_in
from digest.ledger.kinds import State
from digest.ledger.received import is_chosen, ranks_of

WHOLE_FOR = timedelta(days=31)  # as long as a paper may be in later pools
_STILL_CHOSEN = (State.QUEUED, State.CLAIMED, State.SENDING, State.QUARANTINED)  # a retry may choose a list anew


def shrink_old_pools(engine: Engine, now: datetime) -> None:
    """Delete the papers that no list has from pools that no list will be chosen from."""
    with read_only(engine) as connection:
        issue_ids = _whole_pools(connection, now - WHOLE_FOR)
    for issue_id in issue_ids:
        with transaction(engine) as connection:
            _shrink(connection, issue_id)


def _whole_pools(connection: Connection, cut_before: datetime) -> list[int]:
    waiting = exists().where(deliveries.c.issue_id == issues.c.id, deliveries.c.state.in_(_STILL_CHOSEN))
    query = select(issues.c.id).join(pools, pools.c.issue_id == issues.c.id)
    is_whole = func.substr(pools.c.content, 1, len(SHRUNK)) != SHRUNK
    return list(connection.scalars(query.where(issues.c.cut_at < cut_before, is_whole, ~waiting)))


def _shrink(connection: Connection, issue_id: int) -> None:
    lists = select(deliveries.c.picks, deliveries.c.selection).where(deliveries.c.issue_id == issue_id, is_chosen())
    ranks, ids = set[int](), set[str]()
    for picks, selection in connection.execute(lists, execution_options={"yield_per": 1_000}):
        ranks.update(ranks_of(picks) if picks is not None else ())
        ids.update(pick[0] for pick in selection["picks"]) if selection else None
    rows = rows_in(pool_content(connection, issue_id))
    kept = [row for row in rows if row["rank"] in ranks or row["paper_id"] in ids]
    content = SHRUNK + pack_rows(kept)
    connection.execute(update(pools).where(pools.c.issue_id == issue_id).values(content=content))
