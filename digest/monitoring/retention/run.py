"""Applies the rules: counts the old rows, or deletes them in small transactions."""

import time
from collections import Counter
from datetime import date, datetime, timedelta

from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.database.tables import issue_papers
from digest.issues.shrinking import count_whole_papers, shrink_old_lists, shrink_old_pools
from digest.monitoring.retention.rules import rules
from digest.settings import Settings

_AT_ONCE = 2_000  # rows, in one transaction
_PAUSE = 0.02  # seconds between two transactions, for other writers


def too_old(engine: Engine, settings: Settings, now: datetime) -> dict[str, int]:
    """Return the number of rows of each table that would be deleted now, and of papers of lists that would shrink."""
    with read_only(engine) as connection:
        rows = {rule.table.name: rule.count(connection) for rule in rules(connection, settings, now)}
        return rows | {issue_papers.name: count_whole_papers(connection, _first_day_of_rankings(settings, now))}


def delete_old(engine: Engine, settings: Settings, now: datetime, seconds: float = 30.0) -> dict[str, int]:
    """Delete old rows for about `seconds` at most, and shrink old pools and lists; the next run does the rest.

    Returns the number for each table.
    """
    until = time.monotonic() + seconds
    deleted: Counter[str] = Counter()
    shrink_old_pools(engine, now)
    with read_only(engine) as connection:
        every = rules(connection, settings, now)
    for rule in every:
        deleted[rule.table.name] += 0
        more, last = True, 0
        while more and time.monotonic() < until:
            with transaction(engine) as connection:
                number, last = rule.delete_some(connection, _AT_ONCE, last)
            deleted[rule.table.name] += number
            more = number == _AT_ONCE
            time.sleep(_PAUSE if more else 0)
    deleted[issue_papers.name] = shrink_old_lists(engine, _first_day_of_rankings(settings, now), until)
    return dict(deleted)


def _first_day_of_rankings(settings: Settings, now: datetime) -> date:
    return (now - timedelta(days=settings.keep_ranking_days)).date()
