"""Messages that came back after they were accepted: the newest, their sums, and their rates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, select, text, tuple_

from digest.database.dialect import use_indexes
from digest.database.tables import bounce_counts, bounces, deliveries, subscribers
from digest.database.tables.bounces import LATE
from digest.ledger.kinds import FailureKind
from digest.ledger.replies import ReplyClass, replies_since
from digest.mail.suppression_guard import Freeze, count_held, frozen

Position = tuple[datetime, int]  # of a report: its instant and its number

PROVED = "proved"
RATE_OF = timedelta(days=7)
_MOST_HELD = 100_000  # that the rates cover


@dataclass(frozen=True, slots=True)
class LateBounce:
    """A report about a message that was accepted."""

    id: int
    at: datetime
    kind: FailureKind
    status: str  # "5.1.1"; "" if the report has none
    text: str
    reporter: str
    way: str  # "maildir", "imap", …
    effect: str  # FailureEffect
    delivery_id: int
    message: str | None  # kind of the message; None once the delivery is deleted
    occasion: str | None
    recipient: str
    address: str | None  # None once the subscriber is deleted


@dataclass(frozen=True, slots=True)
class ReportCounts:
    """Numbers of reports since a day, by kind, class and proof."""

    counts: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def of(self, kind: FailureKind) -> int:
        """Return the number of proved reports."""
        return sum(count for (each, _, proof), count in self.counts.items() if each == kind and proof == PROVED)

    @property
    def rejected(self) -> int:
        """Return the number of reports about failures that no token proved, or with another recipient."""
        kinds, without = set(FailureKind), (PROVED, "repeated")
        return sum(count for (each, _, proof), count in self.counts.items() if each in kinds and proof not in without)


@dataclass(frozen=True, slots=True)
class BounceStatus:
    """Rates of messages that came back, over the last days."""

    accepted: int = 0
    reports: ReportCounts = field(default_factory=ReportCounts)
    freeze: Freeze | None = None
    held: int = 0  # reports that wait for the end of the freeze

    @property
    def bounce_rate(self) -> float:
        return self.reports.of(FailureKind.HARD) / max(self.accepted, 1)

    @property
    def complaint_rate(self) -> float:
        return self.reports.of(FailureKind.COMPLAINT) / max(self.accepted, 1)


def read_bounces(connection: Connection, now: datetime) -> BounceStatus:
    """Read the rates from stored sums."""
    day, freeze = (now - RATE_OF).date(), frozen(connection)
    accepted = sum(counts[ReplyClass.ACCEPTED] for counts in replies_since(connection, day).values())
    held = count_held(connection, _MOST_HELD) if freeze else 0
    return BounceStatus(accepted, report_counts(connection, day), freeze, held)


def report_counts(connection: Connection, since: date | None = None) -> ReportCounts:
    """Count the reports since a day (UTC), or all reports, whose counts never decrease."""
    key = (bounce_counts.c.kind, bounce_counts.c.about, bounce_counts.c.proof)
    query = select(*key, func.sum(bounce_counts.c.reports)).group_by(*key).order_by(*key)
    if since is not None:
        query = query.where(bounce_counts.c.day >= since)
    return ReportCounts({(row[0], row[1], row[2]): int(row[3]) for row in connection.execute(query)})


def late_bounces(
    connection: Connection, limit: int, before: Position | None = None, since: datetime | None = None
) -> tuple[list[LateBounce], Position | None]:
    """Return the newest, and the position of older ones; None after the last."""
    use_indexes(connection)
    at, number = bounces.c.at, bounces.c.id
    which: list[ColumnElement[bool]] = [text(LATE)]  # type: ignore[list-item]
    if before is not None:
        which.append(tuple_(at, number) < tuple_(literal(before[0], at.type), before[1]))
    if since is not None:
        which.append(at >= since)
    part = select(bounces).where(*which).order_by(at.desc(), number.desc()).limit(limit + 1).subquery()
    columns = (deliveries.c.kind.label("message"), deliveries.c.occasion, subscribers.c.email)
    query = select(part, *columns).outerjoin(deliveries, deliveries.c.id == part.c.delivery_id)
    query = query.outerjoin(subscribers, subscribers.c.id == part.c.subscriber_id)
    rows = [_bounce(row) for row in connection.execute(query.order_by(part.c.at.desc(), part.c.id.desc()))]
    return rows[:limit], (rows[limit - 1].at, rows[limit - 1].id) if len(rows) > limit else None


def _bounce(row: Any) -> LateBounce:
    return LateBounce(
        row.id,
        row.at,
        FailureKind(row.kind),
        row.status,
        row.text,
        row.reporter,
        row.way,
        row.effect,
        row.delivery_id,
        row.message,
        row.occasion,
        row.recipient,
        row.email,
    )
