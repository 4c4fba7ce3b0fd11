"""Who gets an issue, and of which kind: readers by zone and hour, and the one statement that queues their mails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Integer,
    Select,
    String,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.sql.selectable import Subquery
from sqlalchemy.types import TypeEngine

from digest.database.dialect import Id, as_rows, instant_in_rows, rows_of, sort_in_memory
from digest.database.tables import deliveries, subscribers, suppressions
from digest.ledger.kinds import LISTED, Kind, Status
from digest.ledger.queueing import new_row
from digest.subscribers.subscriber import WORKDAYS, Frequency


@dataclass(frozen=True, slots=True)
class Slot:
    """Readers of one zone and hour, and when and on which day of theirs they are due."""

    zone: str
    hour: int
    day: date
    due_at: datetime


def distinct_slots(connection: Connection) -> list[tuple[str, int]]:
    """The zones and hours that confirmed readers ask for."""
    query = select(subscribers.c.zone, subscribers.c.hour).where(subscribers.c.status == Status.CONFIRMED).distinct()
    return [(zone, hour) for zone, hour in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Missed:
    """From which date on a reader who was paused got no issue, to have missed enough for a catch-up."""

    days: date
    weeks: date  # for those who do not want every workday's issue


def also_due(connection: Connection, slots: Sequence[Slot], missed: Missed | None) -> list[Kind]:
    """For which kinds of issue, beside the day's own, there are readers: a weekly one, a catch-up."""
    wanted = [(Kind.WEEKLY, _is_weekly())] + ([(Kind.CATCH_UP, _comes_back(missed))] if missed else [])
    rows = {"rows": as_rows(connection.dialect.name, [_row(slot) for slot in slots])}
    found = []
    for kind, which in wanted:
        query, _slots = _audience(connection.dialect.name, subscribers.c.id)
        if connection.execute(query.where(which).limit(1), rows).first():
            found.append(kind)
    return found


def fan_out(
    connection: Connection,
    issue_ids: Mapping[Kind, int],
    day: date,
    slots: Sequence[Slot],
    now: datetime,
    missed: Missed | None = None,
) -> dict[Kind, int]:
    """Queue one mail for everyone who is confirmed, not suppressed, and wants one on their day; how many of each kind.

    `issue_ids` are the issues of the day by the kind of their mails. Who wants one a week gets the weekly issue, who
    comes back from a pause the catch-up, all others the digest, and so do all where there is no other issue: one
    INSERT … SELECT, joined to the few slots, so that nobody who changes anything meanwhile is left out or queued
    twice. To be called once, in the transaction that stores the issues: there is no mail of theirs before, and to look
    for each takes PostgreSQL long (docs/decisions/0017).
    """
    dialect = connection.dialect.name
    fixed = new_row(Kind.DIGEST, day, now)
    del fixed["kind"]
    query, slot = _audience(dialect, subscribers.c.key, subscribers.c.id)
    query = query.add_columns(
        slot.c.due_at,
        slot.c.due_at.label("first_attempt"),
        _by_reader({kind: str(kind) for kind in issue_ids}, missed, String()).label("kind"),
        _by_reader(issue_ids, missed, Id).label("issue"),
        *(literal(value, deliveries.c[name].type) for name, value in fixed.items()),
    )
    # The ledger's largest index begins with the key: neighbours in it are now also queued, claimed and answered
    # together, which spares PostgreSQL a third of the work, here and with every mail.
    query = query.order_by(subscribers.c.key)
    columns = ["recipient", "subscriber_id", "due_at", "next_attempt_at", "kind", "issue_id", *fixed]
    new = insert(deliveries).from_select(columns, query)
    rows = as_rows(dialect, [_row(slot) for slot in slots])
    sort_in_memory(connection)
    # Without the option SQLAlchemy drops the count of an INSERT.
    queued = connection.execute(new, {"rows": rows}, execution_options={"preserve_rowcount": True}).rowcount
    others = {kind: _count(connection, number) for kind, number in issue_ids.items() if kind is not Kind.DIGEST}
    return others | {Kind.DIGEST: queued - sum(others.values())}


def _audience(dialect: str, *columns: Any) -> tuple[Select[Any], Subquery]:
    """Who gets a mail, and the slots that they are joined to."""
    slot = rows_of(dialect, _SLOT | {"due_at": instant_in_rows(dialect)})
    due = (
        select(*columns)
        .join_from(subscribers, slot, and_(subscribers.c.zone == slot.c.zone, subscribers.c.hour == slot.c.hour))
        .where(
            subscribers.c.status == Status.CONFIRMED,
            subscribers.c.weekdays.bitwise_and(slot.c.weekday) != 0,
            or_(subscribers.c.paused_until.is_(None), subscribers.c.paused_until <= slot.c.day),
            ~exists().where(suppressions.c.key == subscribers.c.key),
        )
    )
    return due, slot


def _by_reader(values: Mapping[Kind, Any], missed: Missed | None, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """What a row gets that differs from reader to reader by the kind of their mail."""
    whens = []
    if Kind.CATCH_UP in values and missed:
        whens.append((_comes_back(missed), literal(values[Kind.CATCH_UP], kind)))
    if Kind.WEEKLY in values:
        whens.append((_is_weekly(), literal(values[Kind.WEEKLY], kind)))
    usual = literal(values[Kind.DIGEST], kind)
    return case(*whens, else_=usual) if whens else usual


def _is_weekly() -> ColumnElement[bool]:
    return subscribers.c.frequency == Frequency.WEEKLY


def _comes_back(missed: Missed) -> ColumnElement[bool]:
    """Whose pause ended lately, without one mail of an issue for so long."""
    seldom = or_(_is_weekly(), subscribers.c.weekdays.bitwise_and(_WORKDAYS) != _WORKDAYS)
    since = case((seldom, literal(missed.weeks, Date())), else_=literal(missed.days, Date()))
    occasion = case((seldom, missed.weeks.isoformat()), else_=missed.days.isoformat())
    got_one = exists().where(
        deliveries.c.recipient == subscribers.c.key,
        deliveries.c.kind.in_(sorted(LISTED)),
        deliveries.c.occasion >= occasion,
    )
    return and_(subscribers.c.paused_until > since, ~got_one)


def _count(connection: Connection, issue_id: int) -> int:
    query = select(func.count()).where(deliveries.c.issue_id == issue_id)
    return connection.execute(query).scalar_one()


_WORKDAYS = sum(1 << day for day in WORKDAYS)
_SLOT: dict[str, Any] = {"zone": String(), "hour": Integer(), "weekday": Integer(), "day": Date()}


def _row(slot: Slot) -> dict[str, Any]:
    return {
        "zone": slot.zone,
        "hour": slot.hour,
        "weekday": 1 << slot.day.weekday(),
        "day": slot.day.isoformat(),
        "due_at": slot.due_at,
    }
