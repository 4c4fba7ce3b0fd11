"""The events in the outbox from claim to result, and sending them again by hand."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from digest.database.dialect import database_now, in_list, use_indexed_order
from digest.database.tables import bounces, deliveries, subscribers, webhook_endpoints, webhook_events
from digest.ledger.outbox import EventState
from digest.monitoring.webhooks.endpoints import record as log_event
from digest.monitoring.webhooks.message import BouncedMessage, OutgoingEvent
from digest.monitoring.webhooks.post import WebhookAnswer

# The waits after each failed attempt: four days with the last one, before an event counts as failed.
WAITS = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
_LONGEST_WAIT = timedelta(hours=24)  # that Retry-After can ask for
LEASE = timedelta(minutes=2)  # longer than a batch takes
DISABLED_AFTER = timedelta(days=5)  # of failures alone
_TRIES_AT_ONCE = 3  # failures in a row before an endpoint rests
_RESTS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 300, 600))

_t = webhook_events


@dataclass(frozen=True, slots=True)
class Attempt:
    """An event that was sent, and the answer."""

    event: OutgoingEvent
    at: datetime
    answer: WebhookAnswer


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event at one endpoint, with its last attempt."""

    id: int
    endpoint_id: int
    webhook_id: str
    type: str
    at: datetime
    state: EventState
    attempts: int
    next_attempt_at: datetime
    attempted_at: datetime | None
    status: int | None
    answer: str


# --- claim ---


def due_endpoints(connection: Connection, now: datetime) -> list[int]:
    """The numbers of those for which something is due, and that neither rest nor are disabled."""
    rests = webhook_endpoints.c.resting_until
    waits = select(_t.c.id).where(_t.c.endpoint_id == webhook_endpoints.c.id, _is_due(connection, now)).exists()
    awake = and_(webhook_endpoints.c.disabled_at.is_(None), or_(rests.is_(None), rests <= now))
    return list(connection.scalars(select(webhook_endpoints.c.id).where(awake, waits)))


