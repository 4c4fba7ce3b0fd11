"""The subscribers who get an issue, by zone and hour, and the one statement that queues their deliveries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
    update,
)
from sqlalchemy.sql.selectable import Subquery
from sqlalchemy.types import TypeEngine

from digest.database.dialect import Id, as_rows, instant_in_rows, rows_of, sort_in_memory
from digest.database.tables import deliveries, issues, subscribers, suppressions
from digest.ledger.kinds import WITH_PAPERS, IssueKind, Kind, SkipReason, State, Status
from digest.ledger.queueing import new_row, sent_before_restore
from digest.subscribers.subscriber import WORKDAYS, Frequency

DUE = "due"  # the reason of those who get a delivery


@dataclass(frozen=True, slots=True)
class Slot:
    """The subscribers of one zone and hour, with their local date and the instant at which they are due."""

    zone: str
    hour: int
    day: date
    due_at: datetime
    any_weekday: bool = False  # also those who get no issue on this weekday


def distinct_slots(connection: Connection) -> list[tuple[str, int]]:
    """Return the zones and hours of confirmed subscribers."""
    query = select(subscribers.c.zone, subscribers.c.hour).where(subscribers.c.status == Status.CONFIRMED).distinct()
    return [(zone, hour) for zone, hour in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Missed:
    """The dates since which paused subscribers must have had no issue to get a catch-up."""

    days: date
    weeks: date  # for those who skip workdays or get the weekly issue


def also_due(connection: Connection, slots: Sequence[Slot], missed: Missed | None) -> list[Kind]:
    """Return the kinds of issue, in addition to the daily one, that some subscriber gets: weekly, catch-up."""
    conditions = [(Kind.WEEKLY, _is_weekly())] + ([(Kind.CATCH_UP, _comes_back(missed))] if missed else [])
    rows = as_rows(connection.dialect.name, [_row(slot) for slot in slots])
    query, _slot = _audience(connection.dialect.name, subscribers.c.id)
    return [kind for kind, condition in conditions if connection.execute(query.where(condition).limit(1), rows).first()]


def fan_out(
    connection: Connection,
    issue_ids: Mapping[Kind, int],
    day: date,
    slots: Sequence[Slot],
    now: datetime,
    missed: Missed | None = None,
) -> dict[Kind, int]:
    """Queue a delivery for everyone who is confirmed, not suppressed and due; return how many of each kind.

    Weekly subscribers get the weekly issue, those whose pause ended the catch-up, all others the digest; so does
    everyone for whose kind `issue_ids` has no issue. A notice goes to all alike. It is one INSERT … SELECT, joined to
    the few slots, so that a subscriber who changes something meanwhile is neither left out nor queued twice. Call it
    once, in the transaction that stores the issues: a check for existing deliveries would take PostgreSQL long
    (docs/decisions/0017).
    """
    dialect = connection.dialect.name
    fixed, usual = new_row(day, now), _usual(issue_ids)
    query, slot = _audience(dialect, subscribers.c.key, subscribers.c.id)
    query = query.where(*_not_sent_before_restore(connection, issue_ids, day)).add_columns(
        slot.c.due_at,
        slot.c.due_at.label("first_attempt"),
        _by_kind({kind: str(kind) for kind in issue_ids}, missed, String()).label("kind"),
        _by_kind(issue_ids, missed, Id).label("issue"),
        *(literal(value, deliveries.c[name].type) for name, value in fixed.items()),
    )
    # The ledger's largest index begins with the key: neighbours in it are now also queued, claimed and answered
    # together, which saves PostgreSQL a third of the work, here and for every delivery.
    columns = ["recipient", "subscriber_id", "due_at", "next_attempt_at", "kind", "issue_id", *fixed]
    new = insert(deliveries).from_select(columns, query.order_by(subscribers.c.key))
    rows = as_rows(dialect, [_row(slot) for slot in slots])
    sort_in_memory(connection)
    # Without the option SQLAlchemy drops the count of an INSERT.
    queued = connection.execute(new, rows, execution_options={"preserve_rowcount": True}).rowcount
    others = {
        kind: connection.execute(select(func.count()).where(deliveries.c.issue_id == issue_id)).scalar_one()
        for kind, issue_id in issue_ids.items()
        if kind is not usual
    }
    return others | {usual: queued - sum(others.values())}


def _not_sent_before_restore(
    connection: Connection, kinds: Collection[Kind], day: date
) -> tuple[ColumnElement[bool], ...]:
    sent = sent_before_restore(connection, kinds, day)
    return () if sent is None else (subscribers.c.key.not_in(sent),)


def put_first(connection: Connection, issue_ids: Collection[int], before: date) -> None:
    """Let those of these issues go before all others whom the issue before `before` has not reached in time.

    Without this a warm-up, whose quota is smaller than the list, would leave out the same subscribers each day: those
    who chose a late hour, too, which is why these messages do not wait for it.
    """
    has_papers = issues.c.kind != IssueKind.NOTICE
    previous = select(func.max(issues.c.date)).where(issues.c.date < before, has_papers).scalar_subquery()
    left_out = select(deliveries.c.recipient).where(
        deliveries.c.issue_id.in_(select(issues.c.id).where(issues.c.date == previous, has_papers)),
        deliveries.c.state.in_([State.QUEUED, State.EXPIRED]),
        deliveries.c.attempts == 0,
    )
    mine = deliveries.c.issue_id.in_(issue_ids)
    first = connection.execute(select(func.min(deliveries.c.due_at)).where(mine)).scalar()
    if first is not None:
        sooner = update(deliveries).where(mine, deliveries.c.recipient.in_(left_out))
        connection.execute(sooner.values(next_attempt_at=first - timedelta(minutes=1)))


def count_due(connection: Connection, slots: Sequence[Slot]) -> dict[str, int]:
    """Count the subscribers who would get an issue (DUE), and those left out, by reason: suppressed or paused."""
    dialect = connection.dialect.name
    slot = _slots(dialect)
    why = case(
        (_is_suppressed(), str(SkipReason.SUPPRESSED)), (_is_paused(slot), str(SkipReason.PAUSED)), else_=DUE
    ).label("why")
    query = _confirmed(slot, why, func.count()).group_by("why")
    rows = connection.execute(query, as_rows(dialect, list(map(_row, slots))))
    return {str(reason): count for reason, count in rows}


def _audience(dialect: str, *columns: Any) -> tuple[Select[Any], Subquery]:
    """Return the query for the subscribers who are due, and the slots that it joins."""
    slot = _slots(dialect)
    return _confirmed(slot, *columns).where(~_is_paused(slot), ~_is_suppressed()), slot


def _confirmed(slot: Subquery, *columns: Any) -> Select[Any]:
    """Return the query for those who chose these slots and weekdays."""
    chosen = and_(subscribers.c.zone == slot.c.zone, subscribers.c.hour == slot.c.hour)
    is_day = subscribers.c.weekdays.bitwise_and(slot.c.weekday) != 0
    return select(*columns).join_from(subscribers, slot, chosen).where(subscribers.c.status == Status.CONFIRMED, is_day)


def _is_paused(slot: Subquery) -> ColumnElement[bool]:
    return and_(subscribers.c.paused_until.is_not(None), subscribers.c.paused_until > slot.c.day)


def _is_suppressed() -> ColumnElement[bool]:
    return exists().where(suppressions.c.key == subscribers.c.key)


def _slots(dialect: str) -> Subquery:
    return rows_of(dialect, _SLOT | {"due_at": instant_in_rows(dialect)})


def _by_kind(values: Mapping[Kind, Any], missed: Missed | None, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """Return the value for the kind of issue that a subscriber gets."""
    whens = []
    if Kind.CATCH_UP in values and missed:
        whens.append((_comes_back(missed), literal(values[Kind.CATCH_UP], kind)))
    if Kind.WEEKLY in values:
        whens.append((_is_weekly(), literal(values[Kind.WEEKLY], kind)))
    usual = literal(values[_usual(values)], kind)
    return case(*whens, else_=usual) if whens else usual


def _usual(kinds: Collection[Kind]) -> Kind:
    """Return the kind for everyone without a kind of their own."""
    return Kind.NOTICE if Kind.NOTICE in kinds else Kind.DIGEST


def _is_weekly() -> ColumnElement[bool]:
    return subscribers.c.frequency == Frequency.WEEKLY


def _comes_back(missed: Missed) -> ColumnElement[bool]:
    """Match subscribers without an issue since their pause, which ended recently."""
    seldom = or_(_is_weekly(), subscribers.c.weekdays.bitwise_and(_WORKDAYS) != _WORKDAYS)
    since = case((seldom, literal(missed.weeks, Date())), else_=literal(missed.days, Date()))
    occasion = case((seldom, missed.weeks.isoformat()), else_=missed.days.isoformat())
    has_issue = exists().where(
        deliveries.c.recipient == subscribers.c.key,
        deliveries.c.kind.in_(WITH_PAPERS),
        deliveries.c.occasion >= occasion,
    )
    return and_(subscribers.c.paused_until > since, ~has_issue)


_WORKDAYS = sum(1 << day for day in WORKDAYS)
_ALL_WEEKDAYS = (1 << 7) - 1
_SLOT: dict[str, Any] = {"zone": String(), "hour": Integer(), "weekday": Integer(), "day": Date()}


def _row(slot: Slot) -> dict[str, Any]:
    return {
        "zone": slot.zone,
        "hour": slot.hour,
        "weekday": _ALL_WEEKDAYS if slot.any_weekday else 1 << slot.day.weekday(),
        "day": slot.day.isoformat(),
        "due_at": slot.due_at,
    }
