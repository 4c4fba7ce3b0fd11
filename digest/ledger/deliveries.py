"""The ledger as it is read: one row is one message to one recipient.

Its transitions are in sending.py and transitions.py; docs/delivery.md explains both.
"""

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, and_, bindparam, case, exists, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from digest.database.dialect import Instant, spelled_out
from digest.database.tables import deliveries, issues, subscribers, suppressions
from digest.ledger.kinds import RULES, WITH_PAPERS, IssueStatus, Kind, SkipReason, State, Status, SuppressionReason

# Longer than a server keeps an idle connection (RFC 5321 §4.5.3.2.7: at least 5 minutes; we wait 10 for the reply
# to the final dot), so that a worker that was only suspended cannot still be sending when its lease ends.
LEASE = timedelta(minutes=20)

HELD = (State.CLAIMED, State.SENDING)  # by a worker
_WAITING = (State.QUEUED, State.UNCERTAIN)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
# A paper in a message of one of these states has reached its subscriber or still may.
MAY_ARRIVE = (State.QUEUED, State.CLAIMED, State.SENDING, State.ACCEPTED, State.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The columns of a row that composing and sending need."""

    id: int
    kind: Kind
    occasion: str
    recipient: str
    issue_id: int | None
    subscriber_id: int | None
    due_at: datetime
    attempts: int
    crashes: int
    selection: dict[str, Any] | None  # as earlier versions stored it
    sha256: str  # of the bytes last sent; "" before that
    in_doubt: bool  # they may have arrived: only the same bytes may go again
    created_at: datetime
    message_id: str = ""  # without angle brackets; "" before it was composed
    composed_at: datetime | None = None  # None: never claimed, or composed by an earlier version
    picks: bytes | None = None

    @property
    def chosen(self) -> bytes | dict[str, Any] | None:
        """The stored selection, see issues/selection/picks.py; None before it was composed."""
        return self.picks if self.picks is not None else self.selection

    @property
    def is_requested(self) -> bool:
        """True if it answers one person, whom a stranger can name, rather than being mail of an issue."""
        return self.issue_id is None

    @property
    def date(self) -> datetime:
        """The Date of the message. Earlier versions wrote when it was due, and a retry repeats their bytes."""
        return self.composed_at or self.due_at


@dataclass(frozen=True, slots=True)
class Shares:
    """The most deliveries of each sort in one claim, so that what strangers ask for delays no mail of an issue."""

    requested: int  # that someone asked for
    beside_issues: int  # of them while mail of an issue is due
    of_issues: int


def find(connection: Connection, kind: Kind, occasion: date, recipient: str) -> Delivery | None:
    """The delivery of this kind and occasion, if there is one."""
    named = (deliveries.c.kind == kind, deliveries.c.occasion == occasion.isoformat())
    query = select(*DELIVERY).where(*named, deliveries.c.recipient == recipient)
    row = connection.execute(query).one_or_none()
    return delivery_of(row) if row else None


def next_of_issue(connection: Connection, recipient: str) -> Delivery | None:
    """The delivery of an issue with papers that waits for a recipient, the earliest if there are several."""
    waits = (deliveries.c.recipient == recipient, deliveries.c.kind.in_(WITH_PAPERS), is_waiting())
    row = connection.execute(select(*DELIVERY).where(*waits).order_by(deliveries.c.due_at).limit(1)).one_or_none()
    return delivery_of(row) if row else None


def may_arrive() -> ColumnElement[bool]:
    """Accepted or possibly so, or possibly sent between a backup and its restore."""
    was_restored = and_(deliveries.c.state == State.SKIPPED, deliveries.c.reason == SkipReason.RESTORED)
    return or_(deliveries.c.state.in_(MAY_ARRIVE), was_restored)


def is_waiting() -> ColumnElement[bool]:
    """Queued, or in doubt and neither held nor given up."""
    in_doubt = and_(spelled_out(deliveries.c.state, [State.UNCERTAIN]), deliveries.c.finished_at.is_(None))
    # The first half repeats the condition of the partial indexes, which PostgreSQL then uses.
    return and_(
        spelled_out(deliveries.c.state, _WAITING), or_(spelled_out(deliveries.c.state, [State.QUEUED]), in_doubt)
    )


def is_waiting_of_all() -> ColumnElement[bool]:
    """The same for deliveries of issues and all others together: each half has an index."""
    by_index = deliveries.c.next_attempt_at > _EVER
    of_issues = and_(spelled_out(deliveries.c.state, _WAITING), deliveries.c.issue_id.is_not(None), by_index)
    others = and_(spelled_out(deliveries.c.state, _WAITING), deliveries.c.issue_id.is_(None), by_index)
    return and_(or_(others, of_issues), is_waiting())


def is_with_worker() -> ColumnElement[bool]:
    """True if the delivery is claimed or being sent."""
    return spelled_out(deliveries.c.state, HELD)


def is_due(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Waiting, its time has come, and its issue (if it has one) is running."""
    not_running = select(issues.c.id).where(issues.c.status != IssueStatus.RUNNING)
    may_go = or_(deliveries.c.issue_id.is_(None), deliveries.c.issue_id.not_in(not_running))
    return and_(is_waiting(), deliveries.c.next_attempt_at <= now, may_go)


# --- whether a claimed delivery is still wanted ---


def skip_reason(
    kind: Kind,
    status: Status | None,
    suppression: SuppressionReason | None,
    issue_status: IssueStatus | None,
    paused: bool,
) -> SkipReason | None:
    """Why a message must not be sent; None while it is wanted. An erased subscriber has no `status`."""
    rule = RULES[kind]
    asks_again = rule.asks and suppression is SuppressionReason.REFUSED
    if status is None:
        return SkipReason.ERASED
    if suppression and not asks_again:
        return SkipReason.SUPPRESSED
    if issue_status is IssueStatus.CANCELLED:
        return SkipReason.CANCELLED
    fits = rule.status in (None, status) or asks_again or (rule.asks and status is Status.UNSUBSCRIBED)
    if not fits:
        return SkipReason.UNSUBSCRIBED if rule.status is Status.CONFIRMED else SkipReason.CHANGED
    return SkipReason.PAUSED if paused and rule.heeds_pause else None


def is_wanted(due_day: ColumnElement[date]) -> ColumnElement[bool]:
    """skip_reason() in SQL, from the same table; a paused issue has to wait as well."""
    fixed = {str(kind): str(rule.status) for kind, rule in RULES.items() if rule.status}
    status = case(fixed, value=deliveries.c.kind, else_=subscribers.c.status)
    ignores_pause = [kind for kind, rule in RULES.items() if not rule.heeds_pause]
    paused_until = subscribers.c.paused_until
    subscriber = exists().where(subscribers.c.id == deliveries.c.subscriber_id)
    suppressed = exists().where(suppressions.c.key == deliveries.c.recipient)
    # Written into the statement: lists of parameters would be expanded anew for each window.
    asks = spelled_out(deliveries.c.kind, [kind for kind, rule in RULES.items() if rule.asks])
    asks_again = and_(asks, suppressed.where(suppressions.c.reason == str(SuppressionReason.REFUSED)))
    return and_(
        or_(
            subscriber.where(
                subscribers.c.status == status,
                or_(spelled_out(deliveries.c.kind, ignores_pause), paused_until.is_(None), paused_until <= due_day),
            ),
            and_(asks, subscriber.where(subscribers.c.status == str(Status.UNSUBSCRIBED))),
            and_(asks_again, subscriber),
        ),
        or_(~suppressed, asks_again),
        or_(
            deliveries.c.issue_id.is_(None),
            exists().where(issues.c.id == deliveries.c.issue_id, issues.c.status == IssueStatus.RUNNING),
        ),
    )


# --- what workers hold, and what waits for the operator ---


def holders(connection: Connection) -> list[str]:
    """The workers that hold deliveries, dead or alive."""
    return list(connection.scalars(_HOLDERS))


_HOLDERS = select(deliveries.c.worker).where(is_with_worker()).distinct()


def held_by(connection: Connection, worker: str) -> dict[int, Delivery]:
    """By id."""
    query = select(*DELIVERY).where(deliveries.c.worker == worker, is_with_worker())
    return {row.id: delivery_of(row) for row in connection.execute(query)}


def awaits_operator() -> ColumnElement[bool]:
    """In doubt, and kept by DIGEST_IN_DOUBT=hold or given up."""
    return and_(deliveries.c.state == State.UNCERTAIN, deliveries.c.finished_at.is_not(None))


def due_count(connection: Connection, now: datetime, limit: int) -> int:
    """Count the deliveries that could be claimed now, up to `limit`."""
    return connection.execute(_DUE_COUNT, {"now": now, "most": limit}).scalar_one()


_DUE = select(deliveries.c.id).where(is_waiting_of_all(), is_due(bindparam("now", type_=Instant())))
_DUE_COUNT = select(func.count()).select_from(_DUE.limit(bindparam("most", type_=Integer())).subquery())


# --- rows to values ---

_NAMES = [field.name for field in fields(Delivery)]
_KIND = _NAMES.index("kind")
_KINDS = {kind.value: kind for kind in Kind}
DELIVERY = tuple(deliveries.c[name] for name in _NAMES)


def delivery_of(row: Any) -> Delivery:
    """From a row of the columns DELIVERY."""
    values = list(row)
    values[_KIND] = _KINDS[values[_KIND]]
    return Delivery(*values)
