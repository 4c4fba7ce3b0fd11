"""Claimed deliveries → what goes into each mail. What a mail was once begun with stays: a retry is the same mail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest.issues.issue import Issue, IssueStatus
from digest.issues.selection import Pool, Selection, SkipReason
from digest.mail.message import Kind
from digest.store.deliveries import Delivery, Got, already_got
from digest.store.recipients import Standing, standing
from digest.subscribers.subscriber import Status, Subscriber

# Where an issue does not say how many days of papers it was made from: as many as the setting allows.
_LONGEST_POOL = 30


@dataclass(frozen=True, slots=True)
class Part:
    """One mail to be written: for whom, and for a digest from which issue which papers."""

    delivery: Delivery
    reader: Subscriber
    issue: Issue | None = None
    selection: Selection | None = None


@dataclass(slots=True)
class Choice:
    """What became of a claim: mails to write, mails nobody wants any more, mails that wait."""

    parts: list[Part] = field(default_factory=list)
    skipped: dict[int, SkipReason] = field(default_factory=dict)
    paused: list[int] = field(default_factory=list)  # with their issue; a resume makes them due at once
    waiting: list[int] = field(default_factory=list)  # until another mail to the reader is chosen


@dataclass(frozen=True, slots=True)
class Shelf:
    """An issue, ready to be chosen from."""

    issue: Issue
    pool: Pool


def choose(
    connection: Connection,
    worker: str,
    claims: Sequence[Delivery],
    shelf_of: Callable[[int], Shelf],
    making: Callable[[int], None],
) -> Choice:
    """Decide for each claim; changes nothing. The claims must be committed (already_got tells why).

    `making` is told whose turn it is, by the number of the mail.
    """
    choice = Choice()
    standings = standing(connection, claims)
    got = _got(connection, worker, claims, shelf_of)
    for claim in claims:
        making(claim.id)
        found = standings[claim.id]
        reason = why_not(claim, found)
        if reason is not None:
            choice.skipped[claim.id] = reason
        elif found.issue_status is IssueStatus.PAUSED:
            choice.paused.append(claim.id)
        elif found.reader is not None and claim.issue_id is None:
            choice.parts.append(Part(claim, found.reader))
        elif found.reader is not None and claim.issue_id is not None:
            _choose_papers(claim, found.reader, shelf_of(claim.issue_id), got[claim.recipient], choice)
    return choice


def _choose_papers(claim: Delivery, reader: Subscriber, shelf: Shelf, got: Got, choice: Choice) -> None:
    if claim.selection is None and got.being_chosen:
        choice.waiting.append(claim.id)
        return
    selection = claim.selection or shelf.pool.select(reader.preferences, got.papers)
    if isinstance(selection, SkipReason):
        choice.skipped[claim.id] = selection
        return
    got.papers.update(pick.paper_id for pick in selection.picks)  # for another of the reader's mails in this claim
    choice.parts.append(Part(claim, reader, shelf.issue, selection))


def _got(
    connection: Connection, worker: str, claims: Sequence[Delivery], shelf_of: Callable[[int], Shelf]
) -> dict[str, Got]:
    digests = [claim for claim in claims if claim.issue_id is not None]
    if not digests:
        return {}
    issues = {claim.issue_id: shelf_of(claim.issue_id).issue for claim in digests if claim.issue_id is not None}
    return already_got(connection, digests, worker, min(since(issue) for issue in issues.values()))


def since(issue: Issue) -> date:
    """No paper of `issue` can have been in a mail of an earlier day: its pool was first seen after that."""
    days = int(issue.settings.get("pool_days", _LONGEST_POOL))
    return issue.cut_at.date() - timedelta(days=days + 1)


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
