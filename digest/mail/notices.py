"""Notices: what an operator tells all subscribers.

A notice is a draft until an operator sends it. The scheduler then stores it as an issue without papers and queues a
delivery for each subscriber, as at a cut: from there on it is sent, paused, cancelled and audited like any issue. A
date has one notice at most; another waits for the next date.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row, Select, and_, func, insert, select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import issues, notices, subscribers, suppressions
from digest.issues.audience import DUE, Slot, count_due, distinct_slots, fan_out
from digest.issues.issue import Issue, IssueSettings, NoticeText
from digest.issues.store import NewIssue, add_issue, issue_id_on, set_candidates
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus, Kind, SkipReason, Status
from digest.ledger.queueing import store_schedule
from digest.mail.compose.notice_text import cleaned
from digest.text import one_line

LONGEST_SUBJECT, LONGEST_TEXT = 150, 10_000  # characters
LATELY = timedelta(days=1)  # within it the same notice is not sent again without a word


class NoticeState(StrEnum):
    """Of a notice."""

    DRAFT = "draft"
    WAITING = "waiting to be queued"
    QUEUED = "queued"  # its issue says more


class BadNotice(ValueError):
    """A notice that cannot be kept or sent; the message says why."""


class SentLately(BadNotice):
    """The same was sent within a day."""


@dataclass(frozen=True, slots=True)
class Notice:
    """`texts` by language. `issue`: date and status of the issue that sends it, once its deliveries are queued."""

    id: int
    texts: Mapping[str, NoticeText]
    by: str
    created_at: datetime
    sent_at: datetime | None = None
    issue_id: int | None = None
    date: Any = None
    status: IssueStatus | None = None

    @property
    def state(self) -> NoticeState:
        if self.issue_id is not None:
            return NoticeState.QUEUED
        return NoticeState.DRAFT if self.sent_at is None else NoticeState.WAITING

    @property
    def subject(self) -> str:
        """In the first of its languages."""
        return self.texts[min(self.texts)].subject


def checked(texts: Mapping[str, tuple[str, str]]) -> dict[str, NoticeText]:
    """Clean the subject and the text of each language; languages without either are left out. Raises BadNotice."""
    notice: dict[str, NoticeText] = {}
    for language, (raw_subject, raw_text) in texts.items():
        subject, text = one_line(raw_subject), cleaned(raw_text)
        if not subject and not text:
            continue
        if not subject or not text:
            raise BadNotice(f"{language}: write both a subject and a text")
        if len(subject) > LONGEST_SUBJECT or len(text) > LONGEST_TEXT:
            raise BadNotice(f"{language}: a subject has up to {LONGEST_SUBJECT} characters, a text {LONGEST_TEXT:,}")
        notice[language] = NoticeText(subject, text)
    if not notice:
        raise BadNotice("write a subject and a text in at least one language")
    return notice


# --- stored ---


def add_notice(connection: Connection, texts: Mapping[str, NoticeText], now: datetime) -> int:
    """Store a draft by the person of the events.acting() block. Returns its number."""
    row = {"texts": _as_json(texts), "by": events.actor_name(), "created_at": now}
    number: int = connection.execute(insert(notices).values(row).returning(notices.c.id)).scalar_one()
    _record(connection, number, "written", now)
    return number


def change_notice(connection: Connection, number: int, texts: Mapping[str, NoticeText], now: datetime) -> bool:
    """False if it is not a draft any more."""
    change = update(notices).where(notices.c.id == number, notices.c.sent_at.is_(None))
    changed = connection.execute(change.values(texts=_as_json(texts))).rowcount == 1
    if changed:
        _record(connection, number, "changed", now)
    return changed


def send_notice(connection: Connection, number: int, now: datetime, again: bool = False) -> bool:
    """Let the scheduler queue a draft; False if it was sent before, as by a double click.

    Raises SentLately if the same texts were sent within a day, unless `again`.
    """
    notice = notice_of(connection, number)
    if notice is None or notice.sent_at is not None:
        return False
    if not again and _was_sent_lately(connection, notice, now):
        raise SentLately("the same notice was sent within the last day")
    draft = update(notices).where(notices.c.id == number, notices.c.sent_at.is_(None))
    is_sent = connection.execute(draft.values(sent_at=now)).rowcount == 1
    if is_sent:
        _record(connection, number, "sent", now)
    return is_sent


def take_back(connection: Connection, number: int, now: datetime) -> bool:
    """Make a notice a draft again; False once it is queued: then its issue can be cancelled."""
    waiting = update(notices).where(
        notices.c.id == number, notices.c.sent_at.is_not(None), notices.c.issue_id.is_(None)
    )
    is_back = connection.execute(waiting.values(sent_at=None)).rowcount == 1
    if is_back:
        _record(connection, number, "taken back", now)
    return is_back


def notice_of(connection: Connection, number: int) -> Notice | None:
    row = connection.execute(_notices().where(notices.c.id == number)).one_or_none()
    return _notice(row) if row else None


def latest_notices(connection: Connection, limit: int, before: int | None = None) -> list[Notice]:
    """The newest first; only those with a number below `before`."""
    query = _notices() if before is None else _notices().where(notices.c.id < before)
    return [_notice(row) for row in connection.execute(query.order_by(notices.c.id.desc()).limit(limit))]


def _notices() -> Select[Any]:
    return select(notices, issues.c.date, issues.c.status).outerjoin(issues, issues.c.id == notices.c.issue_id)


def _notice(row: Row[Any]) -> Notice:
    texts = {language: NoticeText(*parts) for language, parts in row.texts.items()}
    status = IssueStatus(row.status) if row.status else None
    return Notice(row.id, texts, row.by, row.created_at, row.sent_at, row.issue_id, row.date, status)


def _was_sent_lately(connection: Connection, notice: Notice, now: datetime) -> bool:
    others = _notices().where(notices.c.sent_at > now - LATELY, notices.c.id != notice.id)
    return any(_notice(row).texts == notice.texts for row in connection.execute(others))


def _as_json(texts: Mapping[str, NoticeText]) -> dict[str, list[str]]:
    return {language: [text.subject, text.text] for language, text in texts.items()}


def _record(connection: Connection, number: int, what: str, now: datetime, **detail: Any) -> None:
    events.record(connection, now, f"notice:{number}", what, detail)


# --- to all subscribers ---


def count_recipients(connection: Connection, now: datetime) -> tuple[int, dict[str, int]]:
    """The number of subscribers who would get a notice now, and of confirmed ones who would not, by reason.

    A pause is compared with the date in UTC: the exact count joins the zones, which takes seconds for a million.
    """
    is_confirmed = subscribers.c.status == Status.CONFIRMED
    is_paused = and_(subscribers.c.paused_until.is_not(None), subscribers.c.paused_until > now.astimezone(UTC).date())
    counts = select(func.count(), func.count().filter(is_paused)).where(is_confirmed)
    confirmed, paused = connection.execute(counts).one()
    blocked = select(func.count()).join_from(suppressions, subscribers, subscribers.c.key == suppressions.c.key)
    suppressed = connection.execute(blocked.where(is_confirmed, ~is_paused)).scalar_one()
    left_out = {str(SkipReason.SUPPRESSED): suppressed, str(SkipReason.PAUSED): paused}
    return confirmed - paused - suppressed, {reason: count for reason, count in left_out.items() if count}


def as_issue(texts: Mapping[str, NoticeText], settings: IssueSettings, now: datetime) -> Issue:
    """The issue that would send them, for a preview."""
    frozen = replace(settings, notice=texts)
    day = now.astimezone(UTC).date()
    return Issue(0, IssueKind.NOTICE, day, now, IssueStatus.RUNNING, "", {}, frozen, candidates=0, note="", papers=())


def queue_next(engine: Engine, settings: IssueSettings, now: datetime) -> int | None:
    """Queue the notice that has waited longest, unless today had one: a delivery for each subscriber, due at once.

    Returns how many, or None if there is nothing to do. One transaction: if this process dies, nothing has happened,
    and the next call does it.
    """
    day = now.astimezone(UTC).date()
    waiting = select(notices.c.id).where(notices.c.sent_at.is_not(None), notices.c.issue_id.is_(None))
    with read_only(engine) as connection:
        number = connection.scalar(waiting.order_by(notices.c.sent_at, notices.c.id).limit(1))
        if number is None or issue_id_on(connection, IssueKind.NOTICE, day) is not None:
            return None
    with transaction(engine) as connection:
        row = connection.execute(select(notices).where(notices.c.id == number).with_for_update()).one()
        if row.sent_at is None or row.issue_id is not None:  # meanwhile taken back, or queued by another scheduler
            return None
        slots = _slots(connection, now)
        left_out = count_due(connection, slots)
        left_out.pop(DUE, None)
        texts = {language: NoticeText(*parts) for language, parts in row.texts.items()}
        frozen = replace(settings, notice=texts, left_out=left_out)
        issue_id = add_issue(connection, NewIssue(IssueKind.NOTICE, day, now, "", {}, frozen, ""), ())
        if issue_id is None:
            return None
        count = fan_out(connection, {Kind.NOTICE: issue_id}, day, slots, now)[Kind.NOTICE]
        set_candidates(connection, issue_id, count)
        store_schedule(connection, [issue_id])
        connection.execute(update(notices).where(notices.c.id == number).values(issue_id=issue_id))
        detail = {"kind": str(IssueKind.NOTICE), "notice": number, "candidates": count}
        events.record(connection, now, f"issue:{day}", "cut", detail)
    return count


def _slots(connection: Connection, now: datetime) -> list[Slot]:
    """Everyone is due at once; the date where they live decides if their pause has ended."""
    return [
        Slot(zone, hour, now.astimezone(ZoneInfo(zone)).date(), now, any_weekday=True)
        for zone, hour in distinct_slots(connection)
    ]
