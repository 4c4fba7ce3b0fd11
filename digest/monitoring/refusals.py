"""Messages that mail servers refused in the SMTP session: the newest, and their sums."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, literal, select, text, tuple_

from digest.database.dialect import use_indexes
from digest.database.tables import deliveries, subscribers, suppressions
from digest.database.tables.ledger import REFUSED
from digest.ledger.kinds import CODE_SUBJECTS, RefusalClass, SuppressionReason
from digest.ledger.replies import ReplyClass, replies_since

LATELY = timedelta(days=30)
_LOOKED_THROUGH = 2_000  # refusals, for those of one domain or code
_COUNTED = 20_000  # refusals, by code; counting more takes too long for a page

Position = tuple[datetime, int]  # of a refusal: its instant and its number


_STORED = ("id", "finished_at", "kind", "occasion", "recipient", "subscriber_id")
_COLUMNS = tuple(deliveries.c[name] for name in (*_STORED, "reply_code", "reply_enhanced", "reply_text"))
_CODES = {subject: f"5.{number}." for number, subject in CODE_SUBJECTS.items()}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was refused."""

    id: int
    at: datetime
    kind: str
    occasion: str  # ISO date of the issue or of the request
    recipient: str
    address: str | None  # None once the subscriber is deleted
    code: int | None
    enhanced: str  # such as "5.1.1"; "" if the server gave none
    text: str
    suppressed: str | None  # why the address gets no message now; None: it does


@dataclass(frozen=True, slots=True)
class RefusalSearch:
    """Refusals to look for."""

    domain: str = ""
    about: RefusalClass | None = None
    before: Position | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefusalSums:
    """Refusals since an instant."""

    by_code: dict[str, int]  # enhanced, "" for none; most first; of the newest 20,000
    by_domain: dict[str, int]  # of the domains that are counted by name (ledger/replies.py); most first
    suppressed: int  # addresses that get no message since then because of a refusal

    @property
    def total(self) -> int:
        return sum(self.by_code.values())

    @property
    def is_partial(self) -> bool:
        """True if `by_code` may lack older refusals."""
        return self.total >= _COUNTED


def refusals(connection: Connection, wanted: RefusalSearch, limit: int) -> tuple[list[Refusal], Position | None]:
    """The newest refusals that match, and where older ones begin; None after the last.

    Of one domain or code, the next few thousand refusals are looked through, so a part may be short or empty.
    """
    use_indexes(connection)
    at, number = deliveries.c.finished_at, deliveries.c.id
    is_filtered = bool(wanted.domain or wanted.about)
    newest = select(*_COLUMNS).where(*_which(wanted)).order_by(at.desc(), number.desc())
    part = newest.limit(_LOOKED_THROUGH if is_filtered else limit + 1).subquery()
    query = select(part, subscribers.c.email, suppressions.c.reason.label("suppressed"))
    query = query.outerjoin(subscribers, subscribers.c.id == part.c.subscriber_id)
    query = query.outerjoin(suppressions, suppressions.c.key == part.c.recipient)
    if wanted.domain:
        query = query.where(subscribers.c.email.endswith(f"@{wanted.domain}", autoescape=True))
    query = query.where(*_about(wanted.about, part.c.reply_enhanced))
    in_order = query.order_by(part.c.finished_at.desc(), part.c.id.desc()).limit(limit + 1)
    rows = [_refusal(row) for row in connection.execute(in_order)]
    if len(rows) > limit:
        return rows[:limit], (rows[limit - 1].at, rows[limit - 1].id)
    if not is_filtered:
        return rows, None
    end = newest.with_only_columns(at, number).offset(_LOOKED_THROUGH - 1).limit(1)
    last = connection.execute(end).one_or_none()
    return rows, (last[0], last[1]) if last else None


def refusal_sums(connection: Connection, since: datetime) -> RefusalSums:
    """Sums by an index of the refused, and from the stored counts of replies."""
    use_indexes(connection)
    at, code = deliveries.c.finished_at, deliveries.c.reply_enhanced
    newest = select(code).where(text(REFUSED), at >= since).order_by(at.desc(), deliveries.c.id.desc()).limit(_COUNTED)
    part = newest.subquery()
    query = select(part.c.reply_enhanced, func.count()).group_by(part.c.reply_enhanced)
    by_code = Counter({row[0]: row[1] for row in connection.execute(query)})
    replies = replies_since(connection, since.date())
    by_domain = Counter({domain: counts[ReplyClass.REFUSED] for domain, counts in replies.items()})
    followed = (suppressions.c.created_at >= since) & (suppressions.c.reason == str(SuppressionReason.REFUSED))
    suppressed = connection.execute(select(func.count()).where(followed)).scalar_one()
    return RefusalSums(dict(by_code.most_common()), dict((+by_domain).most_common()), suppressed)


def _which(wanted: RefusalSearch) -> list[ColumnElement[bool]]:
    at = deliveries.c.finished_at
    which: list[ColumnElement[bool]] = [text(REFUSED)]  # type: ignore[list-item]
    if wanted.since is not None:
        which.append(at >= wanted.since)
    if wanted.before is not None:
        instant, number = wanted.before
        which.append(tuple_(at, deliveries.c.id) < tuple_(literal(instant, at.type), number))
    return which


def _about(about: RefusalClass | None, code: ColumnElement[str]) -> list[ColumnElement[bool]]:
    if about in _CODES:
        return [code.startswith(_CODES[about], autoescape=True)]
    if about is RefusalClass.OTHER:
        return [~code.startswith(prefix, autoescape=True) for prefix in _CODES.values()]
    return []


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(
        row.id,
        row.finished_at,
        row.kind,
        row.occasion,
        row.recipient,
        row.email,
        row.reply_code,
        row.reply_enhanced,
        row.reply_text,
        row.suppressed,
    )
