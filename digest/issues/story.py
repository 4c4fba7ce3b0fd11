"""The history of one address: consent, messages with replies, papers, and the next digest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, select

from digest.database.dialect import in_list
from digest.database.tables import bounces, deliveries, issues, papers, suppressions
from digest.issues.audit import EXPLAINED, why_of
from digest.issues.explain import stored_selection
from digest.issues.store import issue_id_on
from digest.ledger.kinds import WITH_PAPERS, IssueKind, Status
from digest.subscribers import store
from digest.subscribers.address_change.change import AddressChange
from digest.subscribers.address_change.store import changes_from, changes_of
from digest.subscribers.paper_feedback import feedback_by
from digest.subscribers.subscriber import Preferences, Subscriber, due_instant, local_day

_SHOWN = 10  # messages
_WITH_PAPERS = 2  # messages whose papers are named
_AHEAD = timedelta(days=8)  # within which every weekday comes


@dataclass(frozen=True, slots=True)
class Sent:
    """One message, and what became of it."""

    occasion: str
    kind: str
    state: str
    why: str  # "" once accepted
    at: datetime  # of its end, else of the next attempt
    message_id: str
    reply: str  # the last of the mail server
    papers: tuple[str, ...]  # ids


@dataclass(frozen=True, slots=True)
class NextDigest:
    """The issue that a subscriber gets next; `why_not` if there is none to come."""

    issue: date | None
    due_at: datetime | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    subscriber: Subscriber | None  # None for an address that was deleted or never stored
    messages: tuple[Sent, ...]  # newest first
    titles: dict[str, str]  # of the papers in the newest messages, by id
    feedback: dict[str, int]  # papers by kind
    suppressed: tuple[str, str, datetime] | None  # reason, details, and since when
    next: NextDigest
    changes: tuple[AddressChange, ...] = ()  # of their address, oldest first
    moved_to: tuple[AddressChange, ...] = ()  # changes of this address to another

    @property
    def is_empty(self) -> bool:
        """True if nothing about the address is stored."""
        return not (self.subscriber or self.messages or self.suppressed or self.moved_to)


def story(connection: Connection, key: str, cut: time, now: datetime) -> Story:
    """Read the story of the address behind a recipient key; issues are cut at `cut` UTC."""
    subscriber = store.by_key(connection, key)
    messages = _messages(connection, key)
    shown = [message.papers for message in messages if message.papers][:_WITH_PAPERS]
    feedback = Counter(str(each.kind) for each in feedback_by(connection, subscriber.id)) if subscriber else {}
    columns = (suppressions.c.reason, suppressions.c.detail, suppressions.c.created_at)
    query = select(*columns).where(suppressions.c.key == key)
    row = connection.execute(query).one_or_none()
    suppressed = (row.reason, row.detail, row.created_at) if row else None
    is_cut = issue_id_on(connection, IssueKind.DAILY, now.date()) is not None
    first = now.date() + timedelta(days=is_cut)
    coming = next_digest(subscriber, suppressed is not None, cut, first)
    titles = _titles(connection, [paper_id for ids in shown for paper_id in ids])
    changes = tuple(changes_of(connection, subscriber.id)) if subscriber else ()
    moved_to = tuple(changes_from(connection, key))
    return Story(subscriber, messages, titles, dict(feedback), suppressed, coming, changes, moved_to)


def came_back(connection: Connection, delivery_ids: Sequence[int]) -> dict[int, str]:
    """Return why messages came back after they were accepted, by delivery."""
    columns = tuple(bounces.c[name] for name in ("delivery_id", "kind", "status", "text"))
    of_these = select(*columns).where(in_list(connection, bounces.c.delivery_id, delivery_ids), bounces.c.way != "smtp")
    rows = connection.execute(of_these.order_by(bounces.c.id)) if delivery_ids else ()
    return {row.delivery_id: f"came back ({row.kind}): {row.status} {row.text}".rstrip(": ") for row in rows}


def next_digest(subscriber: Subscriber | None, is_suppressed: bool, cut: time, first: date) -> NextDigest:
    """Find the first issue from `first` on that a subscriber gets, by weekdays and pause."""
    if subscriber is None:
        return NextDigest(None, None, "nobody with this address is stored")
    if subscriber.status is Status.PENDING:
        return NextDigest(None, None, "they have not confirmed")
    if subscriber.status is not Status.CONFIRMED:
        return NextDigest(None, None, f"they are {subscriber.status}")
    if is_suppressed:
        return NextDigest(None, None, "the address is suppressed")
    wants = subscriber.preferences
    begin = max(first, (wants.paused_until or first) - timedelta(days=2))
    days = (begin + timedelta(days=number) for number in range(_AHEAD.days + 3))
    day = next((day for day in days if _gets(wants, local_day(day, cut, wants.zone, wants.hour))), None)
    if day is None:
        return NextDigest(None, None, "they chose no weekday")
    return NextDigest(day, due_instant(day, cut, wants.zone, wants.hour))


def _gets(wants: Preferences, day: date) -> bool:
    return day.weekday() in wants.weekdays and (wants.paused_until is None or wants.paused_until <= day)


def _messages(connection: Connection, key: str) -> tuple[Sent, ...]:
    query = (
        select(*EXPLAINED, deliveries.c.picks, deliveries.c.selection)
        .outerjoin(issues, issues.c.id == deliveries.c.issue_id)
        .where(deliveries.c.recipient == key)
        .order_by(deliveries.c.id.desc())
        .limit(_SHOWN)
    )
    rows = connection.execute(query).all()
    reasons = came_back(connection, [row.id for row in rows])
    return tuple(
        Sent(
            occasion=row.occasion,
            kind=row.kind,
            state=row.state,
            why=why_of(row) or reasons.get(row.id, ""),
            at=row.finished_at or row.next_attempt_at,
            message_id=row.message_id,
            reply=f"{row.reply_code or ''} {row.reply_text}".strip(),
            papers=_papers(connection, row) if row.kind in WITH_PAPERS else (),
        )
        for row in rows
    )


def _papers(connection: Connection, row: Any) -> tuple[str, ...]:
    selection = stored_selection(connection, row)
    return tuple(pick.paper_id for pick in selection.picks) if selection else ()


def _titles(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    query = select(papers.c.id, papers.c.title).where(in_list(connection, papers.c.id, ids))
    return {row.id: row.title for row in connection.execute(query)} if ids else {}
