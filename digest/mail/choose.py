"""Claimed deliveries → what goes into each mail. Frozen in the ledger, so that a retry is the same mail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest.issues.issue import Issue, IssueStatus
from digest.issues.selection import Selection, SkipReason, select
from digest.mail.message import Kind
from digest.store.deliveries import Delivery, already_got, store_selections
from digest.store.recipients import Standing, standing
from digest.subscribers.subscriber import Status, Subscriber


@dataclass(frozen=True, slots=True)
class Part:
    """One mail to be written: for whom, and for a digest from which issue which papers."""

    delivery: Delivery
    reader: Subscriber
    issue: Issue | None = None
    selection: Selection | None = None


@dataclass(slots=True)
class Choice:
    """What became of a window of claims: mails to write, mails nobody wants any more, mails that wait for a resume."""

    parts: list[Part] = field(default_factory=list)
    skipped: dict[int, SkipReason] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)


def choose(connection: Connection, worker: str, claims: Sequence[Delivery], issue_of: Callable[[int], Issue]) -> Choice:
    """Decide for each claim, and freeze the selections. Call it in one transaction, which locks the readers' rows:
    another of their mails, in another worker, chooses after this one has, and so leaves out its papers.
    """
    choice = Choice()
    standings = standing(connection, claims, lock=True)
    got = already_got(connection, claims)
    frozen: dict[int, Selection] = {}
    for claim in claims:
        found = standings[claim.id]
        reason = why_not(claim, found)
        if reason is not None:
            choice.skipped[claim.id] = reason
        elif found.issue_status is IssueStatus.PAUSED:
            choice.waiting.append(claim.id)
        elif found.reader is not None and claim.issue_id is None:
            choice.parts.append(Part(claim, found.reader))
        elif found.reader is not None and claim.issue_id is not None:
            issue = issue_of(claim.issue_id)
            selection = claim.selection or select(issue, found.reader.preferences, got[claim.recipient])
            if isinstance(selection, SkipReason):
                choice.skipped[claim.id] = selection
                continue
            frozen[claim.id] = selection
            got[claim.recipient].update(pick.paper_id for pick in selection.picks)
            choice.parts.append(Part(claim, found.reader, issue, selection))
    store_selections(connection, worker, frozen)
    return choice


def why_not(claim: Delivery, found: Standing) -> SkipReason | None:
    """Why this mail is not made any more; None while it is wanted."""
    if found.reader is None:
        return SkipReason.ERASED
    if found.suppressed:
        return SkipReason.SUPPRESSED
    if found.issue_status is IssueStatus.CANCELLED:
        return SkipReason.CANCELLED
    if claim.kind is Kind.CONFIRMATION:
        return None if found.reader.status is Status.PENDING else SkipReason.CHANGED
    if found.reader.status is not Status.CONFIRMED:
        return SkipReason.UNSUBSCRIBED
    return SkipReason.PAUSED if claim.kind is Kind.DIGEST and _is_paused(found.reader, claim.due_at) else None


def _is_paused(reader: Subscriber, due_at: datetime) -> bool:
    until = reader.preferences.paused_until
    return until is not None and due_at.astimezone(ZoneInfo(reader.preferences.zone)).date() < until
