"""The operators' log of events. It never contains an address."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, String, bindparam, insert, select, text, update

from digest.database.dialect import as_rows, rows_of
from digest.database.tables import events
from digest.database.tables.ledger import BY_PEOPLE

_INSERT = insert(events).inline()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `subject` is "issue:2026-11-23", "subscriber:<key>", "source:arxiv", …"""

    at: datetime
    subject: str
    what: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """The person behind what happens."""

    by: str
    through: str  # "shell", "console" or "api"


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


@contextmanager
def acting(by: str, through: str) -> Iterator[None]:
    """Every event in this block names the person who caused it."""
    before = _actor.set(Actor(by[:80], through))
    try:
        yield
    finally:
        _actor.reset(before)


def actor_name() -> str:
    """The person of the acting() block around this call, or ""."""
    actor = _actor.get()
    return actor.by if actor else ""


def record(connection: Connection, at: datetime, subject: str, what: str, detail: dict[str, Any]) -> None:
    """Store one event, in the transaction of the change that it reports."""
    if actor := _actor.get():
        detail = detail | asdict(actor)
    connection.execute(_INSERT, {"at": at, "subject": subject, "what": what, "detail": detail})


def record_each(
    connection: Connection, at: datetime, subjects: Sequence[str], what: str, detail: dict[str, Any]
) -> None:
    """Store the same event for each subject, in one statement."""
    if subjects:
        dialect = connection.dialect.name
        if actor := _actor.get():
            detail = detail | asdict(actor)
        rows = as_rows(dialect, [{"subject": subject} for subject in subjects])
        connection.execute(_insert_each(dialect), {"at": at, "what": what, "detail": detail, **rows})


@cache
def _insert_each(dialect: str) -> Any:
    given = rows_of(dialect, {"subject": String()})
    same = {name: bindparam(name, type_=events.c[name].type) for name in ("at", "what", "detail")}
    return insert(events).inline().from_select([*same, "subject"], select(*same.values(), given.c.subject))


def record_once_a_day(connection: Connection, at: datetime, subject: str, what: str, detail: dict[str, Any]) -> None:
    """Store an event that a stranger can cause, unless the same happened to its subject on the same day (UTC)."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    same = (events.c.subject == subject) & (events.c.what == what) & (events.c.at >= day)
    if connection.execute(select(events.c.id).where(same).limit(1)).first() is None:
        record(connection, at, subject, what, detail)


def latest(connection: Connection, limit: int, subject: str | None = None, what: str | None = None) -> list[Event]:
    """The newest events first."""
    number = events.c.id if subject is None else events.c.id + 0  # or PostgreSQL may read a million events of others
    query = select(events.c.at, events.c.subject, events.c.what, events.c.detail).order_by(number.desc())
    if subject is not None:
        query = query.where(events.c.subject == subject)
    if what is not None:
        query = query.where(events.c.what == what)
    return [Event(*row) for row in connection.execute(query.limit(limit))]


def of_people(connection: Connection, limit: int, before: int | None = None) -> list[tuple[int, Event]]:
    """Return events that people caused, newest first, with their numbers; only those below the number `before`."""
    is_of_people = text(BY_PEOPLE[connection.dialect.name])  # the same text as in the index
    query = select(events.c.id, events.c.at, events.c.subject, events.c.what, events.c.detail).where(is_of_people)
    if before is not None:
        query = query.where(events.c.id < before)
    rows = connection.execute(query.order_by(events.c.id.desc()).limit(limit))
    return [(number, Event(*values)) for number, *values in rows]


def forget_details(connection: Connection, subject: str) -> None:
    """Delete the details of the events of a subject, such as a subscriber's own words; the events themselves stay."""
    connection.execute(update(events).where(events.c.subject == subject).values(detail={}))


def move_subject(connection: Connection, old: str, new: str) -> None:
    """Give the events of one subject to another."""
    connection.execute(update(events).where(events.c.subject == old).values(subject=new))
