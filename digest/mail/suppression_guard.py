"""Freezes automatic suppression in a storm of hard failures, until an operator ends it.

A provider in trouble may report all its addresses as unknown. Only failures of issues count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func, select, text, update

from digest.database.dialect import insert_or_change
from digest.database.tables import bounces, subscribers, suppression_guard
from digest.database.tables.bounces import HELD
from digest.ledger import events
from digest.ledger.kinds import Status

log = structlog.get_logger()

HOUR = timedelta(hours=1)
SHARE, AT_LEAST = 0.02, 20  # of the confirmed subscribers, within an hour
IN_A_ROW = 20  # failures at one domain, each within an hour of the previous one
SUBJECT = "suppression"  # subject of its events
_INTERVAL = timedelta(minutes=5)
_t = suppression_guard
_FROZEN = select(_t.c.frozen_at, _t.c.why).where(_t.c.frozen_at.is_not(None))


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze of automatic suppression."""

    since: datetime
    why: str


def frozen(connection: Connection) -> Freeze | None:
    """Return the freeze; None while addresses are suppressed automatically."""
    row = connection.execute(_FROZEN).one_or_none()
    return Freeze(row.frozen_at, row.why) if row else None


def note(connection: Connection, domains: Sequence[str], now: datetime) -> None:
    """Count hard failures of addresses of these domains, and freeze suppression if there are too many."""
    row = _locked(connection, now)
    oldest, current = _interval(now - HOUR), _interval(now)
    counts = {start: count for start, count in row.counts.items() if oldest < start <= current}
    counts[current] = counts.get(current, 0) + len(domains)
    domain, in_a_row = row.domain, row.in_a_row if row.failed_at and now - row.failed_at <= HOUR else 0
    longest = (0, "")
    for each in domains:
        domain, in_a_row = each, in_a_row + 1 if each == domain else 1
        longest = max(longest, (in_a_row, domain))
    within_hour = sum(counts.values())
    values: dict[str, Any] = {"counts": counts, "domain": domain, "in_a_row": in_a_row, "failed_at": now}
    if within_hour >= AT_LEAST and (row.counted_at is None or now - row.counted_at > HOUR):
        values |= {"subscribers": _confirmed(connection), "counted_at": now}
    confirmed = values.get("subscribers", row.subscribers)
    why = _why(*longest, within_hour, confirmed)
    if why and row.frozen_at is None:
        values |= {"frozen_at": now, "why": why}
        events.record(connection, now, SUBJECT, "frozen", {"reason": why})
        log.error("automatic suppression is frozen", why=why, remedy="digest bounces unfreeze")
    connection.execute(update(_t).values(values))


def _why(in_a_row: int, domain: str, within_hour: int, confirmed: int) -> str:
    if in_a_row >= IN_A_ROW:
        return f"{domain} reported {in_a_row} addresses in a row as wrong"
    if within_hour >= AT_LEAST and within_hour > SHARE * confirmed:
        return f"{within_hour:,} addresses of {confirmed:,} subscribers were reported as wrong within an hour"
    return ""


def end_freeze(connection: Connection, now: datetime) -> Freeze | None:
    """Suppress addresses again, and reset the counts; held reports stay held. None if nothing was frozen."""
    before = frozen(connection)
    if before is not None:
        ended: dict[str, Any] = {
            "frozen_at": None,
            "why": "",
            "counts": {},
            "domain": "",
            "in_a_row": 0,
            "failed_at": None,
        }
        connection.execute(update(_t).values(ended))
        events.record(connection, now, SUBJECT, "unfrozen", {"reason": before.why})
    return before


def count_held(connection: Connection, limit: int) -> int:
    """Count the held reports, up to a limit."""
    held = select(bounces.c.id).where(text(HELD)).limit(limit).subquery()
    return connection.execute(select(func.count()).select_from(held)).scalar_one()


def _locked(connection: Connection, now: datetime) -> Row[Any]:
    new = {"id": 1, "why": "", "counts": {}, "domain": "", "in_a_row": 0, "failed_at": now, "subscribers": 0}
    statement = insert_or_change(connection, _t, ["id"], {"id": 1}).values(new).returning(*_t.columns)
    return connection.execute(statement).one()


def _interval(instant: datetime) -> str:
    """Return the start of the interval of an instant, as text that sorts by time."""
    seconds = int(instant.timestamp())
    return str(seconds - seconds % int(_INTERVAL.total_seconds()))


def _confirmed(connection: Connection) -> int:
    query = select(func.count()).where(subscribers.c.status == str(Status.CONFIRMED))
    return connection.execute(query).scalar_one()