def claim(connection: Connection, endpoint_id: int, now: datetime, limit: int) -> list[OutgoingEvent]:
    """Claim the events of an endpoint that have been due for longest, with what their bodies tell."""
    use_indexed_order(connection)
    due = (
        select(_t.c.id)
        .where(_t.c.endpoint_id == endpoint_id, _is_due(connection, now))
        .order_by(_t.c.next_attempt_at, _t.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    lease = database_now(connection.dialect.name) + LEASE
    claimed = update(_t).where(_t.c.id.in_(select(due.c.id))).values(lease_until=lease)
    rows = connection.execute(claimed.returning(*_t.columns)).all()
    return _with_details(connection, sorted(rows, key=lambda row: (row.next_attempt_at, row.id)))


def release(connection: Connection, ids: Collection[int]) -> None:
    """Let others claim events that were not sent."""
    connection.execute(update(_t).where(in_list(connection, _t.c.id, ids)).values(lease_until=None))


def _is_due(connection: Connection, now: datetime) -> ColumnElement[bool]:
    free = or_(_t.c.lease_until.is_(None), _t.c.lease_until < database_now(connection.dialect.name))
    return and_(_t.c.state == EventState.PENDING, _t.c.next_attempt_at <= now, free)


def _with_details(connection: Connection, rows: Sequence[Row[Any]]) -> list[OutgoingEvent]:
    people = {row.subscriber_id for row in rows if row.subscriber_id is not None}
    who = select(subscribers.c.id, subscribers.c.email).where(in_list(connection, subscribers.c.id, people))
    emails = {row.id: row.email for row in connection.execute(who)} if people else {}
    numbers = {row.delivery_id for row in rows if row.delivery_id is not None}
    names = ("kind", "occasion", "message_id", "reply_code", "reply_enhanced", "reply_text")
    which = select(deliveries.c.id, *(deliveries.c[name] for name in names))
    found = connection.execute(which.where(in_list(connection, deliveries.c.id, numbers))) if numbers else ()
    bounced = {number: BouncedMessage(*values) for number, *values in found}
    late = _late_bounces(connection, [row.data["bounce"] for row in rows if "bounce" in row.data])
    return [
        OutgoingEvent(
            row.id,
            row.webhook_id,
            row.type,
            row.at,
            row.data,
            row.attempts,
            row.subscriber_id,
            emails.get(row.subscriber_id),
            _bounced(bounced.get(row.delivery_id), late.get(row.data.get("bounce"))),
        )
        for row in rows
    ]


def _late_bounces(connection: Connection, numbers: Collection[int]) -> dict[int, Row[Any]]:
    """Read the reports about messages that came back after they were accepted."""
    columns = tuple(bounces.c[name] for name in ("id", "kind", "status", "text"))
    query = select(*columns).where(in_list(connection, bounces.c.id, numbers))
    return {row.id: row for row in connection.execute(query)} if numbers else {}


def _bounced(message: BouncedMessage | None, late: Row[Any] | None) -> BouncedMessage | None:
    if message is None or late is None:
        return message
    return replace(message, code=None, enhanced=late.status, text=late.text, bounce=late.kind)


# --- record ---


def record(connection: Connection, endpoint_id: int, attempts: Sequence[Attempt]) -> None:
    """Store the answers of an endpoint, when its events are due again, and whether it rests or is disabled."""
    query = select(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id).with_for_update()
    endpoint = connection.execute(query).one_or_none()
    if endpoint is None:  # removed, with its events
        return
    for attempt in attempts:
        _store(connection, attempt)
    failures, since = endpoint.failures, endpoint.failing_since
    for attempt in attempts:
        failures, since = (0, None) if attempt.answer.is_success else (failures + 1, since or attempt.at)
    last = attempts[-1]
    values: dict[str, Any] = {"failures": failures, "failing_since": since, "resting_until": _rest(last, failures)}
    gone = any(attempt.answer.is_gone for attempt in attempts)
    if endpoint.disabled_at is None and (gone or (since is not None and last.at - since >= DISABLED_AFTER)):
        why = "it answered 410 Gone" if gone else f"every attempt failed for {DISABLED_AFTER.days} days"
        values |= {"disabled_at": last.at, "disabled_why": why, "failing_since": since or last.at}
        log_event(connection, last.at, endpoint_id, "webhook disabled", {"reason": why})
    if any(values[name] != endpoint._mapping[name] for name in values):
        change = update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id)
        connection.execute(change.values(values))


def _store(connection: Connection, attempt: Attempt) -> None:
    answer, event = attempt.answer, attempt.event
    values: dict[str, Any] = {
        "attempts": event.attempts + 1,
        "attempted_at": attempt.at,
        "lease_until": None,
        "status": answer.status,
        "answer": answer.text,
    }
    if answer.is_success:
        values |= {"state": EventState.DELIVERED, "finished_at": attempt.at}
    elif event.attempts < len(WAITS) or answer.is_gone:
        values["next_attempt_at"] = attempt.at + _wait(event.attempts, answer)
    else:
        values |= {"state": EventState.FAILED, "finished_at": attempt.at}
    # Another process may have sent it too, if this one took longer than its lease.
    mine = and_(_t.c.id == event.id, _t.c.state == EventState.PENDING, _t.c.attempts == event.attempts)
    connection.execute(update(_t).where(mine).values(values))
    if event.subscriber_id is not None and event.email is not None:
        # The answer may name a subscriber who was deleted meanwhile.
        gone = ~select(subscribers.c.id).where(subscribers.c.id == event.subscriber_id).exists()
        connection.execute(update(_t).where(_t.c.id == event.id, gone).values(answer=""))


def _wait(attempts: int, answer: WebhookAnswer) -> timedelta:
    wait = WAITS[min(attempts, len(WAITS) - 1)] * random.uniform(0.9, 1.1)  # noqa: S311 - not a secret
    return max(wait, min(timedelta(seconds=answer.wait or 0), _LONGEST_WAIT))


def _rest(last: Attempt, failures: int) -> datetime | None:
    """Until when an endpoint that fails gets nothing, so that an outage costs few events their attempts."""
    if last.answer.is_success:
        return None
    rest = timedelta()
    if failures >= _TRIES_AT_ONCE:
        rest = _RESTS[min(failures - _TRIES_AT_ONCE, len(_RESTS) - 1)]
    rest = max(rest, min(timedelta(seconds=last.answer.wait or 0), _LONGEST_WAIT))
    return last.at + rest if rest else None


def is_resting(attempts: Sequence[Attempt], failures: int) -> bool:
    """True if no more events should go to an endpoint after these attempts; it had `failures` in a row before."""
    for attempt in attempts:
        failures = 0 if attempt.answer.is_success else failures + 1
    last = attempts[-1].answer
    return failures >= _TRIES_AT_ONCE or last.is_gone or (not last.is_success and bool(last.wait))


# --- by hand, and tidying ---


def stored_events(
    connection: Connection,
    limit: int,
    endpoint_id: int | None = None,
    state: EventState | None = None,
    before: int | None = None,
) -> list[StoredEvent]:
    """The newest first; only those with a number below `before`."""
    columns = (
        *(_t.c.id, _t.c.endpoint_id, _t.c.webhook_id, _t.c.type, _t.c.at, _t.c.state, _t.c.attempts),
        *(_t.c.next_attempt_at, _t.c.attempted_at, _t.c.status, _t.c.answer),
    )
    query = select(*columns).order_by(_t.c.id.desc()).limit(limit)
    if endpoint_id is not None:
        query = query.where(_t.c.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(_t.c.state == state)
    if before is not None:
        query = query.where(_t.c.id < before)
    use_indexed_order(connection)
    return [StoredEvent(*row[:5], EventState(row.state), *row[6:]) for row in connection.execute(query)]


def replay(connection: Connection, webhook_id: str, now: datetime, endpoint_id: int | None = None) -> int:
    """Send an event again, whatever became of it, with the same id. Returns at how many endpoints."""
    which = _t.c.webhook_id == webhook_id
    return _replay(connection, which if endpoint_id is None else which & (_t.c.endpoint_id == endpoint_id), now)


def failed_since(endpoint_id: int, since: datetime) -> ColumnElement[bool]:
    return and_(_t.c.endpoint_id == endpoint_id, _t.c.state == EventState.FAILED.value, _t.c.at >= since)


def count(connection: Connection, which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(which)).scalar_one()


def replay_failed(connection: Connection, endpoint_id: int, since: datetime, now: datetime) -> int:
    """Send every event again that failed at an endpoint and happened at or after `since`. Returns how many."""
    return _replay(connection, failed_since(endpoint_id, since), now)


def _replay(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    again = {
        "state": EventState.PENDING,
        "attempts": 0,
        "next_attempt_at": now,
        "finished_at": None,
        "lease_until": None,
    }
    return connection.execute(update(_t).where(which).values(again)).rowcount
