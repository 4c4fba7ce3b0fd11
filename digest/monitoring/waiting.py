"""Deliveries that are tried again later, and those that are overdue or wait for the operator."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, text

from digest.database.dialect import use_indexes
from digest.database.tables import deliveries
from digest.database.tables.ledger import DEFERRED
from digest.issues.audit import STUCK_AFTER, AuditRow, audit_row, explained_query
from digest.ledger.deliveries import HELD, awaits_operator, is_waiting
from digest.ledger.kinds import State
from digest.ledger.totals import ENDED, WAITING


def retried(connection: Connection, limit: int) -> list[AuditRow]:
    """Explain the deliveries that a server put off, of every issue and of none, the next attempt first."""
    use_indexes(connection)
    by_next = (deliveries.c.next_attempt_at, deliveries.c.id)
    query = explained_query(text(DEFERRED)).order_by(*by_next)  # type: ignore[arg-type]
    return [audit_row(row) for row in connection.execute(query.limit(limit))]


def stuck(connection: Connection, limit: int, now: datetime) -> list[AuditRow]:
    """Explain deliveries that need a person, then overdue ones, each up to `limit`."""
    use_indexes(connection)
    is_overdue = deliveries.c.next_attempt_at < now - STUCK_AFTER
    state = deliveries.c.state
    sorts: tuple[tuple[ColumnElement[bool], ...], ...] = (  # each reads an index of its own
        (state.in_(ENDED), state == State.QUARANTINED),
        (state.in_(HELD), is_overdue),
        (state.in_(WAITING), deliveries.c.issue_id.is_not(None), is_overdue, is_waiting() | awaits_operator()),
        (state.in_(WAITING), deliveries.c.issue_id.is_(None), is_overdue, is_waiting() | awaits_operator()),
    )
    queries = (explained_query(*which).limit(limit) for which in sorts)
    return [audit_row(row) for query in queries for row in connection.execute(query)]
