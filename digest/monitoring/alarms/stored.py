"""The alarms that all processes share: one of them announces each problem once, and its end."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update

from digest.database.dialect import insert_or_change
from digest.database.tables import alarms as table
from digest.ledger import events
from digest.monitoring.alarms.alarm import Alarm
from digest.monitoring.checks import Level, Problem

OVER_AFTER = timedelta(minutes=1)  # without the problem: one that comes and goes is announced once
_CLAIM = timedelta(minutes=2)  # after it, another process may announce an alarm

Key = tuple[str, str]  # name and subject of a problem


def key_of(problem: Problem) -> Key:
    return problem.name, problem.subject[:120]


def stored_rows(connection: Connection) -> dict[Key, Row[Any]]:
    return {(row.name, row.subject): row for row in connection.execute(select(table))}


def needs_writing(rows: Mapping[Key, Row[Any]], problems: Sequence[Problem], now: datetime) -> bool:
    """True if a problem is new, has changed or is over. Most times nothing is written."""
    current = {key_of(problem): problem for problem in problems}
    return any(
        key not in rows or rows[key].ended_at or _differs(rows[key], problem) or _is_due(rows[key], now)
        for key, problem in current.items()
    ) or any(row.ended_at is None or _is_due(row, now) for key, row in rows.items() if key not in current)


def _differs(row: Row[Any], problem: Problem) -> bool:
    return (row.level, row.text) != (problem.level, problem.text)


def take_alarms(
    connection: Connection, problems: Sequence[Problem], now: datetime, announced: Mapping[Key, Problem]
) -> list[Alarm]:
    """Store the problems, and claim the alarms that nobody has announced.

    `announced`: what this process announced while it could not write.
    """
    current = {key_of(problem): problem for problem in problems}
    for key, problem in sorted({**announced, **current}.items()):  # in one order: no two processes block each other
        _store(connection, problem, now, announced.get(key))
    taken = []
    for key, row in sorted(stored_rows(connection).items()):
        if key not in current and row.ended_at is None:
            _change(connection, key, ended_at=now)
        elif key not in current and not row.announced:
            connection.execute(delete(table).where(*_is(key)))
        elif _is_due(row, now) and _claim(connection, key, now):
            problem = Problem(Level(row.level), row.name, row.subject, row.text, row.remedy, row.since)
            taken.append(Alarm(problem, row.ended_at is not None))
    return taken


def record_announced(connection: Connection, alarms: Sequence[Alarm], now: datetime) -> None:
    """Store that these were announced."""
    for alarm in alarms:
        problem = alarm.problem
        what = "over" if alarm.is_over else "alarm"
        details = {"level": problem.level, "text": problem.text}
        events.record(connection, now, f"alarm:{problem.name}"[:80], what, details)
        if alarm.is_over:
            connection.execute(delete(table).where(*_is(key_of(problem)), table.c.ended_at.is_not(None)))
            # It came back meanwhile: a new occurrence.
            _change(connection, key_of(problem), announced="", claimed_at=None)
        else:
            _change(connection, key_of(problem), announced=problem.level, claimed_at=None)


def _store(connection: Connection, problem: Problem, now: datetime, announced: Problem | None) -> None:
    name, subject = key_of(problem)
    row: dict[str, Any] = {"level": problem.level, "text": problem.text, "remedy": problem.remedy, "ended_at": None}
    if announced:
        row["announced"] = announced.level
    new = {"announced": "", "since": problem.since or now} | row
    statement = insert_or_change(connection, table, ["name", "subject"], row)
    connection.execute(statement.values(name=name, subject=subject, **new))


def _is_due(row: Row[Any], now: datetime) -> bool:
    if row.claimed_at is not None and row.claimed_at > now - _CLAIM:
        return False
    if row.ended_at is not None:
        return bool(row.announced) and row.ended_at <= now - OVER_AFTER
    return row.announced not in (row.level, Level.CRITICAL)


def _claim(connection: Connection, key: Key, now: datetime) -> bool:
    free = or_(table.c.claimed_at.is_(None), table.c.claimed_at <= now - _CLAIM)
    claimed: int = connection.execute(update(table).where(*_is(key), free).values(claimed_at=now)).rowcount
    return claimed == 1


def _change(connection: Connection, key: Key, **values: Any) -> None:
    connection.execute(update(table).where(*_is(key)).values(**values))


def _is(key: Key) -> tuple[Any, ...]:
    return table.c.name == key[0], table.c.subject == key[1]
